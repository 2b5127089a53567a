/// A pattern of Oniguruma's Ruby syntax, for which tokenizer files are written, spelled for PCRE2.
///
/// What the two read differently is translated: `\s`, `\w` and `\b`, whose characters differ; `\v`, `\uHHHH`, `{,n}`;
/// `{n,m}+`, which PCRE2 takes for possessive, and `{n}?`; `(?m)`, which is PCRE2's `(?s)`; options within a group, which
/// hold for all that follows in it. What would mean something else and cannot be translated is refused.
struct PatternTranslation {
    /// - Throws: `RegularExpression.PatternError` for what is refused.
    static func translated(_ pattern: [UInt8]) throws(RegularExpression.PatternError) -> [UInt8] {
        var translation = PatternTranslation(pattern: pattern)
        try translation.run()
        return translation.result
    }

    private let pattern: [UInt8]
    private var index = 0
    private var result: [UInt8] = []
    /// Where in `result` begins what a quantifier would repeat.
    private var atom: Int?
    /// The groups that are open.
    private var groups: [Group] = []
    /// The outermost one, which nothing closes.
    private var whole = Group(start: 0)
    /// White space and comments are left out of what matches, from some point on.
    private var isExtended = false

    private struct Group {
        let start: Int
        /// Groups that were opened for options and end with this one.
        var optionGroups = 0
    }

    private init(pattern: [UInt8]) { self.pattern = pattern }

    private static let word = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
    /// Outside of a character class the Latin-1 superscripts and fractions are word characters too.
    private static let wordAlone = word + "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}"
    private static let boundary =
        "(?<=[\(wordAlone)])(?![\(wordAlone)])|(?<![\(wordAlone)])(?=[\(wordAlone)])"
    private static let noBoundary =
        "(?<=[\(wordAlone)])(?=[\(wordAlone)])|(?<![\(wordAlone)])(?![\(wordAlone)])"

    private func byte(_ offset: Int = 0) -> UInt8? {
        index + offset < pattern.count ? pattern[index + offset] : nil
    }

    private func refused(_ what: String) -> RegularExpression.PatternError {
        RegularExpression.PatternError(what: what + " is not supported")
    }

    private mutating func run() throws(RegularExpression.PatternError) {
        while let byte = byte() {
            switch byte {
            case UInt8(ascii: "\\"): try escape()
            case UInt8(ascii: "["): try characterClass()
            case UInt8(ascii: "("): try open()
            case UInt8(ascii: ")"):
                let group = groups.popLast() ?? whole
                result += repeatElement(byte, count: group.optionGroups + 1)
                (atom, index) = (group.start, index + 1)
            case UInt8(ascii: "{"): interval()
            case UInt8(ascii: "#") where isExtended:
                index += pattern[index...].prefix { $0 != UInt8(ascii: "\n") }.count
            case UInt8(ascii: "|"), UInt8(ascii: "^"), UInt8(ascii: "$"): copy(1, atom: nil)
            case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"): copy(1, atom: atom)
            // A character may have several bytes.
            case 0x80..<0xC0: copy(1, atom: atom)
            default: copy(1, atom: result.count)
            }
        }
        result += repeatElement(UInt8(ascii: ")"), count: whole.optionGroups)
    }

    private mutating func copy(_ count: Int, atom: Int?) {
        result += pattern[index..<min(index + count, pattern.count)]
        (self.atom, index) = (atom, index + count)
    }

    // MARK: - Escapes

