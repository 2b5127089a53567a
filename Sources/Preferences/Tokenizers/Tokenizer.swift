import Coding
import Diagnostics
import Foundation

/// Turns text into token ids and back.
package protocol Tokenizer: Sendable {
    /// The ids of the bare text: nothing is put before or after it.
    /// - Throws: `RDOError.artefact` naming the file and the component that fails on this text, such as a pattern.
    func encode(_ text: String) throws(RDOError) -> [Int32]

    /// The text of `ids`. Special tokens appear as they are written; ids that name no token are left out.
    /// - Throws: as `encode`.
    func decode(_ ids: [Int32]) throws(RDOError) -> String

    /// The highest id plus one, added tokens included.
    var vocabularySize: Int { get }

    /// The one token that the tokenizer itself puts before a text; nil when it puts none.
    var bosTokenID: Int32? { get }

    /// XXH3-128 of the tokenizer file's bytes, 32 hexadecimal digits in canonical (big-endian) order.
    var digest: String { get }

    /// The id of the token spelled `token`, as the file spells it; nil when there is none.
    func id(of token: String) -> Int32?

    /// How an added token is spelled; nil for others.
    func spelling(of id: Int32) -> String?

    /// What is to be said of how it was chosen; nil for nothing.
    var remark: String? { get }
}

extension Tokenizer {
    package func spelling(of id: Int32) -> String? { nil }
    package var remark: String? { nil }
}

/// Opens the tokenizers that Hugging Face model directories carry.
package enum TokenizerLoader {
    /// Loads a model directory's tokenizer: `tokenizer.json`, or else `tokenizer.model`; or the file that `path` names.
    /// Of a directory whose tokenizer.json asks for what is not supported, tokenizer.model is read, and remarked on.
    ///
    /// - Throws: `RDOError.artefact` naming file and key: nothing there, malformed, or made of unsupported components.
    package static func load(_ path: String) throws -> any Tokenizer {
        let file = try tokenizerFile(at: path)
        let bytes = try content(of: file)
        if file.hasSuffix(".model") { return try SentencePieceTokenizer(bytes, file: file) }
        do {
            return try JSONTokenizer(supported: bytes, file: file)
        } catch let unsupported as UnsupportedTokenizer {
            let other = path + "/tokenizer.model"
            guard file != path, try InputFile.exists(other) else { throw unsupported.error }
            return try SentencePieceTokenizer(
                content(of: other), file: other, remark: "\(unsupported.error): tokenizer.model is read instead")
        }
    }

    private static func content(of file: String) throws -> [UInt8] {
        guard let bytes = try InputFile.contents(of: file) else {
            throw RDOError(.artefact, "the tokenizer file is not there", at: file)
        }
        return bytes
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
            let file = path + "/" + name
            if try InputFile.exists(file) { return file }
        }
        throw RDOError(
            .artefact, "the directory has neither tokenizer.json nor tokenizer.model", at: path,
            remedy: "copy the model's tokenizer there or name another directory")
    }
}
