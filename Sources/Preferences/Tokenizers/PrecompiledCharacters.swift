import Coding
import Foundation

/// SentencePiece's compiled rules of normalization (`precompiled_charsmap`): a double-array trie (Darts) whose keys are
/// texts and whose values are places in a list of zero-terminated replacements.
struct PrecompiledCharacters: Sendable {
    /// The trie's cells.
    private let units: [UInt32]
    /// The replacements.
    private let texts: [UInt8]
    /// What becomes of each ASCII character that stands alone; nil for itself.
    private var ascii: [[UInt8]?] = []

    /// - Throws: `RDOError.artefact` when the field is no Base64, or no such rules.
    init(_ field: JSONField) throws {
        guard let data = Data(base64Encoded: try field.string()) else { throw field.fail("is no Base64") }
        let bytes = [UInt8](data)
        func word(_ index: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[4 * index + $1]) << (8 * UInt32($1)) }
        }
        guard bytes.count >= 4, case let size = Int(word(0)), size > 0, size % 4 == 0, size <= bytes.count - 4 else {
            throw field.fail(
                "does not begin with a trie", remedy: "fetch the file again; it is damaged or incomplete")
        }
        units = (1...size / 4).map(word)
        texts = Array(bytes[(4 + size)...])
        ascii = (0..<0x80).map { byte in replacement(of: [UInt8(byte)]).map { Array($0) } }
    }

    /// - Parameter keepsStart: false afterwards where nothing has come from the first character.
    func normalize(_ text: [UInt8], _ keepsStart: inout Bool) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            if text.standsAlone(at: index) {
                let byte = text[index]
                if let replacement = ascii[Int(byte)] { result += replacement } else { result.append(byte) }
                index += 1
                if result.isEmpty { keepsStart = false }
                continue
            }
            let start = index
            repeat { index += 1 } while index < text.count && !text.standsAlone(at: index)
            // It may belong to the character before it.
            if index < text.count { index += 1 }
            for character in String(decoding: text[start..<index], as: UTF8.self) {
                append(character, to: &result)
                if result.isEmpty { keepsStart = false }
            }
        }
        return result
    }

    private func append(_ character: Character, to result: inout [UInt8]) {
        let bytes = Array(character.utf8)
        // As `tokenizers` does: a short cluster is replaced as a whole when a part at its beginning has a rule.
        if bytes.count < 6, let replacement = replacement(of: bytes[...]) {
            result += replacement
            return
        }
        for scalar in character.unicodeScalars {
            let bytes = Array(scalar.utf8)
            result += replacement(of: bytes[...]) ?? bytes[...]
        }
    }

    /// What the shortest key at the beginning of `text` becomes; nil when there is none.
    private func replacement(of text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        // Numbers from the file lead anywhere.
        guard var place = units.first.map(Self.offset) else { return nil }
        for byte in text {
            if byte == 0 { return nil }
            place ^= Int(byte)
            guard units.indices.contains(place) else { return nil }
            let unit = units[place]
            guard unit & 0x8000_00FF == UInt32(byte) else { return nil }
            place ^= Self.offset(unit)
            guard unit >> 8 & 1 == 1 else { continue }
            guard units.indices.contains(place) else { return nil }
            let start = Int(units[place] & 0x7FFF_FFFF)
            guard start <= texts.count else { return nil }
            return texts[start...].prefix { $0 != 0 }
        }
        return nil
    }

    /// The distance from a cell to its children.
    private static func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 0x200) >> 6) }
}

extension [UInt8] {
    /// True for an ASCII character with another behind it: no character that a reader sees has both, except for the two
    /// of a line break.
    fileprivate func standsAlone(at index: Int) -> Bool {
        guard self[index] < 0x80 else { return false }
        guard index + 1 < count else { return true }
        return self[index + 1] < 0x80 && self[index + 1] != UInt8(ascii: "\n")
    }
}
