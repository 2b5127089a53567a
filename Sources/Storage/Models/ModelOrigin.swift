import Coding
import Diagnostics
import Foundation

/// What an exported directory was made from: `rdo.json` in it.
package struct ModelOrigin: Codable, Sendable, Equatable {
    package static let fileName = "rdo.json"
    package static let schema = "rdo.model/1"

    package var schema = Self.schema
    package let software: String
    package let pass: String
    package let step: Int
    /// Id of the checkpoint that holds the same weights.
    package let checkpoint: String
    /// Number type of the weights: `f32` or `bf16`.
    package let type: String
    /// What the training run was made from: the attributes of `/state/extra` in its checkpoints.
    package let identity: [String: String]

    package init(pass: String, step: Int, checkpoint: String, type: String, identity: [String: String]) {
        software = Version.software
        (self.pass, self.step, self.checkpoint, self.type) = (pass, step, checkpoint, type)
        self.identity = identity
    }

    /// Of an exported directory; nil when it does not say.
    /// - Throws: `RDOError.artefact` when it cannot be read, or says something that cannot be understood.
    package static func read(_ directory: String) throws -> ModelOrigin? {
        let path = directory + "/" + fileName
        guard let bytes = try InputFile.contents(of: path) else { return nil }
        return try Durable.attempt("read", path) { try JSONDecoder().decode(ModelOrigin.self, from: Data(bytes)) }
    }

    var json: Data {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return try encoder.encode(self)
        }
    }
}
