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
        case let other: throw field.unsupported("the decoder \(other)")
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

    func decode(_ tokens: [[UInt8]]) -> [[UInt8]] {
        switch self {
        case .byteLevel:
            // Every maximal part that is no UTF-8 becomes a replacement character.
            let bytes = tokens.flatMap { ByteLevelAlphabet.unspell($0) ?? $0 }
            return [Array(String(decoding: bytes, as: UTF8.self).utf8)]
        case .replace(let pattern, let replacement): return tokens.map { pattern.replacing(in: $0, with: replacement) }
        case .byteFallback: return Self.joiningBytes(tokens)
        case .fuse: return [tokens.flatMap { $0 }]
        case .strip(let scalar, let start, let end):
            let spelling = Array(scalar.utf8)
            return tokens.map { Self.strip($0, spelling, start: start, end: end) }
        case .metaspace(let metaspace):
            return tokens.enumerated().map { index, token in
                let space: [UInt8] = index == 0 && metaspace.scheme != .never ? [] : [UInt8(ascii: " ")]
                return TextPattern.literal(metaspace.replacement).replacing(in: token, with: space)
            }
        case .sequence(let decoders): return decoders.reduce(tokens) { $1.decode($0) }
        }
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
