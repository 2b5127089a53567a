import Coding
import Diagnostics
import Foundation

/// Turns text into token ids and back.
package protocol Tokenizer: Sendable {
    /// The ids of the bare text: nothing is put before or after it.
    func encode(_ text: String) -> [Int32]

    /// The text of `ids`. Special tokens appear as they are written; ids that name no token are left out.
    func decode(_ ids: [Int32]) -> String

    /// The highest id plus one, added tokens included.
    var vocabularySize: Int { get }

    /// The one token that the tokenizer itself puts before a text; nil when it puts none.
    var bosTokenID: Int32? { get }

    /// XXH3-128 of the tokenizer file's bytes, 32 hexadecimal digits in canonical (big-endian) order.
    var digest: String { get }

    /// The id of the token spelled `token`, as the file spells it; nil when there is none.
    func id(of token: String) -> Int32?
}

/// Opens the tokenizers that Hugging Face model directories carry.
package enum TokenizerLoader {
    /// Loads a model directory's tokenizer: `tokenizer.json`, or else `tokenizer.model`; or the file that `path` names.
    ///
    /// - Throws: `RDOError.artefact` naming file and key: nothing there, malformed, or made of unsupported components.
    package static func load(_ path: String) throws -> any Tokenizer {
        let file = try tokenizerFile(at: path)
        let bytes: [UInt8]
        do {
            bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
        } catch {
            throw RDOError(.artefact, "the tokenizer file cannot be read", at: file, remedy: "check its permissions")
        }
        if file.hasSuffix(".model") {
            return try SentencePieceTokenizer(bytes, file: file, addsBOS: addsBOS(besideModel: file))
        }
        return try JSONTokenizer(bytes, file: file)
    }

    private static func tokenizerFile(at path: String) throws -> String {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw RDOError(
                .artefact, "no such file or directory", at: path,
                remedy: "name a model directory, a tokenizer.json or a tokenizer.model")
        }
        guard isDirectory.boolValue else { return path }
        for name in ["tokenizer.json", "tokenizer.model"] {
            let file = URL(fileURLWithPath: path).appendingPathComponent(name).path
            if FileManager.default.fileExists(atPath: file) { return file }
        }
        throw RDOError(
            .artefact, "the directory has neither tokenizer.json nor tokenizer.model", at: path,
            remedy: "copy the model's tokenizer there or name another directory")
    }

    /// A bare SentencePiece file does not say whether BOS is put before a text; `add_bos_token` beside it may say no.
    private static func addsBOS(besideModel file: String) throws -> Bool {
        let config = URL(fileURLWithPath: file).deletingLastPathComponent().appendingPathComponent(
            "tokenizer_config.json")
        guard let data = try? Data(contentsOf: config) else { return true }
        let root = try JSONField(parsing: [UInt8](data), file: config.path)
        return try root.flag("add_bos_token", default: true)
    }
}
