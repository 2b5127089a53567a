import Coding
import Diagnostics
import Foundation
import Storage

/// `evaluation.json` in a run's output.
package enum EvaluationFile {
    package static let name = "evaluation.json"

    /// - Throws: `RDOError.artefact` when it cannot be read, or is something else.
    package static func read(_ path: String) throws -> Evaluation {
        guard let bytes = try InputFile.contents(of: path) else { throw RDOError(.artefact, "cannot read", at: path) }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let evaluation = try? decoder.decode(Evaluation.self, from: Data(bytes)),
            evaluation.schema == Evaluation.schema
        else {
            throw RDOError(
                .artefact, "this is no evaluation (\(Evaluation.schema)), or one of another version", at: path,
                remedy: "move it away: `rdo evaluate` writes a new one")
        }
        return evaluation
    }

    /// The same figures give the same bytes: no time and no number of ranks is in it.
    /// - Throws: `RDOError.artefact` when it cannot be written.
    package static func write(_ evaluation: Evaluation, to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        try Durable.write(try encoder.encode(evaluation) + Data("\n".utf8), to: path)
    }

    /// - Throws: `RDOError.artefact` when something stands there that is no evaluation.
    package static func requireReplaceable(_ path: String) throws {
        if try InputFile.exists(path) { _ = try read(path) }
    }
}
