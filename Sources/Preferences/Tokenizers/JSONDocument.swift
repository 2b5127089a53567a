/// A JSON value whose strings are UTF-8 bytes and whose objects keep every member in file order.
///
/// Foundation's JSON gives dictionaries keyed by `String`, which takes canonically equivalent spellings ("é" composed
/// and decomposed) for the same key. A vocabulary holds both, so tokenizer files are read by bytes.
enum JSONValue {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string([UInt8])
    case array([JSONValue])
    case object([(key: [UInt8], value: JSONValue)])

    /// For error messages.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer, .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// What is wrong with a JSON text, and in which line.
struct JSONSyntaxError: Error {
    let what: String
    let line: Int
}

/// A recursive-descent JSON (RFC 8259) parser.
struct JSONParser {
    private let bytes: [UInt8]
    private var position = 0
    /// Deeper nesting would only serve to exhaust the stack.
    private static let maximumDepth = 128

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// - Throws: `JSONSyntaxError`.
    static func parse(_ bytes: [UInt8]) throws -> JSONValue {
        guard String(validating: bytes, as: UTF8.self) != nil else {
            throw JSONSyntaxError(what: "not valid UTF-8", line: 1)
        }
        var parser = JSONParser(bytes)
        let value = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.position == bytes.count else { throw parser.error("text after the end of the document") }
        return value
    }

    private func error(_ what: String) -> JSONSyntaxError {
        JSONSyntaxError(what: what, line: 1 + bytes[..<min(position, bytes.count)].count { $0 == UInt8(ascii: "\n") })
    }

    private var unexpected: JSONSyntaxError {
        position < bytes.count ? error("unexpected character") : error("the file ends in the middle of a value")
    }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
    }

    private mutating func take(_ character: Character) -> Bool {
        guard position < bytes.count, bytes[position] == character.asciiValue else { return false }
        position += 1
        return true
    }

    private mutating func value(depth: Int) throws -> JSONValue {
        guard depth < Self.maximumDepth else { throw error("nested too deeply") }
        skipSpace()
        guard position < bytes.count else { throw unexpected }
        switch bytes[position] {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func word(_ text: String, _ value: JSONValue) throws -> JSONValue {
        for byte in text.utf8 {
            guard position < bytes.count, bytes[position] == byte else { throw unexpected }
            position += 1
        }
        return value
    }

    private mutating func object(depth: Int) throws -> JSONValue {
        position += 1
        var members: [(key: [UInt8], value: JSONValue)] = []
        skipSpace()
        if take("}") { return .object(members) }
        repeat {
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { throw unexpected }
            let key = try string()
            skipSpace()
            guard take(":") else { throw unexpected }
            members.append((key, try value(depth: depth + 1)))
            skipSpace()
        } while take(",")
        guard take("}") else { throw unexpected }
        return .object(members)
    }

    private mutating func array(depth: Int) throws -> JSONValue {
        position += 1
        var elements: [JSONValue] = []
        skipSpace()
        if take("]") { return .array(elements) }
        repeat {
            elements.append(try value(depth: depth + 1))
            skipSpace()
        } while take(",")
        guard take("]") else { throw unexpected }
        return .array(elements)
    }

    private mutating func number() throws -> JSONValue {
        let start = position
        while position < bytes.count, isNumberByte(bytes[position]) { position += 1 }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if let integer = Int(text), text.first != "+" { return .integer(integer) }
        guard let number = Double(text), text.first != "+", number.isFinite else {
            position = start
            throw unexpected
        }
        return .number(number)
    }

    private func isNumberByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }

    private mutating func string() throws -> [UInt8] {
        position += 1
        var text: [UInt8] = []
        while true {
            let start = position
            while position < bytes.count, bytes[position] != UInt8(ascii: "\""), bytes[position] != UInt8(ascii: "\\"),
                bytes[position] >= 0x20
            {
                position += 1
            }
            text += bytes[start..<position]
            if take("\"") { return text }
            guard take("\\") else { throw unexpected }
            text += try escape()
        }
    }

    /// The UTF-8 of what follows a backslash.
    private mutating func escape() throws -> [UInt8] {
        guard position < bytes.count else { throw unexpected }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            let first = try hexadecimal()
            if let scalar = Unicode.Scalar(first) { return Array(scalar.utf8) }
            // A code point beyond U+FFFF is written as a pair of surrogates.
            guard (0xD800..<0xDC00).contains(first), take("\\"), take("u") else { throw error("a lone surrogate") }
            let second = try hexadecimal()
            guard (0xDC00..<0xE000).contains(second),
                let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
            else { throw error("a lone surrogate") }
            return Array(scalar.utf8)
        default:
            position -= 1
            throw unexpected
        }
    }

    private mutating func hexadecimal() throws -> UInt32 {
        guard position + 4 <= bytes.count,
            bytes[position..<position + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let code = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
        else { throw unexpected }
        position += 4
        return code
    }
}
