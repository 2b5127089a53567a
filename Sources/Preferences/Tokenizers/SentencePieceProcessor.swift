import CSentencePiece
import Diagnostics

/// A SentencePiece model, run by libsentencepiece.
///
/// `@unchecked Sendable`: the model does not change once loaded; libsentencepiece encodes and decodes from any thread.
final class SentencePieceProcessor: @unchecked Sendable {
    /// How many pieces it has.
    let count: Int
    let bosID: Int32?
    private let model: OpaquePointer

    /// Appended to a model, it turns the space off that goes before a text: `normalizer_spec { add_dummy_prefix: false }`
    /// as a protocol buffer, in which of two values the later one counts.
    static let withoutPrefix: [UInt8] = [0x1A, 0x02, 0x18, 0x00]

    /// - Parameters:
    ///   - bytes: the file's content; `file`: its path, for error messages.
    /// - Throws: `RDOError.artefact` when libsentencepiece refuses the file.
    init(_ bytes: [UInt8], file: String) throws {
        var model: OpaquePointer?
        let message = bytes.withUnsafeBytes { sentencepiece_load($0.baseAddress, $0.count, &model) }
        guard let model else {
            defer { sentencepiece_release(message) }
            throw RDOError(
                .artefact, "not a SentencePiece model (\(message.map { String(cString: $0) } ?? "out of memory"))",
                at: file, remedy: "fetch the file again; it is damaged or incomplete")
        }
        self.model = model
        count = Int(sentencepiece_piece_count(model))
        let bos = sentencepiece_bos_id(model)
        bosID = bos >= 0 ? bos : nil
    }

    deinit { sentencepiece_free(model) }

    /// - Throws: when libsentencepiece fails, as it does with models that contradict themselves.
    func encode(_ text: String) throws(TextError) -> [Int32] {
        var text = text
        var ids: UnsafeMutablePointer<Int32>?
        var count = 0
        let message = text.withUTF8 { utf8 in
            utf8.withMemoryRebound(to: CChar.self) {
                sentencepiece_encode(model, $0.baseAddress, $0.count, &ids, &count)
            }
        }
        defer { sentencepiece_release(ids) }
        try Self.check(message)
        return Array(UnsafeBufferPointer(start: ids, count: count))
    }

    /// - Parameter ids: each below `count`.
    func decode(_ ids: [Int32]) throws(TextError) -> String {
        var text: UnsafeMutablePointer<CChar>?
        var length = 0
        let message = sentencepiece_decode(model, ids, ids.count, &text, &length)
        defer { sentencepiece_release(text) }
        try Self.check(message)
        return UnsafeBufferPointer(start: text, count: length).withMemoryRebound(to: UInt8.self) {
            String(decoding: $0, as: UTF8.self)
        }
    }

    private static func check(_ message: UnsafeMutablePointer<CChar>?) throws(TextError) {
        guard let message else { return }
        defer { sentencepiece_release(message) }
        throw TextError(what: "libsentencepiece fails (\(String(cString: message)))")
    }

    func id(of piece: String) -> Int32? {
        var piece = piece
        let id = piece.withUTF8 { utf8 in
            utf8.withMemoryRebound(to: CChar.self) { sentencepiece_piece_id(model, $0.baseAddress, $0.count) }
        }
        return id >= 0 ? id : nil
    }
}
