/// Why a text has no ids, or ids have no text, before anyone knows whose tokenizer it was. It names what in the tokenizer
/// file is at fault and nothing of the text, so that rows can be counted by it.
struct TextError: Error {
    let what: String
}

/// How much a tokenizer may make of a text. Steps that multiply it come from files, and some together have no bound.
enum TextGrowth {
    /// Most bytes that become of `count`. Unicode's own forms make at most 18 times as many.
    static func limit(_ count: Int) -> Int { (1 << 20) + 64 * min(count, 1 << 40) }

    /// - Throws: when `count` bytes are more than `limit`.
    static func check(_ count: Int, _ limit: Int) throws(TextError) {
        if count > limit { throw TextError(what: "its components multiply a text beyond \(limit) bytes") }
    }
}

extension String {
    /// Itself in quotes, without control characters and never long: for messages that quote a file.
    var quoted: String {
        let shown = unicodeScalars.prefix(Self.quotedLength).map { scalar in
            let isPrintable =
                switch scalar.properties.generalCategory {
                case .control, .lineSeparator, .paragraphSeparator, .surrogate: false
                default: true
                }
            return isPrintable ? String(scalar) : "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        }
        return "\"" + shown.joined() + (unicodeScalars.count > Self.quotedLength ? "…" : "") + "\""
    }

    private static let quotedLength = 120
}
