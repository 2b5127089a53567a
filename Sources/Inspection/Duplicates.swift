import Coding
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

    private struct Pair: Comparable {
        let essence: Digest
        let row: Int
        /// Of the response of the lesser digest over the other one.
        let label: Int

        static func < (a: Pair, b: Pair) -> Bool {
            (a.essence.high, a.essence.low, a.row) < (b.essence.high, b.essence.low, b.row)
        }
    }

    init(of file: CoefficientFile, _ tables: CoefficientTables?, examples limit: Int) {
        repeatedPairs = file.repeatedCount
        guard let tables else {
            (nearDuplicates, contradictingLabels, examples) = (nil, nil, [])
            return
        }
        let queries = tables.queryTexts.map(Self.essence)
        let responses = tables.responseTexts.map(Self.essence)
        // A pair by what it says: the query, the response of the lesser digest, and the other one.
        var pairs = zip(tables.pairQueries, zip(tables.pairFirsts, tables.pairSeconds)).enumerated().map {
            row, places in
            let (first, second) = (responses[Int(places.1.0)], responses[Int(places.1.1)])
            let isTurned = (first.high, first.low) > (second.high, second.low)
            let query = queries[Int(places.0)]
            let whole = isTurned ? (query, second, first) : (query, first, second)
            let label = isTurned ? -tables.labels[row] : tables.labels[row]
            return Pair(essence: withUnsafeBytes(of: whole) { Digest.of($0) }, row: row, label: Int(label))
        }
        pairs.sort()
        var (near, contradicting) = (0, 0)
        var found: [[Int]] = []
        var first: Pair?
        for pair in pairs {
            guard let earlier = first, earlier.essence == pair.essence else {
                first = pair
                continue
            }
            contradicting += earlier.label * pair.label < 0 ? 1 : 0
            guard file.keys[earlier.row] != file.keys[pair.row] else { continue }
            near += 1
            if found.count < limit { found.append([pair.row, earlier.row]) }
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
