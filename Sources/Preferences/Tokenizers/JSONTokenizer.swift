import Coding
import Diagnostics

/// The tokenizer that a tokenizer.json describes: normalizer, pre-tokenizer, model of words and decoder, with the behaviour
/// of the Hugging Face `tokenizers` library.
///
/// Its truncation and padding are left aside: lengths are planned per query elsewhere.
final class JSONTokenizer: Tokenizer {
    let vocabularySize: Int
    let bosTokenID: Int32?
    let digest: String

    private let normalizer: Normalizer?
    private let preTokenizer: PreTokenizer?
    private let model: any WordModel
    private let decoder: TokenDecoder?
    private let added: AddedVocabulary
    private let cache = WordCache()
    private let file: String
    /// By id, what the decoder reads; nil for ids that name no token.
    private let spellings: [[UInt8]?]

    /// - Parameters:
    ///   - bytes: the file's content; `file`: its path, for error messages.
    /// - Throws: `RDOError.artefact` naming file and key.
    convenience init(_ bytes: [UInt8], file: String) throws {
        do { try self.init(supported: bytes, file: file) } catch let unsupported as UnsupportedTokenizer {
            throw unsupported.error
        }
    }

    /// - Throws: `UnsupportedTokenizer` for a component that is not implemented, else `RDOError.artefact`.
    init(supported bytes: [UInt8], file: String) throws {
        self.file = file
        let root = try JSONField(parsing: bytes, file: file)
        let model = try WordModels.model(root.required("model"))
        let entries = model.entries
        self.model = model
        normalizer = try root["normalizer"].map(Normalizer.init)
        preTokenizer = try root["pre_tokenizer"].map(PreTokenizer.init)
        let decoder = try root["decoder"].map(TokenDecoder.init)
        self.decoder = decoder
        added = try AddedVocabulary(root["added_tokens"], ids: model.ids, count: entries.count, normalizer: normalizer)
        digest = Digest.of(bytes).hex

        let highest = max(entries.map(\.id).max() ?? -1, added.tokens.map(\.id).max() ?? -1)
        vocabularySize = Int(highest) + 1
        var spellings = [[UInt8]?](repeating: nil, count: vocabularySize)
        for (spelling, id) in entries { spellings[Int(id)] = spelling }
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

    func encode(_ text: String) throws(RDOError) -> [Int32] {
        do throws(TextError) { return try ids(of: Array(text.utf8)) } catch { throw failure(error, "a text") }
    }

    /// What a file's component does to a text is the file's fault.
    private func failure(_ error: TextError, _ what: String) -> RDOError {
        RDOError(
            .artefact, "the tokenizer cannot read \(what): \(error.what)", at: file, remedy: "use another tokenizer")
    }

    private func ids(of text: [UInt8]) throws(TextError) -> [Int32] {
        var ids: [Int32] = []
        for segment in added.inText.segments(of: text) {
            switch segment {
            case .token(let id): ids.append(id)
            case .text(let range):
                let part = range.count == text.count ? text : Array(text[range])
                var startsText = range.lowerBound == 0
                let normalized = try normalizer?.normalize(part, keepsStart: &startsText) ?? part
                try appendIDs(of: normalized, startsText: startsText, to: &ids)
            }
        }
        return ids
    }

    private func appendIDs(of normalized: [UInt8], startsText: Bool, to ids: inout [Int32]) throws(TextError) {
        for segment in added.inNormalizedText.segments(of: normalized) {
            switch segment {
            case .token(let id): ids.append(id)
            case .text(let range):
                let part = range.count == normalized.count ? normalized : Array(normalized[range])
                var text = PreTokenizedText(part, startsText: startsText && range.lowerBound == 0)
                try preTokenizer?.apply(to: &text)
                try append(text, model, to: &ids)
            }
        }
    }

    private func append(
        _ text: PreTokenizedText, _ model: some WordModel, to ids: inout [Int32]
    ) throws(TextError) {
        try text.bytes.withUnsafeBufferPointer { (bytes) throws(TextError) in
            for piece in text.pieces {
                let word = UnsafeBufferPointer(rebasing: bytes[piece])
                if WordCache.takes(word) {
                    try cache.append(word, of: model, to: &ids)
                } else {
                    for part in model.parts(of: word) {
                        try cache.append(UnsafeBufferPointer(rebasing: word[part]), of: model, to: &ids)
                    }
                }
            }
        }
    }

    func decode(_ ids: [Int32]) throws(RDOError) -> String {
        let tokens = ids.compactMap { id in spellings.indices.contains(Int(id)) ? spellings[Int(id)] : nil }
        guard let decoder else { return tokens.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ") }
        do throws(TextError) { return String(decoding: try decoder.decode(tokens).joined(), as: UTF8.self) } catch {
            throw failure(error, "ids")
        }
    }

    func id(of token: String) -> Int32? {
        added.tokens.first { $0.content.elementsEqual(token.utf8) }?.id ?? model.ids[UTF8Key(token.utf8)]
    }

    func spelling(of id: Int32) -> String? { added.tokens.first { $0.id == id }?.text }

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
            guard ids.count <= 1 else {
                throw field.unsupported("a template of \(ids.count) tokens before a text", "at most one is")
            }
            return ids.first
        case "Sequence":
            let ids = try field.required("processors").array().compactMap(bosTokenID)
            guard ids.count <= 1 else {
                throw field.unsupported("a sequence of \(ids.count) templates", "at most one is")
            }
            return ids.first
        case "ByteLevel": return nil
        case let other:
            throw field.unsupported("the post-processor \(other)", "TemplateProcessing, ByteLevel and Sequence are")
        }
    }
}
