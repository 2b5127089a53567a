/// A dictionary key that tells apart every two byte sequences, unlike `String`, which compares up to canonical
/// equivalence.
struct UTF8Key: Hashable {
    let bytes: [UInt8]

    init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
}

extension Unicode.Scalar {
    /// White_Space, the `\s` of the regular expressions that tokenizers use.
    var isSpace: Bool { properties.isWhitespace }

    /// A word character as in UTS #18, annex C, and in Unicode 16, whose tables `tokenizers` uses for this.
    var isWordCharacter: Bool {
        if !isASCII && !isInUnicode(16) { return false }
        if properties.isAlphabetic || properties.isJoinControl { return true }
        return switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: true
        default: false
        }
    }

    /// Mn, Mc or Me in Unicode 9, whose tables `tokenizers` uses for this.
    var isCombiningMark: Bool {
        // What has become one since, and what is none any more.
        if value == 0x111C9 { return false }
        if value == 0x1CF2 || value == 0x1CF3 { return true }
        return switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: isInUnicode(9)
        default: false
        }
    }

    /// Punctuation of any kind in Unicode 8, whose tables `tokenizers` uses for this, and with it all of ASCII that is
    /// neither letter, digit, space nor control.
    var isPunctuation: Bool {
        if isASCII { return (0x21...0x7E).contains(value) && !properties.isAlphabetic && !isNumeric }
        if value == 0x166D || value == 0x111C9 { return true }
        return switch properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            isInUnicode(8)
        default: false
        }
    }

    /// A number of any kind: Nd, Nl or No.
    var isNumeric: Bool {
        if isASCII { return ("0"..."9").contains(self) }
        return switch properties.generalCategory {
        case .decimalNumber, .letterNumber, .otherNumber: true
        default: false
        }
    }
}

/// Reading scalars out of valid UTF-8.
extension RandomAccessCollection where Element == UInt8, Index == Int {
    /// The scalar that begins at `index`, and how many bytes it takes.
    func scalar(at index: Int) -> (scalar: Unicode.Scalar, length: Int) {
        let first = self[index]
        if first < 0x80 { return (Unicode.Scalar(first), 1) }
        let length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        var code = UInt32(first) & (0x7F >> UInt32(length))
        for offset in 1..<length { code = code << 6 | UInt32(self[index + offset] & 0x3F) }
        guard let scalar = Unicode.Scalar(code) else { preconditionFailure("text must be valid UTF-8") }
        return (scalar, length)
    }

    /// The scalar that ends before `index`, and how many bytes it takes.
    func scalar(before index: Int) -> (scalar: Unicode.Scalar, length: Int) {
        var start = index - 1
        while self[start] & 0xC0 == 0x80 { start -= 1 }
        return scalar(at: start)
    }
}
