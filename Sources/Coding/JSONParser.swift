import Diagnostics

/// What is wrong with a JSON text, and in which line.
package struct JSONSyntaxError: Error {
    /// What is said of bytes that are no UTF-8.
    package static let encoding = "not valid UTF-8"

    package let what: String
    package let line: Int
    /// Bytes from the beginning of the line, from 1.
    package let column: Int

    /// The text is in another encoding: no place in it is to blame.
    package var isOfEncoding: Bool { [Self.encoding, UTF16Text.what].contains(what) }

    /// As what is wrong with the file of `bytes`.
    package func error(in file: String, _ bytes: [UInt8]) -> RDOError {
        let isUTF16 = what == UTF16Text.what
        return RDOError(
            .artefact, "not a JSON document: \(what)", at: "\(file):\(line)",
            remedy: isUTF16
                ? UTF16Text.remedy(bytes, path: file, output: "utf8.json")
                : "fetch the file again; it is damaged or incomplete")
    }
}

/// A recursive-descent JSON (RFC 8259) parser.
package struct JSONParser {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0
    /// Deeper nesting would only serve to exhaust the stack.
    private static let maximumDepth = 512
    /// Python's own writer makes `NaN`, `Infinity` and `-Infinity`, which are no JSON.
    private let allowsNonFinite: Bool

    private init(_ bytes: UnsafeBufferPointer<UInt8>, allowsNonFinite: Bool) {
        (self.bytes, self.allowsNonFinite) = (bytes, allowsNonFinite)
    }

    /// - Parameter allowsNonFinite: reads Python's `NaN` and `Infinity` as numbers that no reader takes for one, so that
    ///   they do no harm in a field that nobody reads.
    package static func parse(
        _ bytes: [UInt8], allowsNonFinite: Bool = false
    ) throws(JSONSyntaxError) -> JSONValue {
        guard !UTF16Text.isAt(startOf: bytes) else {
            throw JSONSyntaxError(what: UTF16Text.what, line: 1, column: 1)
        }
        guard String(validating: bytes, as: UTF8.self) != nil else {
            throw JSONSyntaxError(what: JSONSyntaxError.encoding, line: 1, column: 1)
        }
        return try bytes.withUnsafeBufferPointer { bytes throws(JSONSyntaxError) in
            var parser = JSONParser(bytes, allowsNonFinite: allowsNonFinite)
            let value = try parser.value(depth: 0)
            parser.skipSpace()
            guard parser.position == bytes.count else { throw parser.error("text after the end of the document") }
            return value
        }
    }

    /// As `parse`, of a file that may begin with a byte order mark.
    package static func parse(
        file bytes: [UInt8], allowsNonFinite: Bool = false
    ) throws(JSONSyntaxError) -> JSONValue {
        try parse(
            bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes,
            allowsNonFinite: allowsNonFinite)
    }

    private func error(_ what: String) -> JSONSyntaxError {
        let before = bytes[..<min(position, bytes.count)]
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        return JSONSyntaxError(
            what: what, line: 1 + before.count { $0 == UInt8(ascii: "\n") }, column: before.count - lineStart + 1)
    }

    private var unexpected: JSONSyntaxError {
        position < bytes.count ? error("unexpected character") : error("the text ends in the middle of a value")
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSONSyntaxError) -> JSONValue {
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
        case UInt8(ascii: "N"), UInt8(ascii: "I"): return try nonFinite()
        case UInt8(ascii: "-") where position + 1 < bytes.count && bytes[position + 1] == UInt8(ascii: "I"):
            return try nonFinite()
        default: return try number()
        }
    }

    private mutating func nonFinite() throws(JSONSyntaxError) -> JSONValue {
        guard allowsNonFinite else { throw error("NaN and Infinity are no JSON numbers") }
        switch bytes[position] {
        case UInt8(ascii: "N"): return try word("NaN", .number(.nan))
        case UInt8(ascii: "I"): return try word("Infinity", .number(.infinity))
        default: return try word("-Infinity", .number(-.infinity))
        }
    }

    private mutating func word(_ text: StaticString, _ value: JSONValue) throws(JSONSyntaxError) -> JSONValue {
        for index in 0..<text.utf8CodeUnitCount {
            guard position < bytes.count, bytes[position] == text.utf8Start[index] else { throw unexpected }
            position += 1
        }
        return value
    }

    private mutating func object(depth: Int) throws(JSONSyntaxError) -> JSONValue {
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

    private mutating func array(depth: Int) throws(JSONSyntaxError) -> JSONValue {
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

    /// A whole number that fits is an integer; anything with a fraction or an exponent is not.
    private mutating func number() throws(JSONSyntaxError) -> JSONValue {
        let start = position
        _ = take("-")
        if !take("0") { try digits() }
        if take(".") { try digits() }
        if take("e") || take("E") {
            if !take("-") { _ = take("+") }
            try digits()
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if let integer = Int(text) { return .integer(integer) }
        guard let number = Double(text), number.isFinite else {
            position = start
            throw unexpected
        }
        return .number(number)
    }

    /// One digit or more.
    private mutating func digits() throws(JSONSyntaxError) {
        let start = position
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        while position < bytes.count, digits.contains(bytes[position]) { position += 1 }
        guard position > start else { throw unexpected }
    }

    private mutating func string() throws(JSONSyntaxError) -> [UInt8] {
        position += 1
        var text: [UInt8] = []
        while true {
            let plain = bytes[position...].prefix { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") && $0 >= 0x20 }
            // Most strings have no escape: they are copied once.
            if text.isEmpty { text = Array(plain) } else { text += plain }
            position = plain.endIndex
            if take("\"") { return text }
            guard take("\\") else { throw unexpected }
            try escape(into: &text)
        }
    }

    /// Appends the UTF-8 of what follows a backslash.
    private mutating func escape(into text: inout [UInt8]) throws(JSONSyntaxError) {
        guard position < bytes.count else { throw unexpected }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text += Array(try escapedScalar().utf8)
        default:
            position -= 1
            throw unexpected
        }
    }

    private mutating func escapedScalar() throws(JSONSyntaxError) -> Unicode.Scalar {
        let first = try hexadecimal()
        if let scalar = Unicode.Scalar(first) { return scalar }
        // A code point beyond U+FFFF is written as a pair of surrogates.
        guard (0xD800..<0xDC00).contains(first), take("\\"), take("u") else {
            throw error("half of a surrogate pair (a character that was cut in two)")
        }
        let second = try hexadecimal()
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
        else { throw error("half of a surrogate pair (a character that was cut in two)") }
        return scalar
    }

    private mutating func hexadecimal() throws(JSONSyntaxError) -> UInt32 {
        guard position + 4 <= bytes.count else { throw unexpected }
        var code: UInt32 = 0
        for byte in bytes[position..<position + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { throw unexpected }
            code = 16 * code + UInt32(digit)
        }
        position += 4
        return code
    }
}
