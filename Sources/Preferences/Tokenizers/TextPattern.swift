import Coding

/// What a `Split` or `Replace` component looks for.
enum TextPattern: Sendable {
    case literal([UInt8])
    case expression(RegularExpression)

    /// Reads `{"String": …}` or `{"Regex": …}`.
    init(_ field: JSONField) throws {
        if let literal = field["String"] {
            let literal = try literal.bytes()
            // Nothing is found before every character and at the end.
            self = literal.isEmpty ? try Self.implied("", by: field) : .literal(literal)
        } else {
            let expression = try field.required("Regex")
            let pattern = try expression.bytes()
            do throws(RegularExpression.PatternError) { self = .expression(try RegularExpression(pattern)) } catch {
                throw expression.fail(
                    "is the regular expression \(String(decoding: pattern, as: UTF8.self).quoted), which cannot be used "
                        + "(\(error.what))",
                    remedy: "patterns of Oniguruma's Ruby syntax that PCRE2 reads alike are supported")
            }
        }
    }

    /// A pattern that a component implies without spelling it.
    static func implied(_ pattern: String, by field: JSONField) throws -> TextPattern {
        do throws(RegularExpression.PatternError) {
            return .expression(try RegularExpression(Array(pattern.utf8)))
        } catch {
            throw field.fail("needs a regular expression that this PCRE2 refuses (\(error.what))")
        }
    }

    /// Calls `body` with every match, left to right, none overlapping; `text` must not be empty.
    func forEachMatch(in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) throws(TextError) {
        switch self {
        case .expression(let expression):
            try expression.forEachMatch(in: text, body)
        case .literal(let literal):
            guard let first = literal.first else { return }
            var index = 0
            while index + literal.count <= text.count {
                if text[index] == first && text[index..<index + literal.count].elementsEqual(literal) {
                    body(index..<index + literal.count)
                    index += literal.count
                } else {
                    index += 1
                }
            }
        }
    }

    /// `text` with every match replaced, and of how many characters the match is that the text begins with; 0 for none.
    /// - Throws: when more than `limit` bytes become of it.
    func replacing(
        in text: [UInt8], with replacement: [UInt8], limit: Int
    ) throws(TextError) -> (text: [UInt8], first: Int) {
        guard !text.isEmpty else { return (text, 0) }
        var first = 0
        var result: [UInt8] = []
        result.reserveCapacity(text.count + text.count / 2)
        var count = 0
        try text.withUnsafeBufferPointer { (text) throws(TextError) in
            var end = 0
            try forEachMatch(in: text) { match in
                if match.lowerBound == 0 { first = text[match].count { $0 & 0xC0 != 0x80 } }
                count += match.lowerBound - end + replacement.count
                // Counted to the end, but not stored.
                if count <= limit {
                    result += text[end..<match.lowerBound]
                    result += replacement
                }
                end = match.upperBound
            }
            try TextGrowth.check(count + text.count - end, limit)
            result += text[end...]
        }
        return (result, first)
    }
}

/// What becomes of the matches when a text is cut at them.
enum SplitBehavior: String, Sendable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"

    /// A stretch of the text that matched, or that lies between matches.
    struct Stretch {
        var range: Range<Int>
        let isMatch: Bool
    }

    /// Appends the pieces into which `stretches`, which cover a text, are joined.
    func append(_ stretches: [Stretch], to pieces: inout [Range<Int>]) {
        let first = pieces.count
        for (index, stretch) in stretches.enumerated() {
            if self == .removed && stretch.isMatch { continue }
            if pieces.count > first, joins(stretches[index - 1].isMatch, stretch.isMatch) {
                pieces[pieces.count - 1] = pieces[pieces.count - 1].lowerBound..<stretch.range.upperBound
            } else {
                pieces.append(stretch.range)
            }
        }
    }

    /// Whether two neighbours, each a match or not, belong to one piece.
    private func joins(_ previous: Bool, _ next: Bool) -> Bool {
        switch self {
        case .removed, .isolated: false
        case .contiguous: previous == next
        case .mergedWithPrevious: next && !previous
        // A match takes what follows it, unless that is a match too.
        case .mergedWithNext: previous && !next
        }
    }
}
