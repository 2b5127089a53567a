import Coding
import Columns
import Storage

/// Pairs that say the same as earlier ones.
package struct Duplicates: Encodable, Sendable {
    /// Pairs with the key of an earlier one.
    package let repeatedPairs: Int
    /// Pairs with the letters and digits of an earlier one, in any case and order of the responses, and another key; nil
    /// without texts.
    package let nearDuplicates: Int?
    /// Of both, those whose label is the other one.
    package let contradictingLabels: Int?
    /// Rows of some near-duplicates and of the earlier pairs.
    package let examples: [[Int]]

    init(of file: CoefficientFile, _ tables: CoefficientTables?, examples limit: Int) throws {
        repeatedPairs = file.repeatedCount
        guard let tables else {
            (nearDuplicates, contradictingLabels, examples) = (nil, nil, [])
            return
        }
        let queries = tables.queryTexts.map(Self.essence)
        let responses = tables.responseTexts.map(Self.essence)
        func sides(_ row: Int) -> (first: Digest, second: Digest) {
            (responses[Int(tables.pairFirsts[row])], responses[Int(tables.pairSeconds[row])])
        }
        func isTurned(_ row: Int) -> Bool {
            let (first, second) = sides(row)
            return (first.high, first.low) > (second.high, second.low)
        }
        let essences = (0..<tables.pairCount).lazy.map { row in
            let (first, second) = sides(row)
            let query = queries[Int(tables.pairQueries[row])]
            let whole = isTurned(row) ? (query, second, first) : (query, first, second)
            return ContentKey(withUnsafeBytes(of: whole) { Digest.of($0) })
        }
        var (near, contradicting) = (0, 0)
        var found: [[Int]] = []
        _ = try KeyIndex(essences) { earlier, row in
            if Int(tables.labels[earlier]) * Int(tables.labels[row]) * (isTurned(earlier) == isTurned(row) ? 1 : -1) < 0
            {
                contradicting += 1
            }
            guard file.keys[earlier] != file.keys[row] else { return }
            near += 1
            if found.count < limit { found.append([row, earlier]) }
        }
        (nearDuplicates, contradictingLabels, examples) = (near, contradicting, found)
    }

    /// Digest of a text's letters and digits, those of ASCII in lower case.
    private static func essence(_ text: String) -> Digest {
        var text = text
        return text.withUTF8 { utf8 in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: utf8.count) { buffer in
                var count = 0
                for byte in utf8 {
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...:
                        buffer[count] = byte
                    case UInt8(ascii: "A")...UInt8(ascii: "Z"): buffer[count] = byte + 32
                    default: continue
                    }
                    count += 1
                }
                return Digest.of(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]))
            }
        }
    }

    var lines: [String] {
        var lines = labelled([
            ("repeated pairs", repeatedPairs > 0 ? String(repeatedPairs) : ""),
            ("near-duplicates", nearDuplicates.map { $0 > 0 ? String($0) : "" } ?? ""),
            ("labels contradict", contradictingLabels.map { $0 > 0 ? String($0) : "" } ?? ""),
        ])
        if !lines.isEmpty {
            lines = ["", "  duplicates"] + lines + ["  pairs that stand several times weigh that much more"]
        }
        return lines + examples.map { "    pair \($0[0]) is nearly pair \($0[1])" }
    }
}
