import Diagnostics

/// What an expression over the columns of pairs gives for a row: a number, a text, or whether something holds.
///
///     condition  = all { "or" all }              all     = negation { "and" negation }
///     negation   = "not" negation | comparison   comparison = sum [ ("<" | "<=" | ">" | ">=" | "=" | "!=" | "contains") sum ]
///     sum        = product { ("+" | "-") product }   product = factor { ("*" | "/") factor }
///     factor     = number | 'text' | column | "-" factor | ("abs" | "length") "(" sum ")" | "(" condition ")"
///
/// Texts stand between ' or ", doubled inside. A comparison with a number that is not finite does not hold, but != does.
enum PairExpression {
    case number((Int) -> Double)
    case text((Int) -> String)
    case truth((Int) -> Bool)

    /// - Parameter option: how messages call the text, `--where`.
    /// - Throws: `RDOError(.usage)` that names the character where the text is no condition.
    static func condition(_ text: String, over columns: PairColumns, option: String) throws -> (Int) -> Bool {
        var parser = try PairExpressionParser(text, columns, option)
        let place = parser.place
        guard case .truth(let holds) = try parser.whole() else {
            throw parser.error("this is no condition, as difference < 0 is one", at: place)
        }
        return holds
    }

    /// A number or text to sort by, and whether the greatest come first: `abs(r) desc`.
    static func order(
        _ text: String, over columns: PairColumns, option: String
    ) throws -> (value: PairExpression, isDescending: Bool) {
        var parser = try PairExpressionParser(text, columns, option)
        let place = parser.place
        let value = try parser.sum()
        if case .truth = value { throw parser.error("a condition has no order", at: place) }
        let isDescending = parser.take("desc")
        if !isDescending { _ = parser.take("asc") }
        try parser.end()
        return (value, isDescending)
    }
}

/// A recursive-descent parser that makes closures.
private struct PairExpressionParser {
    private struct Token {
        enum Kind: Equatable { case number(Double), text(String), word(String), sign(String), end }
        let kind: Kind
        /// Characters before it.
        let place: Int
    }

    private let tokens: [Token]
    private var next = 0
    private var depth = 0
    private let columns: PairColumns
    private let option: String
    /// Deeper nesting would only serve to exhaust the stack.
    private static let maximumDepth = 64

    init(_ text: String, _ columns: PairColumns, _ option: String) throws {
        (self.columns, self.option) = (columns, option)
        tokens = try Self.tokens(of: Array(text), option)
    }

    var place: Int { tokens[next].place }

    func error(_ what: String, at place: Int, remedy: String? = nil) -> RDOError {
        Self.error(what, at: place, option, remedy)
    }

    private static func error(_ what: String, at place: Int, _ option: String, _ remedy: String? = nil) -> RDOError {
        RDOError(.usage, what, at: "\(option), character \(place + 1)", remedy: remedy)
    }

    // MARK: - Words

    private static func tokens(of text: [Character], _ option: String) throws -> [Token] {
        var tokens: [Token] = []
        var place = 0
        func run(from start: Int, while belongs: (Character) -> Bool) -> String {
            String(text[start...].prefix(while: belongs))
        }
        while place < text.count {
            let character = text[place]
            if character.isWhitespace {
                place += 1
                continue
            }
            let kind: Token.Kind
            let length: Int
            if character == "'" || character == "\"" {
                let (value, end) = try quoted(text, place, option)
                (kind, length) = (.text(value), end - place)
            } else if isDigit(character) || (character == "." && text.dropFirst(place + 1).first.map(isDigit) == true) {
                let (value, count) = try number(text, place, option)
                (kind, length) = (.number(value), count)
            } else if character.isLetter || character == "_" {
                let word = run(from: place) { $0.isLetter || isDigit($0) || $0 == "_" }
                (kind, length) = (.word(word), word.count)
            } else {
                let two = String(text[place...].prefix(2))
                let sign = ["<=", ">=", "!=", "=="].contains(two) ? two : String(character)
                guard ["<=", ">=", "!=", "==", "<", ">", "=", "+", "-", "*", "/", "(", ")"].contains(sign) else {
                    throw error("\(sign.debugDescription) has no meaning here", at: place, option)
                }
                (kind, length) = (.sign(sign == "==" ? "=" : sign), sign.count)
            }
            tokens.append(Token(kind: kind, place: place))
            place += length
        }
        return tokens + [Token(kind: .end, place: place)]
    }

