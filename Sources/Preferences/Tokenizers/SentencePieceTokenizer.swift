import Coding
import Diagnostics

/// A SentencePiece tokenizer.model with the tokens that files beside it add.
///
/// Where nothing is added, special tokens in a text are plain text to it; otherwise they are found as the added ones are.
final class SentencePieceTokenizer: Tokenizer {
    let vocabularySize: Int
    let bosTokenID: Int32?
    let digest: String
    let remark: String?

    private let file: String
    private let pieces: SentencePieceProcessor
    /// Reads what does not begin a text, where that has no space put before it; nil where it has, or nothing is added.
    private let unprefixed: SentencePieceProcessor?
    private let added: [Int32: AddedVocabulary.Token]
    private let matcher: Matcher

    /// - Parameters:
    ///   - bytes: the file's content; `file`: its path, for error messages and the files beside it.
    ///   - remark: why this file is read, where that is to be said.
    /// - Throws: `RDOError.artefact` when libsentencepiece refuses the file, or a file beside it contradicts it.
    init(_ bytes: [UInt8], file: String, remark: String? = nil) throws {
        let pieces = try SentencePieceProcessor(bytes, file: file)
        let config = try TokenizerConfig(besideTokenizer: file)
        let tokens = try config.addedTokens(to: pieces)
        (self.file, self.pieces, self.remark) = (file, pieces, remark)
        unprefixed =
            tokens.isEmpty || config.prefixesEverySegment
            ? nil : try SentencePieceProcessor(bytes + SentencePieceProcessor.withoutPrefix, file: file)
        added = Dictionary(tokens.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        matcher = Matcher(tokens)
        vocabularySize = max(pieces.count, Int(tokens.map(\.id).max() ?? -1) + 1)
        bosTokenID = config.addsBOS ? pieces.bosID : nil
        let additions = tokens.map { "\($0.id) \($0.content) \($0.flags)" } + (unprefixed == nil ? [] : ["unprefixed"])
        digest = Digest.of(tokens.isEmpty ? bytes : bytes + additions.joined(separator: "\n").utf8).hex
    }

    func encode(_ text: String) throws(RDOError) -> [Int32] {
        do throws(TextError) { return try added.isEmpty ? pieces.encode(text) : ids(of: text) } catch {
            throw failure(error, "a text")
        }
    }

    private func ids(of text: String) throws(TextError) -> [Int32] {
        let bytes = Array(text.utf8)
        var ids: [Int32] = []
        for segment in matcher.segments(of: bytes) {
            switch segment {
            case .token(let id): ids.append(id)
            case .text(let range):
                let reader = range.lowerBound == 0 ? pieces : unprefixed ?? pieces
                ids += try reader.encode(String(decoding: bytes[range], as: UTF8.self))
            }
        }
        return ids
    }

    func decode(_ ids: [Int32]) throws(RDOError) -> String {
        do throws(TextError) { return try text(of: ids.filter { (0..<vocabularySize).contains(Int($0)) }) } catch {
            throw failure(error, "ids")
        }
    }

    private func text(of ids: [Int32]) throws(TextError) -> String {
        guard !added.isEmpty else { return try pieces.decode(ids) }
        var text = ""
        var run: [Int32] = []
        var isFirst = true
        func flush() throws(TextError) {
            if !run.isEmpty { text += try (isFirst ? pieces : unprefixed ?? pieces).decode(run) }
            run.removeAll()
            isFirst = false
        }
        for id in ids {
            guard let token = added[id] else {
                run.append(id)
                continue
            }
            try flush()
            text += token.text
        }
        try flush()
        return text
    }

    private func failure(_ error: TextError, _ what: String) -> RDOError {
        RDOError(
            .artefact, "the tokenizer cannot read \(what): \(error.what)", at: file, remedy: "use another tokenizer")
    }

    func id(of token: String) -> Int32? {
        added.values.first { $0.content.elementsEqual(token.utf8) }?.id ?? pieces.id(of: token)
    }

    func spelling(of id: Int32) -> String? {
        added[id]?.text
    }
}
