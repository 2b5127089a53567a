/// GPT-2's spelling of bytes as printable characters, so that any byte can stand in a vocabulary of strings:
/// printable Latin-1 stands for itself, the other 68 bytes for U+0100 onwards.
enum ByteLevelAlphabet {
    /// The character of each byte.
    static let scalars: [Unicode.Scalar] = {
        var next: UInt32 = 0x100
        return (0..<256).map { byte -> Unicode.Scalar in
            switch byte {
            case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF:
                return Unicode.Scalar(UInt8(byte))
            default:
                defer { next += 1 }
                guard let scalar = Unicode.Scalar(next) else { preconditionFailure("U+0100… are scalars") }
                return scalar
            }
        }
    }()

    /// The UTF-8 of each byte's character.
    private static let spellings: [[UInt8]] = scalars.map { Array($0.utf8) }

    /// Appends the spelling of some bytes.
    static func spell(_ bytes: some Sequence<UInt8>, into output: inout [UInt8]) {
        let spellings = spellings
        for byte in bytes {
            // Most text is printable ASCII, which stands for itself.
            if (0x21...0x7E).contains(byte) { output.append(byte) } else { output += spellings[Int(byte)] }
        }
    }

    private static let bytes: [Unicode.Scalar: UInt8] = Dictionary(
        uniqueKeysWithValues: scalars.enumerated().map { ($1, UInt8($0)) })

    static func spell(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        spell(bytes, into: &output)
        return output
    }

    /// The bytes that `spelling` stands for; nil when it holds a character outside the alphabet.
    static func unspell(_ spelling: [UInt8]) -> [UInt8]? {
        let scalars = String(decoding: spelling, as: UTF8.self).unicodeScalars
        let known = scalars.compactMap { bytes[$0] }
        return known.count == scalars.count ? known : nil
    }
}
