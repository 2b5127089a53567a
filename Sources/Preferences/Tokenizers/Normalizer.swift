import Coding
import Foundation

/// Rewrites a text before it is cut into words (`normalizer` in tokenizer.json).
indirect enum Normalizer: Sendable {
    /// Canonical composition.
    case nfc
    case prepend([UInt8])
    case replace(TextPattern, with: [UInt8])
    case sequence([Normalizer])

    init(_ field: JSONField) throws {
        switch try field.componentType() {
        case "NFC": self = .nfc
        case "Prepend": self = .prepend(try field.required("prepend").bytes())
        case "Replace":
            self = .replace(try TextPattern(field.required("pattern")), with: try field.required("content").bytes())
        case "Sequence": self = .sequence(try field.required("normalizers").array().map(Normalizer.init))
        case let other: throw field.unsupported("the normalizer \(other)")
        }
    }

    func normalize(_ text: [UInt8]) -> [UInt8] {
        switch self {
        case .nfc:
            // ASCII is its own composition, and most texts are ASCII.
            if text.allSatisfy({ $0 < 0x80 }) { return text }
            return Array(String(decoding: text, as: UTF8.self).precomposedStringWithCanonicalMapping.utf8)
        case .prepend(let prefix): return text.isEmpty ? text : prefix + text
        case .replace(let pattern, let replacement): return pattern.replacing(in: text, with: replacement)
        case .sequence(let normalizers): return normalizers.reduce(text) { $1.normalize($0) }
        }
    }
}
