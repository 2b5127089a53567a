import Coding
import CSentencePiece
import Diagnostics

/// A SentencePiece tokenizer.model, run by libsentencepiece. Special tokens in a text are plain text to it.
///
/// `@unchecked Sendable`: the model does not change once loaded; libsentencepiece encodes and decodes from any thread.
final class SentencePieceTokenizer: Tokenizer, @unchecked Sendable {
    let vocabularySize: Int
    let bosTokenID: Int32?
    let digest: String
    private let model: OpaquePointer

    /// - Parameters:
    ///   - bytes: the file's content; `file`: its path, for error messages.
    ///   - addsBOS: whether the model's BOS goes before a text.
    /// - Throws: `RDOError.artefact` when libsentencepiece refuses the file.
    init(_ bytes: [UInt8], file: String, addsBOS: Bool) throws {
        var model: OpaquePointer?
        let message = bytes.withUnsafeBytes { sentencepiece_load($0.baseAddress, $0.count, &model) }
        guard let model else {
            defer { sentencepiece_release(message) }
            throw RDOError(
                .artefact, "not a SentencePiece model (\(message.map { String(cString: $0) } ?? "out of memory"))",
                at: file, remedy: "fetch the file again; it is damaged or incomplete")
        }
        self.model = model
        vocabularySize = Int(sentencepiece_piece_count(model))
        let bos = sentencepiece_bos_id(model)
        bosTokenID = addsBOS && bos >= 0 ? bos : nil
        digest = Digest.of(bytes).hex
    }

    deinit { sentencepiece_free(model) }

    func encode(_ text: String) -> [Int32] {
        var text = text
        return text.withUTF8 { utf8 in
            var ids: UnsafeMutablePointer<Int32>?
            var count = 0
            let message = utf8.withMemoryRebound(to: CChar.self) {
                sentencepiece_encode(model, $0.baseAddress, $0.count, &ids, &count)
            }
            defer { sentencepiece_release(ids) }
            precondition(message == nil, "libsentencepiece encodes any UTF-8 text")
            return Array(UnsafeBufferPointer(start: ids, count: count))
        }
    }

    func decode(_ ids: [Int32]) -> String {
        let known = ids.filter { (0..<vocabularySize).contains(Int($0)) }
        var text: UnsafeMutablePointer<CChar>?
        var length = 0
        let message = sentencepiece_decode(model, known, known.count, &text, &length)
        defer { sentencepiece_release(text) }
        precondition(message == nil, "libsentencepiece decodes any ids that it has")
        return UnsafeBufferPointer(start: text, count: length).withMemoryRebound(to: UInt8.self) {
            String(decoding: $0, as: UTF8.self)
        }
    }

    func id(of token: String) -> Int32? {
        var token = token
        let id = token.withUTF8 { utf8 in
            utf8.withMemoryRebound(to: CChar.self) { sentencepiece_piece_id(model, $0.baseAddress, $0.count) }
        }
        return id >= 0 ? id : nil
    }
}
