/// The texts that a Jinja template can print, in their order and whatever its conditions: enough to tell known chat
/// templates apart however they are spelled, far less than it takes to render one.
///
/// A piece is what is printed or set between two statements. Expressions stand in it as `⟦…⟧` without white space:
/// `{{ '<|' + message['role'] + '|>' }}` is `<|⟦role⟧|>`. A message's role and text are `role` and `content` whatever the
/// message is called, a name that was set to one of these is the same, and tokens with a known text are that text.
struct JinjaPieces {
    private(set) var pieces: [String] = []
    /// Texts by name.
    private let tokens: [String: String]
    /// What a message holds, by the names that were set to it.
    private var aliases: [String: String] = [:]
    /// The piece that is being collected.
    private var piece = ""

    /// - Parameters:
    ///   - template: read as `transformers` does: with `trim_blocks` and `lstrip_blocks`.
    ///   - tokens: texts of names such as `eos_token`.
    init(of template: String, tokens: [String: String]) {
        self.tokens = tokens
        let source = Array(template.replacing("\r\n", with: "\n").unicodeScalars)
        var (position, last) = (0, Tag?.none)
        while position < source.count {
            let tag = Tag.next(in: source, from: position)
            print(Self.text(source[position..<(tag?.start ?? source.count)], after: last, before: tag))
            guard let tag else { break }
            take(tag)
            (position, last) = (tag.end, tag)
        }
        close()
    }

    private mutating func print(_ text: String) { piece += text }

    private mutating func close() {
        if !piece.isEmpty { pieces.append(piece) }
        piece = ""
    }

    private mutating func take(_ tag: Tag) {
        switch tag.kind {
        case .comment: break
        case .expression: print(expression(tag.content))
        case .statement:
            close()
            let words = tag.content.drop(while: \.isSpace)
            guard words.starts(with: "set ".unicodeScalars), let equals = words.firstIndex(of: "=") else { return }
            let name = Self.packed(words[words.index(words.startIndex, offsetBy: 4)..<equals])
            let value = expression(words[(equals + 1)...])
            // Of several, for texts that are lists of parts, the first is the plain one.
            if aliases[name] == nil, let part = value.wholeMatch(of: Self.part) { aliases[name] = String(part.1) }
            print(value)
            close()
        }
    }

    /// The template's own text between two tags.
    private static func text(_ text: ArraySlice<Unicode.Scalar>, after last: Tag?, before next: Tag?) -> String {
        var (text, beginsLine) = (text, last == nil)
        if let last, last.stripsAfter {
            text = text.drop(while: \.isSpace)
        } else if let last, last.kind != .expression, text.first == "\n" {
            (text, beginsLine) = (text.dropFirst(), true)
        }
        if let next {
            let end = text.lastIndex { next.stripsBefore ? !$0.isSpace : $0 != " " && $0 != "\t" }
            let rest = text[..<(end.map { $0 + 1 } ?? text.startIndex)]
            // A statement that stands first in its line takes the blanks before it away.
            let isFirst = rest.isEmpty ? beginsLine : rest.last == "\n"
            if next.stripsBefore || next.kind != .expression && isFirst { text = rest }
        }
        return String(String.UnicodeScalarView(text))
    }

    /// An expression with its string literals as texts and all else in brackets; `+` and `~` join them.
    private func expression(_ source: ArraySlice<Unicode.Scalar>) -> String {
        var (result, code, depth, position) = ("", [Unicode.Scalar](), 0, source.startIndex)
        func flush() {
            let name = Self.packed(code[...])
            if !name.isEmpty { result += tokens[name] ?? "⟦\(aliases[name] ?? Self.plain(name))⟧" }
            code = []
        }
        while position < source.endIndex {
            let scalar = source[position]
            if scalar == "'" || scalar == "\"" {
                let (text, end) = JinjaLiteral.read(source, from: position)
                if depth == 0 {
                    flush()
                    result += text
                } else {
                    code += "\"\(text)\"".unicodeScalars
                }
                position = end
                continue
            }
            if scalar == "(" || scalar == "[" || scalar == "{" { depth += 1 }
            if scalar == ")" || scalar == "]" || scalar == "}" { depth -= 1 }
            if depth == 0, scalar == "+" || scalar == "~" { flush() } else { code.append(scalar) }
            position += 1
        }
        flush()
        return result
    }