    private mutating func escape() throws(RegularExpression.PatternError) {
        let start = result.count
        guard let next = byte(1) else { return copy(1, atom: start) }
        switch next {
        case UInt8(ascii: "b"): emit("(?:\(Self.boundary))")
        case UInt8(ascii: "B"): emit("(?:\(Self.noBoundary))")
        case UInt8(ascii: "w"): emit("[\(Self.wordAlone)]")
        case UInt8(ascii: "W"): emit("[^\(Self.wordAlone)]")
        case UInt8(ascii: "h"), UInt8(ascii: "H"), UInt8(ascii: "X"), UInt8(ascii: "Q"), UInt8(ascii: "E"):
            throw refused("\\\(Character(Unicode.Scalar(next)))")
        // What is named in brackets belongs to the escape: no quantifier begins there.
        case UInt8(ascii: "p"), UInt8(ascii: "P"), UInt8(ascii: "x"), UInt8(ascii: "o"):
            try property(bracketed(open: UInt8(ascii: "{"), close: UInt8(ascii: "}")))
        case UInt8(ascii: "k"), UInt8(ascii: "g"):
            copy(bracketed(open: UInt8(ascii: "<"), close: UInt8(ascii: ">")), atom: start)
        default: emitShared(next)
        }
        atom = start
    }

    /// Copies an escape of `count` bytes. The name of a script means the characters of that script, not, as in newer PCRE2,
    /// all that are used with it.
    private mutating func property(_ count: Int) throws(RegularExpression.PatternError) {
        let isNegated = byte(3) == UInt8(ascii: "^")
        let name = pattern[(index + min(count, isNegated ? 4 : 3))..<index + count].dropLast()
        let isProperty = byte(1) == UInt8(ascii: "p") || byte(1) == UInt8(ascii: "P")
        guard isProperty, count > 4, RegularExpression.isScript(name) else { return copy(count, atom: atom) }
        result += pattern[index..<index + 3] + (isNegated ? [UInt8(ascii: "^")] : [])
        result += Array("sc:".utf8) + name + [UInt8(ascii: "}")]
        index += count
    }

    /// Puts `spelling` for the two bytes of an escape.
    private mutating func emit(_ spelling: String) {
        result += spelling.utf8
        index += 2
    }

    /// What is the same within a character class and outside.
    private mutating func emitShared(_ next: UInt8) {
        switch next {
        case UInt8(ascii: "s"): emit("\\p{White_Space}")
        case UInt8(ascii: "S"): emit("\\P{White_Space}")
        case UInt8(ascii: "v"): emit("\\x{0B}")
        case UInt8(ascii: "u"):
            let digits = pattern[(index + 2)...].prefix(4).prefix { Character(Unicode.Scalar($0)).isHexDigit }
            guard digits.count == 4 else { return copy(2, atom: atom) }
            result += Array("\\x{".utf8) + digits + [UInt8(ascii: "}")]
            index += 6
        default: copy(2, atom: atom)
        }
    }

    /// How many bytes an escape has with the brackets behind its letter, if these stand there.
    private func bracketed(open: UInt8, close: UInt8) -> Int {
        guard byte(2) == open, let end = pattern[(index + 2)...].firstIndex(of: close) else { return 2 }
        return end + 1 - index
    }

    // MARK: - Classes

    private mutating func characterClass() throws(RegularExpression.PatternError) {
        let start = result.count
        copy(1, atom: start)
        if byte() == UInt8(ascii: "^") { copy(1, atom: start) }
        // A closing bracket that comes first stands for itself.
        if byte() == UInt8(ascii: "]") { copy(1, atom: start) }
        while let byte = byte() {
            switch byte {
            case UInt8(ascii: "]"): return copy(1, atom: start)
            case UInt8(ascii: "["): throw refused("a character class inside another")
            case UInt8(ascii: "&") where self.byte(1) == byte: throw refused("a character class inside another")
            case UInt8(ascii: "\\"): try escapeInClass()
            default: copy(1, atom: start)
            }
        }
    }

