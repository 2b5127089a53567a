import Coding
import Diagnostics
import Foundation
import Storage

/// The directory that `--out` names: what a comparison leaves there, and that nothing else is touched.
enum JudgementFiles {
    static let result = "result.json"
    static let verdicts = "verdicts.jsonl"
    private static let own: Set<String> = [AnswerCache.fileName, result, verdicts, ".lock"]

    /// - Throws: `RDOError.artefact` when the directory holds anything of others, or is none.
    static func require(_ directory: String) throws {
        guard try Durable.exists(directory) else { return }
        guard let files = try Durable.files(in: directory) else {
            throw RDOError(.artefact, "this is a file, not a directory", at: directory, remedy: "name a directory")
        }
        for file in files {
            let name = URL(ofFile: file).lastPathComponent
            // What a kill left of a file that was being written.
            let isOwn = own.contains(name) || own.contains(name.replacing(".writing", with: ""))
            guard try isOwn && (name != result || isResult(file)) else {
                throw RDOError(
                    .artefact, "the directory holds \(name), which is not of rdo judge", at: directory,
                    remedy: "name a new directory, or that of an earlier rdo judge")
            }
        }
    }

    private static func isResult(_ path: String) throws -> Bool {
        String(decoding: try InputFile.contents(of: path) ?? [], as: UTF8.self).contains("\"\(Judgement.schema)\"")
    }

    /// Replaces both files, each as a whole.
    static func write(_ pairs: [JudgedPair], _ judgement: Judgement, to directory: String) throws {
        try Durable.write(Data(pairs.map(JSONLinesEncoder.line).joined().utf8), to: directory + "/" + verdicts)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        try Durable.write(encoder.encode(judgement), to: directory + "/" + result)
    }
}