    private static func isDigit(_ character: Character) -> Bool { character.isASCII && character.isNumber }

    private static func quoted(_ text: [Character], _ start: Int, _ option: String) throws -> (String, end: Int) {
        var value = ""
        var place = start + 1
        while place < text.count {
            if text[place] != text[start] {
                value.append(text[place])
            } else if place + 1 < text.count && text[place + 1] == text[start] {
                value.append(text[start])
                place += 1
            } else {
                return (value, place + 1)
            }
            place += 1
        }
        throw error("the text that begins here has no end", at: start, option)
    }

    /// Digits, a point, an exponent.
    private static func number(_ text: [Character], _ start: Int, _ option: String) throws -> (Double, count: Int) {
        var place = start
        func skipDigits() { while place < text.count && isDigit(text[place]) { place += 1 } }
        skipDigits()
        if place < text.count && text[place] == "." {
            place += 1
            skipDigits()
        }
        if place < text.count && (text[place] == "e" || text[place] == "E") {
            place += 1
            if place < text.count && (text[place] == "-" || text[place] == "+") { place += 1 }
            skipDigits()
        }
        let digits = String(text[start..<place])
        guard let value = Double(digits.hasSuffix(".") ? digits + "0" : digits), value.isFinite else {
            throw error("\(digits.debugDescription) is no number", at: start, option)
        }
        return (value, place - start)
    }

    // MARK: - Grammar

    mutating func whole() throws -> PairExpression {
        let value = try condition()
        try end()
        return value
    }

    func end() throws {
        guard tokens[next].kind == .end else { throw unexpected }
    }

    /// Takes a word or sign.
    mutating func take(_ wanted: String) -> Bool {
        guard tokens[next].kind == .word(wanted) || tokens[next].kind == .sign(wanted) else { return false }
        next += 1
        return true
    }

    private var unexpected: RDOError {
        switch tokens[next].kind {
        case .end: error("something is missing at the end", at: place)
        case .word(let word), .sign(let word): error("\(word.debugDescription) is not expected here", at: place)
        case .number, .text:
            error("a value is not expected here", at: place, remedy: "compare it, or join with and, or")
        }
    }

    private mutating func condition() throws -> PairExpression {
        try joined("or", { try $0.all() }) { left, right in { left($0) || right($0) } }
    }

    private mutating func all() throws -> PairExpression {
        try joined("and", { try $0.negation() }) { left, right in { left($0) && right($0) } }
    }

    private mutating func joined(
        _ word: String, _ part: (inout Self) throws -> PairExpression,
        _ join: (_ left: @escaping (Int) -> Bool, _ right: @escaping (Int) -> Bool) -> (Int) -> Bool
    ) throws -> PairExpression {
        var place = place
        var value = try part(&self)
        while take(word) {
            let left = try truth(value, place)
            place = self.place
            value = .truth(join(left, try truth(try part(&self), place)))
        }
        return value
    }

    private mutating func negation() throws -> PairExpression {
        let start = place
        guard take("not") else { return try comparison() }
        let place = place
        let negated = try nested(start) { try $0.negation() }
        let value = try truth(negated, place)
        return .truth { !value($0) }
    }

