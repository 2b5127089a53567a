import Coding

/// Rewrites a text before it is cut into words (`normalizer` in tokenizer.json).
indirect enum Normalizer: Sendable {
    /// One of Unicode's normalization forms.
    case form(UnicodeForm)
    /// Character by character, without regard to its place in the word.
    case lowercase
    /// Takes white space away from the ends.
    case strip(left: Bool, right: Bool)
    /// Takes combining marks away.
    case stripAccents
    /// The cleaning of SentencePiece's `nmt` rules: control characters away, odd spaces to plain ones.
    case nmt
    case precompiled(PrecompiledCharacters)
    /// Spells bytes with `ByteLevelAlphabet`.
    case byteLevel
    case prepend([UInt8])
    case replace(TextPattern, with: [UInt8])
    case sequence([Normalizer])

    init(_ field: JSONField) throws {
        let type = try field.componentType()
        if let form = UnicodeForm(rawValue: type) {
            self = .form(form)
            return
        }
        switch type {
        case "Lowercase": self = .lowercase
        case "Strip": self = .strip(left: try field.flag("strip_left"), right: try field.flag("strip_right"))
        case "StripAccents": self = .stripAccents
        case "Nmt": self = .nmt
        case "Precompiled": self = .precompiled(try PrecompiledCharacters(field.required("precompiled_charsmap")))
        case "ByteLevel": self = .byteLevel
        case "Prepend": self = .prepend(try field.required("prepend").bytes())
        case "Replace":
            self = .replace(try TextPattern(field.required("pattern")), with: try field.required("content").bytes())
        case "Sequence": self = .sequence(try field.required("normalizers").array().map(Normalizer.init))
        case let other:
            throw field.unsupported(
                "the normalizer \(other)",
                "NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Nmt, Precompiled, ByteLevel, Prepend, Replace and "
                    + "Sequence are")
        }
    }

    /// - Parameter keepsStart: false afterwards where what the text begins with has not come from its first character.
    /// - Throws: when a pattern fails, or the text grows without measure.
    func normalize(_ text: [UInt8], keepsStart: inout Bool) throws(TextError) -> [UInt8] {
        try apply(to: text, limit: TextGrowth.limit(text.count), &keepsStart)
    }

    private func apply(to text: [UInt8], limit: Int, _ keepsStart: inout Bool) throws(TextError) -> [UInt8] {
        switch self {
        case .form(let form): return form.normalize(text)
        case .lowercase: return Self.lowercased(text)
        case .strip(let left, let right): return Self.stripped(text, left: left, right: right, &keepsStart)
        case .stripAccents:
            if text.isASCII { return text }
            return Self.rewritten(text, &keepsStart) { $0.isCombiningMark ? nil : $0 }
        case .nmt: return Self.rewritten(text, &keepsStart, Self.cleaned)
        case .precompiled(let characters): return characters.normalize(text, &keepsStart)
        case .byteLevel: return ByteLevelAlphabet.spell(text)
        case .prepend(let prefix):
            try TextGrowth.check(text.count + prefix.count, limit)
            return text.isEmpty ? text : prefix + text
        case .replace(let pattern, let replacement):
            let replaced = try pattern.replacing(in: text, with: replacement, limit: limit)
            // `tokenizers` has a replacement come from the last character that it replaces.
            if replaced.first > (replacement.isEmpty ? 0 : 1) { keepsStart = false }
            return replaced.text
        case .sequence(let normalizers):
            var text = text
            for normalizer in normalizers {
                text = try normalizer.apply(to: text, limit: limit, &keepsStart)
                try TextGrowth.check(text.count, limit)
            }
            return text
        }
    }

    private static func lowercased(_ text: [UInt8]) -> [UInt8] {
        if text.isASCII {
            return text.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
        }
        return Array(text.text.unicodeScalars.map(\.properties.lowercaseMapping).joined().utf8)
    }

    private static func stripped(
        _ text: [UInt8], left: Bool, right: Bool, _ keepsStart: inout Bool
    ) -> [UInt8] {
        var (start, end) = (0, text.count)
        while left, start < end, case let (scalar, length) = text.scalar(at: start), scalar.isSpace { start += length }
        while right, start < end, case let (scalar, length) = text.scalar(before: end), scalar.isSpace { end -= length }
        if start > 0 { keepsStart = false }
        return Array(text[start..<end])
    }

    /// The text with another scalar, or none, for each.
    private static func rewritten(
        _ text: [UInt8], _ keepsStart: inout Bool, _ change: (Unicode.Scalar) -> Unicode.Scalar?
    ) -> [UInt8] {
        var result = String.UnicodeScalarView()
        for scalar in text.text.unicodeScalars {
            if let new = change(scalar) { result.append(new) } else if result.isEmpty { keepsStart = false }
        }
        return Array(String(result).utf8)
    }

    private static func cleaned(_ scalar: Unicode.Scalar) -> Unicode.Scalar? {
        switch scalar.value {
        case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: nil
        case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD: " "
        default: scalar
        }
    }
}

extension [UInt8] {
    var isASCII: Bool { allSatisfy { $0 < 0x80 } }

    fileprivate var text: String { String(decoding: self, as: UTF8.self) }
}
