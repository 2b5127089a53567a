import Foundation

/// A normalization form of Unicode, as `tokenizers` computes it: with the tables of Unicode 9. To them a later character is
/// one that nothing is known of, which stays as it is and where it is.
enum UnicodeForm: String, Sendable {
    case nfc = "NFC"
    case nfd = "NFD"
    case nfkc = "NFKC"
    case nfkd = "NFKD"

    func normalize(_ text: [UInt8]) -> [UInt8] {
        // ASCII is its own normal form, and most texts are ASCII.
        if text.isASCII { return text }
        var result: [UInt8] = []
        var (start, index) = (0, 0)
        while index < text.count {
            let (scalar, length) = text.scalar(at: index)
            if scalar.isComposedOfMarks { return normalize(Self.takingMarksApart(text)) }
            if scalar.mayNormalizeLater && !scalar.isInUnicode(9) {
                result += normalized(text[start..<index]) + text[index..<index + length]
                start = index + length
            }
            index += length
        }
        return start == 0 ? normalized(text[...]) : result + normalized(text[start...])
    }

    /// Foundation does not sort the marks behind these characters, which no form has.
    private static func takingMarksApart(_ text: [UInt8]) -> [UInt8] {
        Array(
            String(decoding: text, as: UTF8.self).unicodeScalars.map { scalar in
                switch scalar.value {
                case 0xF73: "\u{F71}\u{F72}"
                case 0xF75: "\u{F71}\u{F74}"
                case 0xF81: "\u{F71}\u{F80}"
                default: String(scalar)
                }
            }.joined().utf8)
    }

    /// By this system's tables, which are newer.
    private func normalized(_ text: ArraySlice<UInt8>) -> [UInt8] {
        let text = String(decoding: text, as: UTF8.self)
        let normalized =
            switch self {
            case .nfc: text.precomposedStringWithCanonicalMapping
            case .nfd: text.decomposedStringWithCanonicalMapping
            case .nfkc: text.precomposedStringWithCompatibilityMapping
            case .nfkd: text.decomposedStringWithCompatibilityMapping
            }
        return Array(normalized.utf8)
    }
}

extension Unicode.Scalar {
    /// Assigned in that version of Unicode or before.
    func isInUnicode(_ version: Int) -> Bool { properties.age.map { $0.major <= version } ?? false }

    /// Tibetan vowel signs that stand for two marks.
    fileprivate var isComposedOfMarks: Bool { value == 0xF73 || value == 0xF75 || value == 0xF81 }

    /// False for those of blocks, the most used ones, that have no character after Unicode 9 which normalization changes.
    fileprivate var mayNormalizeLater: Bool {
        switch value {
        case 0..<0x7FD, 0x2000..<0x2DFF, 0x3000..<0x32FF, 0x3300..<0xA700, 0xAC00..<0x10000: false
        default: true
        }
    }
}