    /// Without white space, except between two words.
    private static func packed(_ code: ArraySlice<Unicode.Scalar>) -> String {
        let words = String(String.UnicodeScalarView(code)).split(whereSeparator: \.isWhitespace)
        return words.reduce(into: "") { packed, word in
            let isWords = packed.last.map { $0.isLetter || $0.isNumber } ?? false
            packed += isWords && (word.first.map { $0.isLetter } ?? false) ? " " + word : word
        }
    }

    /// What a message holds, as an expression alone.
    private static var part: Regex<(Substring, Substring)> { /⟦((?:role|content|messages\[0\]\.content)(?:\|trim)?)⟧/ }

    /// One spelling of what a message holds.
    private static func plain(_ code: String) -> String {
        code.replacing(/\["(\w+)"\]/) { ".\($0.1)" }
            .replacing(/^\w+\.(role|content)(?=$|\||\.strip\(\))/) { $0.1 }
            .replacing(".strip()", with: "|trim")
    }
}

/// A `{{ … }}`, `{% … %}` or `{# … #}`.
private struct Tag {
    enum Kind { case expression, statement, comment }

    let kind: Kind
    let content: ArraySlice<Unicode.Scalar>
    /// From the first brace to behind the last one.
    let start: Int
    let end: Int
    var stripsBefore: Bool
    var stripsAfter: Bool

    /// The first one from `position` on; one without an end is none.
    static func next(in source: [Unicode.Scalar], from position: Int) -> Tag? {
        var start = position
        while start + 1 < source.count {
            if source[start] == "{", let kind = kind(of: source[start + 1]) {
                return end(of: kind, in: source, from: start + 2).map { end in
                    var content = source[(start + 2)..<(end - 2)]
                    let (before, after) = (content.first == "-", content.count > 1 && content.last == "-")
                    if before || content.first == "+" { content = content.dropFirst() }
                    if after || content.last == "+" { content = content.dropLast() }
                    return Tag(
                        kind: kind, content: content, start: start, end: end, stripsBefore: before, stripsAfter: after)
                }
            }
            start += 1
        }
        return nil
    }

    private static func kind(of scalar: Unicode.Scalar) -> Kind? {
        switch scalar {
        case "{": .expression
        case "%": .statement
        case "#": .comment
        default: nil
        }
    }

    private static func end(of kind: Kind, in source: [Unicode.Scalar], from start: Int) -> Int? {
        let mark: Unicode.Scalar = kind == .expression ? "}" : kind == .statement ? "%" : "#"
        var (position, depth) = (start, 0)
        while position + 1 < source.count {
            let scalar = source[position]
            if kind != .comment, scalar == "'" || scalar == "\"" {
                position = JinjaLiteral.read(source[...], from: position).end
                continue
            }
            if depth == 0, scalar == mark, source[position + 1] == "}" { return position + 2 }
            if kind == .expression { depth += scalar == "{" ? 1 : scalar == "}" ? -1 : 0 }
            position += 1
        }
        return nil
    }
}

/// A string literal of Jinja.
private enum JinjaLiteral {
    /// The text of the literal that begins at `start`, and where it ends; one without an end goes on to the source's.
    static func read(_ source: ArraySlice<Unicode.Scalar>, from start: Int) -> (text: String, end: Int) {
        var (text, position) = (String.UnicodeScalarView(), start + 1)
        while position < source.endIndex, source[position] != source[start] {
            var scalar = source[position]
            if scalar == "\\", position + 1 < source.endIndex {
                position += 1
                scalar = source[position]
                scalar = scalar == "n" ? "\n" : scalar == "t" ? "\t" : scalar == "r" ? "\r" : scalar
            }
            text.append(scalar)
            position += 1
        }
        return (String(text), min(position + 1, source.endIndex))
    }
}