    private mutating func escapeInClass() throws(RegularExpression.PatternError) {
        guard let next = byte(1) else { return copy(1, atom: atom) }
        switch next {
        case UInt8(ascii: "w"): emit(Self.word)
        case UInt8(ascii: "W"), UInt8(ascii: "h"), UInt8(ascii: "H"), UInt8(ascii: "Q"), UInt8(ascii: "E"):
            throw refused("\\\(Character(Unicode.Scalar(next))) within a character class")
        case UInt8(ascii: "p"), UInt8(ascii: "P"):
            try property(bracketed(open: UInt8(ascii: "{"), close: UInt8(ascii: "}")))
        default: emitShared(next)
        }
    }

    // MARK: - Groups

    private mutating func open() throws(RegularExpression.PatternError) {
        let start = result.count
        guard byte(1) != UInt8(ascii: "*") else { throw refused("a verb (*…)") }
        if byte(1) == UInt8(ascii: "?"), let kind = byte(2) {
            switch kind {
            case UInt8(ascii: "#"):
                let end = pattern[index...].firstIndex(of: UInt8(ascii: ")")) ?? pattern.count - 1
                index = end + 1
                return
            case UInt8(ascii: "|"), UInt8(ascii: "^"), UInt8(ascii: "P"), UInt8(ascii: "R"), UInt8(ascii: "C"),
                UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                throw refused("(?\(Character(Unicode.Scalar(kind)))…)")
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"):
                return try options(start)
            default: break
            }
        }
        groups.append(Group(start: start))
        copy(1, atom: nil)
        // What the question mark begins is no quantifier.
        if byte() == UInt8(ascii: "?") { copy(byte(1) == UInt8(ascii: "<") ? 2 : 1, atom: nil) }
    }

    /// `(?im-x:…)`, or `(?im-x)`, which holds up to the end of the group around it, over alternatives too.
    private mutating func options(_ start: Int) throws(RegularExpression.PatternError) {
        var letters: [UInt8] = []
        var end = index + 2
        while end < pattern.count, pattern[end] != UInt8(ascii: ":"), pattern[end] != UInt8(ascii: ")") {
            switch pattern[end] {
            case UInt8(ascii: "m"): letters.append(UInt8(ascii: "s"))
            case UInt8(ascii: "x"):
                isExtended = true
                letters.append(pattern[end])
            case UInt8(ascii: "i"), UInt8(ascii: "-"): letters.append(pattern[end])
            default: throw refused("the option (?\(Character(Unicode.Scalar(pattern[end]))))")
            }
            end += 1
        }
        guard end < pattern.count else { throw refused("a group without an end") }
        result += Array("(?".utf8) + letters + [UInt8(ascii: ":")]
        if pattern[end] == UInt8(ascii: ":") {
            groups.append(Group(start: start))
        } else if groups.isEmpty {
            whole.optionGroups += 1
        } else {
            groups[groups.count - 1].optionGroups += 1
        }
        (index, atom) = (end + 1, nil)
    }

    // MARK: - Intervals

    /// `{n}`, `{n,}`, `{n,m}` or `{,m}`; any other brace stands for itself.
    private mutating func interval() {
        let content = pattern[(index + 1)...].prefix { $0 != UInt8(ascii: "}") }
        let bounds = content.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        let areNumbers = bounds.allSatisfy { $0.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } }
        guard let atom, content.endIndex < pattern.count, areNumbers, bounds.count <= 2,
            bounds.contains(where: { !$0.isEmpty })
        else {
            let start = result.count
            result += [UInt8(ascii: "\\"), UInt8(ascii: "{")]
            (self.atom, index) = (start, index + 1)
            return
        }
        index = content.endIndex + 1
        let spelling = (content.first == UInt8(ascii: ",") ? [UInt8(ascii: "0")] : []) + content
        result += [UInt8(ascii: "{")] + spelling + [UInt8(ascii: "}")]
        // These quantify what has just been quantified.
        if byte() == UInt8(ascii: "+") || (byte() == UInt8(ascii: "?") && bounds.count == 1) {
            result.insert(contentsOf: "(?:".utf8, at: atom)
            result.append(UInt8(ascii: ")"))
        }
    }
}
