import Coding
import Diagnostics
import Foundation
import Report
import Storage

/// A blind sheet for people: one page with the pairs, and a key of its own that says whose response stands where.
package struct HumanSheet {
    /// A pair as the page has it: nothing of it says which policy is which.
    struct Item: Codable, Equatable {
        let number: Int
        let query: String
        let left: String
        let right: String
    }

    /// What the page's script reads.
    private struct Content: Encodable {
        let sheet: String
        let schema = SheetAnswers.schema
        let items: [Item]
    }

    let key: SheetKey
    let items: [Item]
    /// One line each about what is left out.
    package let notes: [String]

    /// - Throws: `RDOError.data` when a file cannot be used, or there is nothing to judge.
    package init(_ first: String, _ second: String, limit: Int?, seed: Int) throws {
        let pairs = try PolicyPairs(first, second, limit: limit, seed: seed)
        notes = pairs.notes
        let asked = pairs.pairs.filter { !$0.isIdentical }
        guard !asked.isEmpty else {
            throw RDOError(.data, "all responses are the same in both files: there is nothing to judge", at: second)
        }
        let order = asked.map { ($0, Draw.bits(.places, seed: seed, $0.key)) }.sorted {
            ($0.1, $0.0.key) < ($1.1, $1.0.key)
        }.map(\.0)
        let lefts = order.map { Draw.coin(.sides, seed: seed, $0.key) ? Side.a : .b }
        items = zip(order, lefts).enumerated().map { index, item in
            let (pair, left) = item
            return Item(
                number: index + 1, query: pair.query, left: left == .a ? pair.a : pair.b,
                right: left == .a ? pair.b : pair.a)
        }
        let digest = DigestStream()
        for item in items { [item.query, item.left, item.right].forEach { digest.update($0) } }
        key = SheetKey(
            sheet: digest.digest.hex, seed: seed, coverage: pairs.coverage,
            items: zip(order, lefts).enumerated().map { SheetKey.Item(number: $0 + 1, left: $1.1, pair: $1.0) },
            identical: pairs.pairs.filter(\.isIdentical))
    }

    package var count: Int { items.count }

    /// Where the key of a sheet is written.
    package static func keyPath(of sheet: String) -> String {
        (sheet.hasSuffix(".html") ? String(sheet.dropLast(".html".count)) : sheet) + ".key.json"
    }

    /// Writes both files, which must not be there yet: a key without its sheet, or another's, would mix up the policies.
    /// - Throws: `RDOError.usage` when one is there, or cannot be written.
    package func write(to path: String) throws {
        let keyPath = Self.keyPath(of: path)
        try Durable.requireAbsent(path)
        try Durable.requireAbsent(keyPath)
        try NewTextFile.write(keyPath) { try $0.write(key.json()) }
        try NewTextFile.write(path) { try $0.write(html()) }
    }

    func html() throws -> String {
        ReportPage.filled(
            Self.text(PackageResources.sheet_html),
            [
                "software": Version.software, "nonce": ReportPage.nonce(),
                "style": Self.text(PackageResources.sheet_css), "script": Self.text(PackageResources.sheet_js),
                "content": try EmbeddedJSON.text(Content(sheet: key.sheet, items: items)),
            ])
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}

/// Which policy stands where in a sheet: a file of its own, which raters do not get.
package struct SheetKey: Codable, Equatable {
    package struct Item: Codable, Equatable {
        let number: Int
        let left: Side
        let pair: PolicyPair
    }

    static let schema = "rdo.sheet-key/1"

    private(set) var schema = SheetKey.schema
    let sheet: String
    let seed: Int
    let coverage: PairCoverage
    let items: [Item]
    /// Pairs of equal responses, which nobody is asked about: ties.
    let identical: [PolicyPair]

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }

    /// - Throws: `RDOError.artefact` when it is no key.
    static func read(_ path: String) throws -> SheetKey {
        let key = try SheetFile.read(SheetKey.self, path, schema: schema, what: "key of a sheet")
        let numbers = key.items.map(\.number)
        guard !numbers.isEmpty, numbers == Array(1...numbers.count) else {
            throw RDOError(.artefact, "the items are not numbered from 1 on", at: path)
        }
        return key
    }
}

/// What the page saves.
struct SheetAnswers: Codable, Equatable {
    enum Choice: String, Codable { case left, right, tie }

    static let schema = "rdo.sheet-answers/1"

    let schema: String
    let sheet: String
    /// As typed; may be empty.
    let rater: String
    /// By number.
    let answers: [String: Choice]
}

/// JSON files around a sheet.
enum SheetFile {
    /// - Throws: `RDOError.artefact` when the file is none of `schema`.
    static func read<Value: Decodable>(
        _ type: Value.Type, _ path: String, schema: String, what: String
    ) throws -> Value {
        guard let bytes = try InputFile.contents(of: path) else {
            throw RDOError(.artefact, "cannot read (there is no such file)", at: path)
        }
        let document = try JSONField(parsing: bytes, file: path)
        guard document.value["schema"]?.text == schema else {
            throw RDOError(.artefact, "the file is no \(what) (\(schema))", at: path)
        }
        do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch let error as DecodingError {
            throw RDOError(.artefact, "the \(what) is damaged: \(Self.place(of: error))", at: path)
        }
    }

    private static func place(of error: DecodingError) -> String {
        func named(_ context: DecodingError.Context) -> String {
            context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
        }
        return switch error {
        case .keyNotFound(let key, let context): "\(named(context)) has no \(key.stringValue)"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            "\(named(context)): \(context.debugDescription)"
        @unknown default: "\(error)"
        }
    }
}
