import Coding
import Diagnostics

/// The tokenizer that a tokenizer.json describes: normalizer, pre-tokenizer, byte-pair encoding and decoder, with the
/// behaviour of the Hugging Face `tokenizers` library.
///
/// Its truncation and padding are left aside: lengths are planned per query elsewhere.
final class JSONTokenizer: Tokenizer {
    let vocabularySize: Int
    let bosTokenID: Int32?
    let digest: String

    private let normalizer: Normalizer?
    private let preTokenizer: PreTokenizer?
    private let model: BytePairEncoding
    private let decoder: TokenDecoder?
    private let added: AddedVocabulary
    private let cache = WordCache()
    /// By id, what the decoder reads; nil for ids that name no token.
    private let spellings: [[UInt8]?]

    /// - Parameters:
    ///   - bytes: the file's content; `file`: its path, for error messages.
    /// - Throws: `RDOError.artefact` naming file and key.
    init(_ bytes: [UInt8], file: String) throws {
        let root = try JSONField(parsing: bytes, file: file)
        model = try BytePairEncoding(root.required("model"))
        normalizer = try root["normalizer"].map(Normalizer.init)
        preTokenizer = try root["pre_tokenizer"].map(PreTokenizer.init)
        let decoder = try root["decoder"].map(TokenDecoder.init)
        self.decoder = decoder
        added = try AddedVocabulary(root["added_tokens"], ids: model.ids, normalizer: normalizer)
        digest = Digest.of(bytes).hex

        let highest = max(model.ids.values.max() ?? -1, added.tokens.map(\.id).max() ?? -1)
        vocabularySize = Int(highest) + 1
        var spellings = [[UInt8]?](repeating: nil, count: vocabularySize)
        for (spelling, id) in model.ids { spellings[Int(id)] = spelling.bytes }
        for token in added.tokens where spellings[Int(token.id)] == nil {
            // It is found in plain text, so it must come out of a byte-level decoder as it is written.
            spellings[Int(token.id)] =
                decoder?.isByteLevel == true ? ByteLevelAlphabet.spell(token.pattern) : token.pattern
        }
        self.spellings = spellings
        bosTokenID = try root["post_processor"].flatMap(Self.bosTokenID)
        if let bosTokenID, bosTokenID >= vocabularySize {
            throw RDOError(
                .artefact, "post_processor puts id \(bosTokenID), which is no token, before a text", at: file)
        }
    }

    func encode(_ text: String) -> [Int32] {
        var ids: [Int32] = []
        let bytes = Array(text.utf8)
        for segment in added.inText.segments(of: bytes) {
            switch segment {
            case .token(let id): ids.append(id)
            case .text(let range):
                let part = Array(bytes[range])
                appendIDs(of: normalizer?.normalize(part) ?? part, startsText: range.lowerBound == 0, to: &ids)
            }
        }
        return ids
    }

    private func appendIDs(of normalized: [UInt8], startsText: Bool, to ids: inout [Int32]) {
        for segment in added.inNormalizedText.segments(of: normalized) {
            switch segment {
            case .token(let id): ids.append(id)
            case .text(let range):
                var text = PreTokenizedText(Array(normalized[range]), startsText: startsText && range.lowerBound == 0)
                preTokenizer?.apply(to: &text)
                text.bytes.withUnsafeBufferPointer { bytes in
                    let encode = model.encode
                    for piece in text.pieces {
                        let word = UnsafeBufferPointer(rebasing: bytes[piece])
                        for part in WordCache.takes(word) ? [0..<word.count] : model.parts(of: word) {
                            ids += cache.ids(of: UnsafeBufferPointer(rebasing: word[part]), encode: encode)
                        }
                    }
                }
            }
        }
    }

    func decode(_ ids: [Int32]) -> String {
        let tokens = ids.compactMap { id in spellings.indices.contains(Int(id)) ? spellings[Int(id)] : nil }
        guard let decoder else { return tokens.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ") }
        return String(decoding: decoder.decode(tokens).joined(), as: UTF8.self)
    }

    func id(of token: String) -> Int32? {
        added.tokens.first { $0.content.elementsEqual(token.utf8) }?.id ?? model.ids[UTF8Key(token.utf8)]
    }

    /// The one token that the post-processor puts before a single text; nil when it puts none.
    private static func bosTokenID(_ field: JSONField) throws -> Int32? {
        switch try field.componentType() {
        case "TemplateProcessing":
            var names: [JSONField] = []
            for piece in try field.required("single").array() {
                guard let special = piece["SpecialToken"] else { break }
                names.append(try special.required("id"))
            }
            let table = field["special_tokens"]
            let ids = try names.flatMap { name -> [Int32] in
                guard let entry = table?[try name.string()] else {
                    throw name.fail("is \"\(try name.string())\", which \(field.path).special_tokens lacks")
                }
                return try entry.required("ids").array().map { try $0.tokenID() }
            }
            guard ids.count <= 1 else { throw field.unsupported("a template of \(ids.count) tokens before a text") }
            return ids.first
        case "Sequence":
            let ids = try field.required("processors").array().compactMap(bosTokenID)
            guard ids.count <= 1 else { throw field.unsupported("a sequence of \(ids.count) templates") }
            return ids.first
        case "ByteLevel": return nil
        case let other: throw field.unsupported("the post-processor \(other)")
        }
    }
}
