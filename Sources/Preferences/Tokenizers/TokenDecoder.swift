import Coding

/// Turns the spellings of tokens back into text (`decoder` in tokenizer.json), each step a rewriting of the list.
indirect enum TokenDecoder: Sendable {
    /// Undoes `ByteLevelAlphabet` and joins the list.
    case byteLevel
    case replace(TextPattern, with: [UInt8])
    /// `<0x41>` to the byte it names; bytes that form no UTF-8 to a replacement character each.
    case byteFallback
    case fuse
    case strip(Unicode.Scalar, start: Int, end: Int)
    /// `replacement` back to a space, and nothing for it in the first token when one was put before the text.
    case metaspace(Metaspace)
    case sequence([TokenDecoder])

    init(_ field: JSONField) throws {
        switch try field.componentType() {
        case "ByteLevel": self = .byteLevel
        case "Replace":
            self = .replace(try TextPattern(field.required("pattern")), with: try field.required("content").bytes())
        case "ByteFallback": self = .byteFallback
        case "Fuse": self = .fuse
        case "Strip":
            self = .strip(
                try field.required("content").scalar(), start: try field.required("start").integer(),
                end: try field.required("stop").integer())
        case "Metaspace": self = .metaspace(try Metaspace(field))
        case "Sequence": self = .sequence(try field.required("decoders").array().map(TokenDecoder.init))
        case let other:
            throw field.unsupported(
                "the decoder \(other)", "ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace and Sequence are")
        }
    }

    /// True when tokens pass through the byte-level alphabet.
    var isByteLevel: Bool {
        switch self {
        case .byteLevel: true
        case .sequence(let decoders): decoders.contains(where: \.isByteLevel)
        default: false
        }
    }

    /// - Throws: when a pattern fails, or the text grows without measure.
    func decode(_ tokens: [[UInt8]]) throws(TextError) -> [[UInt8]] {
        try decode(tokens, limit: TextGrowth.limit(tokens.reduce(0) { $0 + $1.count }))
    }

    private func decode(_ tokens: [[UInt8]], limit: Int) throws(TextError) -> [[UInt8]] {
        switch self {
        case .byteLevel:
            // Every maximal part that is no UTF-8 becomes a replacement character.
            let bytes = tokens.flatMap { ByteLevelAlphabet.unspell($0) ?? $0 }
            return [Array(String(decoding: bytes, as: UTF8.self).utf8)]
        case .replace(let pattern, let replacement):
            return try Self.replacing(pattern, in: tokens, with: { _ in replacement }, limit: limit)
        case .byteFallback: return Self.joiningBytes(tokens)
        case .fuse: return [tokens.flatMap { $0 }]
        case .strip(let scalar, let start, let end):
            let spelling = Array(scalar.utf8)
            return tokens.map { Self.strip($0, spelling, start: start, end: end) }
        case .metaspace(let metaspace):
            let space = [UInt8(ascii: " ")]
            return try Self.replacing(
                .literal(metaspace.replacement), in: tokens,
                with: { $0 == 0 && metaspace.scheme != .never ? [] : space }, limit: limit)
        case .sequence(let decoders):
            var tokens = tokens
            for decoder in decoders { tokens = try decoder.decode(tokens, limit: limit) }
            return tokens
        }
    }

    /// - Parameter replacement: by the token's place.
    private static func replacing(
        _ pattern: TextPattern, in tokens: [[UInt8]], with replacement: (Int) -> [UInt8], limit: Int
    ) throws(TextError) -> [[UInt8]] {
        var result: [[UInt8]] = []
        result.reserveCapacity(tokens.count)
        var room = limit
        for (index, token) in tokens.enumerated() {
            let text = try pattern.replacing(in: token, with: replacement(index), limit: room).text
            result.append(text)
            room -= text.count
        }
        return result
    }

    private static func joiningBytes(_ tokens: [[UInt8]]) -> [[UInt8]] {
        var result: [[UInt8]] = []
        var bytes: [UInt8] = []
        func flush() {
            guard !bytes.isEmpty else { return }
            let isText = String(validating: bytes, as: UTF8.self) != nil
            result.append(isText ? bytes : Array(String(repeating: "\u{FFFD}", count: bytes.count).utf8))
            bytes.removeAll()
        }
        for token in tokens {
            if let byte = fallbackByte(token) {
                bytes.append(byte)
            } else {
                flush()
                result.append(token)
            }
        }
        flush()
        return result
    }

    private static func fallbackByte(_ token: [UInt8]) -> UInt8? {
        guard token.count == 6, token.starts(with: "<0x".utf8), token[5] == UInt8(ascii: ">") else { return nil }
        return UInt8(String(decoding: token[3..<5], as: UTF8.self), radix: 16)
    }

    private static func strip(_ token: [UInt8], _ spelling: [UInt8], start: Int, end: Int) -> [UInt8] {
        var (token, start, end) = (token[...], start, end)
        while start > 0 && token.starts(with: spelling) {
            token = token.dropFirst(spelling.count)
            start -= 1
        }
        while end > 0 && token.suffix(spelling.count).elementsEqual(spelling) {
            token = token.dropLast(spelling.count)
            end -= 1
        }
        return Array(token)
    }
}
