import Coding
import Diagnostics
import Foundation

/// What stands beside a tokenizer.model and says how it is used: tokenizer_config.json and added_tokens.json.
struct TokenizerConfig {
    /// BOS goes before a text.
    let addsBOS: Bool
    /// The space that goes before a text goes before what follows an added token, too.
    let prefixesEverySegment: Bool
    private let root: JSONField?
    private let addedTokens: JSONField?

    /// - Throws: `RDOError.artefact` when a file cannot be read or is no JSON document.
    init(besideTokenizer file: String) throws {
        let directory = URL(ofFile: file).deletingLastPathComponent()
        root = try Self.document(directory, "tokenizer_config.json")
        addedTokens = try Self.document(directory, "added_tokens.json")
        addsBOS = try root?.flag("add_bos_token", default: true) ?? true
        prefixesEverySegment = try root?.flag("legacy") ?? false
    }

    private static func document(_ directory: URL, _ name: String) throws -> JSONField? {
        let file = directory.appendingPathComponent(name).path
        guard let bytes = try InputFile.contents(of: file) else { return nil }
        let document = try JSONField(parsing: bytes, file: file)
        guard document.value.isObject else { throw document.fail("is \(document.value.kind), not an object") }
        return document
    }

    /// The tokens to be found in a text, when some are no pieces of the model; none otherwise.
    ///
    /// - Throws: `RDOError.artefact` naming file and token, when an id is taken or those between are missing.
    func addedTokens(to pieces: SentencePieceProcessor) throws -> [AddedVocabulary.Token] {
        var tokens: [AddedVocabulary.Token] = []
        for entry in try listed() where try isNew(entry, pieces) { tokens.append(entry.token) }
        guard !tokens.isEmpty else { return [] }
        var contents: Set<[UInt8]> = []
        var next = Int32(pieces.count)
        for entry in try listed().sorted(by: { $0.token.id < $1.token.id }) {
            guard contents.insert(entry.token.content).inserted else {
                throw entry.field.fail("is another id for the same token", remedy: Self.remedy)
            }
            guard entry.token.id >= pieces.count else { continue }
            guard entry.token.id == next else {
                throw entry.field.fail(
                    "is \(entry.token.id) for \(entry.token.text.quoted), but the tokens before it end at \(next - 1)",
                    remedy: Self.remedy)
            }
            next += 1
        }
        // Once there are tokens to be found in texts, all are: those that are pieces, and the special ones.
        let known = try listed().map(\.token)
        return known + (try specialPieces(pieces).filter { special in !known.contains { $0.id == special.id } })
    }

    private static let remedy = "fetch the model's tokenizer files again; they are not of one tokenizer"

    private struct Entry {
        let token: AddedVocabulary.Token
        /// Where its id stands.
        let field: JSONField
    }

    /// As transformers reads them: added_tokens.json counts where tokenizer_config.json lists none.
    private func listed() throws -> [Entry] {
        if let decoder = root?["added_tokens_decoder"] {
            return try decoder.members().map { key, field in
                guard let number = Int(String(decoding: key, as: UTF8.self)), let id = Int32(exactly: number),
                    (0..<1 << 24).contains(id)
                else { throw field.fail("stands under what is no token id") }
                let isSpecial = try field.flag("special")
                return Entry(token: try field.token(id, isSpecial: isSpecial), field: field)
            }
        }
        let special = Set(try specialNames())
        return try (addedTokens?.members() ?? []).map { content, field in
            let token = AddedVocabulary.Token(
                content: content, id: try field.tokenID(), isSpecial: special.contains(content))
            return Entry(token: token, field: field)
        }
    }

    /// - Throws: when a piece contradicts the entry.
    private func isNew(_ entry: Entry, _ pieces: SentencePieceProcessor) throws -> Bool {
        let (id, text) = (entry.token.id, entry.token.text)
        guard !text.isEmpty else { throw entry.field.fail("is an empty token") }
        if let piece = pieces.id(of: text) {
            guard piece == id else {
                throw entry.field.fail("is \(id) for \(text.quoted), which is piece \(piece)", remedy: Self.remedy)
            }
            return false
        }
        guard id >= pieces.count else {
            throw entry.field.fail("is \(id) for \(text.quoted), which is the id of another piece", remedy: Self.remedy)
        }
        return true
    }

    private func specialNames() throws -> [[UInt8]] {
        try ["bos_token", "eos_token", "unk_token", "pad_token"].compactMap { key in
            try root?[key].map { try ($0["content"] ?? $0).bytes() }
        }
    }

    private func specialPieces(_ pieces: SentencePieceProcessor) throws -> [AddedVocabulary.Token] {
        try specialNames().compactMap { name in
            pieces.id(of: String(decoding: name, as: UTF8.self)).map { id in
                AddedVocabulary.Token(content: name, id: id, isSpecial: true)
            }
        }
    }
}

extension JSONField {
    /// An added token as tokenizer_config.json describes it.
    fileprivate func token(_ id: Int32, isSpecial: Bool) throws -> AddedVocabulary.Token {
        AddedVocabulary.Token(
            content: try required("content").bytes(), id: id, isSpecial: isSpecial,
            isSingleWord: try flag("single_word"), stripsLeft: try flag("lstrip"), stripsRight: try flag("rstrip"))
    }
}

extension AddedVocabulary.Token {
    /// A token that is looked for as it is written.
    fileprivate init(
        content: [UInt8], id: Int32, isSpecial: Bool, isSingleWord: Bool = false, stripsLeft: Bool = false,
        stripsRight: Bool = false
    ) {
        self.init(
            content: content, pattern: content, id: id, isSingleWord: isSingleWord, stripsLeft: stripsLeft,
            stripsRight: stripsRight, isNormalized: false, isSpecial: isSpecial)
    }

    var text: String { String(decoding: content, as: UTF8.self) }

    /// What else the identity of a tokenizer depends on.
    var flags: String { "\(isSingleWord) \(stripsLeft) \(stripsRight)" }
}
