import ArgumentParser
import Diagnostics
import Foundation
import Preferences

struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Turn lines on standard input into JSON arrays of token ids, one a line, without BOS and EOS.")

    @Option(help: "Model directory, tokenizer.json or tokenizer.model.")
    var model: String

    @Flag(help: "Each input line is a JSON string, so that a text may contain line breaks.")
    var json = false

    @Flag(help: "The other way: each input line is a JSON array of ids; print the text as a JSON string.")
    var decode = false

    func run() throws {
        let tokenizer = try TokenizerLoader.load(model)
        if let remark = tokenizer.remark { Log(speaking: true).warning(remark) }
        var number = 0
        while let line = readLine(strippingNewline: true) {
            number += 1
            if decode {
                let ids = try parse(line, as: [Int32].self, number, "a JSON array of ids")
                try StandardOutput.write(Self.encoded(named(number) { try tokenizer.decode(ids) }))
            } else {
                let text = json ? try parse(line, as: String.self, number, "a JSON string") : line
                let ids = try named(number) { try tokenizer.encode(text) }
                try StandardOutput.write("[" + ids.map(String.init).joined(separator: ", ") + "]")
            }
        }
    }

    /// What fails on a line is said with the line's number.
    private func named<Result>(_ number: Int, _ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as RDOError {
            throw RDOError(
                error.kind, error.what + " (line \(number) of standard input)", at: error.place, remedy: error.remedy)
        }
    }

    private func parse<Value: Decodable>(_ line: String, as type: Value.Type, _ number: Int, _ what: String) throws
        -> Value
    {
        do {
            return try JSONDecoder().decode(type, from: Data(line.utf8))
        } catch {
            throw RDOError(.data, "the line is not \(what)", at: "standard input:\(number)")
        }
    }

    private static func encoded(_ text: String) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        return String(decoding: try encoder.encode(text), as: UTF8.self)
    }
}
