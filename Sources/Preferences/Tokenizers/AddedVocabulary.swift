import Coding

/// The tokens that stand beside the model's vocabulary (`added_tokens` in tokenizer.json). They are cut out of a text
/// before anything else is done to it.
struct AddedVocabulary: Sendable {
    struct Token: Sendable {
        let content: [UInt8]
        /// What is looked for: the content, normalized when the text will be.
        let pattern: [UInt8]
        let id: Int32
        /// Matches only where no word character touches it.
        let isSingleWord: Bool
        /// Takes the white space before it along.
        let stripsLeft: Bool
        /// Takes the white space behind it along.
        let stripsRight: Bool
        /// Is looked for in the normalized text.
        let isNormalized: Bool
        let isSpecial: Bool
    }

    let tokens: [Token]
    /// Cuts a text as it was given.
    let inText: Matcher
    /// Cuts a text that has been normalized.
    let inNormalizedText: Matcher

    /// - Parameters:
    ///   - ids: the model's vocabulary; `count`: of its entries.
    init(_ field: JSONField?, ids: [UTF8Key: Int32], count: Int, normalizer: Normalizer?) throws {
        var tokens: [Token] = []
        var nextID = Int32(count)
        for entry in try field?.array() ?? [] {
            let content = try entry.required("content").bytes()
            guard !content.isEmpty else { continue }
            let isSpecial = try entry.flag("special")
            // A token of the model keeps its id; new ones follow the vocabulary, in the order of the file.
            let listed = try entry.required("id")
            let id = ids[UTF8Key(content)] ?? nextID
            guard try listed.tokenID() == id else {
                throw listed.fail(
                    "is \(try listed.tokenID()), but the vocabulary and the order of added tokens make it \(id)",
                    remedy: "the tokenizer file was edited or is damaged; fetch it again")
            }
            nextID = max(nextID, id + 1)
            let isNormalized = try entry.flag("normalized", default: !isSpecial)
            tokens.append(
                Token(
                    content: content,
                    pattern: isNormalized ? try Self.normalized(content, normalizer, entry) : content, id: id,
                    isSingleWord: try entry.flag("single_word"), stripsLeft: try entry.flag("lstrip"),
                    stripsRight: try entry.flag("rstrip"), isNormalized: isNormalized, isSpecial: isSpecial))
        }
        self.tokens = tokens
        // Of two that look alike, the special one is meant.
        let ranked = tokens.filter(\.isSpecial) + tokens.filter { !$0.isSpecial }
        inText = Matcher(ranked.filter { !$0.isNormalized })
        inNormalizedText = Matcher(ranked.filter(\.isNormalized))
    }

    private static func normalized(_ content: [UInt8], _ normalizer: Normalizer?, _ entry: JSONField) throws -> [UInt8]
    {
        guard let normalizer else { return content }
        var keepsStart = true
        do throws(TextError) { return try normalizer.normalize(content, keepsStart: &keepsStart) } catch {
            throw entry.fail("cannot be normalized: \(error.what)")
        }
    }

    enum Segment: Equatable {
        case token(Int32)
        case text(Range<Int>)
    }
}

/// Finds tokens in a text: the leftmost first, the longest of those that begin at the same place.
struct Matcher: Sendable {
    /// By first byte, the longest first.
    private var tokens: [[AddedVocabulary.Token]] = Array(repeating: [], count: 256)
    /// The bytes that tokens begin with.
    private var isFirst = [Bool](repeating: false, count: 256)
    private let isEmpty: Bool

    init(_ tokens: [AddedVocabulary.Token]) {
        isEmpty = tokens.isEmpty
        // The sort is stable: tokens of equal lengths stay in the given order.
        for token in tokens.sorted(by: { $0.pattern.count > $1.pattern.count }) {
            guard let first = token.pattern.first else { continue }
            self.tokens[Int(first)].append(token)
            isFirst[Int(first)] = true
        }
    }

    func segments(of text: [UInt8]) -> [AddedVocabulary.Segment] {
        guard !isEmpty else { return text.isEmpty ? [] : [.text(0..<text.count)] }
        var segments: [AddedVocabulary.Segment] = []
        var done = 0
        var index = 0
        while index < text.count {
            guard isFirst[Int(text[index])],
                let token = tokens[Int(text[index])].first(where: { text[index...].starts(with: $0.pattern) })
            else {
                index += 1
                continue
            }
            var start = index
            var end = index + token.pattern.count
            index = end
            if token.isSingleWord {
                let touchesBefore = start > 0 && text.scalar(before: start).scalar.isWordCharacter
                let touchesAfter = end < text.count && text.scalar(at: end).scalar.isWordCharacter
                if touchesBefore || touchesAfter { continue }
            }
            if token.stripsLeft {
                while start > done, case let (scalar, length) = text.scalar(before: start), scalar.isSpace {
                    start -= length
                }
            }
            if token.stripsRight {
                while end < text.count, case let (scalar, length) = text.scalar(at: end), scalar.isSpace {
                    end += length
                }
            }
            if done < start { segments.append(.text(done..<start)) }
            segments.append(.token(token.id))
            done = end
        }
        if done < text.count { segments.append(.text(done..<text.count)) }
        return segments
    }
}