    private mutating func comparison() throws -> PairExpression {
        let place = place
        let left = try sum()
        let sign = tokens[next]
        let signs = ["<", "<=", ">", ">=", "=", "!=", "contains"]
        guard let name = signs.first(where: { take($0) }) else { return left }
        let right = try sum()
        switch (left, right) {
        case (.number(let a), .number(let b)):
            switch name {
            case "<": return .truth { a($0) < b($0) }
            case "<=": return .truth { a($0) <= b($0) }
            case ">": return .truth { a($0) > b($0) }
            case ">=": return .truth { a($0) >= b($0) }
            case "=": return .truth { a($0) == b($0) }
            case "!=": return .truth { a($0) != b($0) }
            default: break
            }
        case (.text(let a), .text(let b)):
            switch name {
            case "=": return .truth { a($0) == b($0) }
            case "!=": return .truth { a($0) != b($0) }
            case "contains": return .truth { a($0).contains(b($0)) }
            default: break
            }
        case (.truth, _), (_, .truth): throw error("conditions are not compared", at: place)
        default: throw error("a number and a text are not compared", at: place)
        }
        throw error("\(name) compares \(name == "contains" ? "texts" : "numbers") only", at: sign.place)
    }

    mutating func sum() throws -> PairExpression {
        try chained(["+", "-"], { try $0.product() }) { sign in { sign == "+" ? $0 + $1 : $0 - $1 } }
    }

    private mutating func product() throws -> PairExpression {
        try chained(["*", "/"], { try $0.factor() }) { sign in { sign == "*" ? $0 * $1 : $0 / $1 } }
    }

    private mutating func chained(
        _ signs: [String], _ part: (inout Self) throws -> PairExpression,
        _ operation: (String) -> (Double, Double) -> Double
    ) throws -> PairExpression {
        var place = place
        var value = try part(&self)
        while let sign = signs.first(where: { take($0) }) {
            let left = try number(value, place)
            place = self.place
            let (right, combine) = (try number(try part(&self), place), operation(sign))
            value = .number { combine(left($0), right($0)) }
        }
        return value
    }

    private mutating func factor() throws -> PairExpression {
        let token = tokens[next]
        next += token.kind == .end ? 0 : 1
        switch token.kind {
        case .number(let value): return .number { _ in value }
        case .text(let value): return .text { _ in value }
        case .sign("-"):
            let place = place
            let negated = try nested(token.place) { try $0.factor() }
            let value = try number(negated, place)
            return .number { -value($0) }
        case .sign("("):
            let value = try nested(token.place) { try $0.condition() }
            guard take(")") else { throw error("the parenthesis has no end", at: token.place) }
            return value
        case .word(let name) where name == "abs" || name == "length":
            guard take("(") else { throw error("\(name) wants its value in parentheses", at: token.place) }
            let place = place
            let value = try nested(token.place) { try $0.sum() }
            guard take(")") else { throw error("the parenthesis has no end", at: token.place) }
            if name == "abs" {
                let number = try number(value, place)
                return .number { abs(number($0)) }
            }
            guard case .text(let text) = value else { throw error("length is that of a text", at: place) }
            return .number { Double(text($0).unicodeScalars.count) }
        case .word(let name): return try column(name, token.place)
        case .sign, .end:
            next -= token.kind == .end ? 0 : 1
            throw unexpected
        }
    }

    private func column(_ name: String, _ place: Int) throws -> PairExpression {
        guard let values = columns[name] else {
            throw error(
                columns.problem(with: name), at: place, remedy: "its columns: " + columns.names.joined(separator: ", "))
        }
        if case .texts(let text) = values { return .text(text) }
        guard let number = values.asNumbers else { preconditionFailure("a column holds numbers or texts") }
        return .number(number)
    }

    private mutating func nested<Value>(_ place: Int, _ body: (inout Self) throws -> Value) throws -> Value {
        guard depth < Self.maximumDepth else { throw error("nested too deep", at: place) }
        depth += 1
        defer { depth -= 1 }
        return try body(&self)
    }

    private func truth(_ value: PairExpression, _ place: Int) throws -> (Int) -> Bool {
        guard case .truth(let truth) = value else { throw error("a condition is expected here", at: place) }
        return truth
    }

    private func number(_ value: PairExpression, _ place: Int) throws -> (Int) -> Double {
        guard case .number(let number) = value else { throw error("a number is expected here", at: place) }
        return number
    }
}
