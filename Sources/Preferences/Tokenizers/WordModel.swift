import Coding

/// What turns a word, a piece of a text that pre-tokenization has cut, into ids (`model` in tokenizer.json).
protocol WordModel: Sendable {
    /// The id of every spelling; of those that stand there twice the later one.
    var ids: [UTF8Key: Int32] { get }

    /// Every entry of the vocabulary.
    var entries: [(spelling: [UInt8], id: Int32)] { get }

    /// Cuts a long word where its parts, encoded one by one, give its ids.
    func parts(of word: UnsafeBufferPointer<UInt8>) -> [Range<Int>]

    /// The ids of one word.
    /// - Throws: when it has a character that the model cannot express.
    func encode(_ word: UnsafeBufferPointer<UInt8>) throws(TextError) -> [Int32]
}

enum WordModels {
    /// The model of a tokenizer.json.
    static func model(_ field: JSONField) throws -> any WordModel {
        // The oldest files leave the type out.
        switch try field["type"]?.string() ?? "BPE" {
        case "BPE": try BytePairEncoding(field)
        case "Unigram": try UnigramModel(field)
        case let other: throw field.unsupported("the model \(other)", "BPE and Unigram are")
        }
    }

    /// How a vocabulary spells a byte.
    static func fallbackSpelling(of byte: UInt8) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return Array("<0x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]] + Array(">".utf8)
    }
}
