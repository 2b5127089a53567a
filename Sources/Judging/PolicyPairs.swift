import Coding
import Diagnostics
import Preferences
import Tensors

/// Two policies' responses to one query.
package struct PolicyPair: Sendable, Codable, Equatable {
    /// 32 hexadecimal digits of the query.
    package let key: String
    package let query: String
    /// The first response of the first file, and that of the second.
    package let a: String
    package let b: String

    /// Byte by byte: there is nothing to judge.
    var isIdentical: Bool { a.utf8.elementsEqual(b.utf8) }
}

/// The queries that both files answer, and which do not count.
package struct PolicyPairs: Sendable {
    package let pairs: [PolicyPair]
    package let coverage: PairCoverage
    /// One line each about what is left out.
    package let notes: [String]

    /// - Parameter limit: at most so many pairs, drawn from the seed whatever their order in the files.
    /// - Throws: `RDOError.data` when a file cannot be used, or no query stands in both.
    package init(_ first: String, _ second: String, limit: Int?, seed: Int) throws {
        let (a, b) = (try Self.byKey(first), try Self.byKey(second))
        let found = a.rows.compactMap { key, row -> PolicyPair? in
            guard let other = b.places[key].map({ b.rows[$0].row }) else { return nil }
            return PolicyPair(key: key.hex, query: row.text, a: row.responses[0], b: other.responses[0])
        }
        let lonely = [(first, a, b), (second, b, a)].map { path, own, other in
            (path, lines: own.rows.filter { other.places[$0.key] == nil }.map(\.row.line))
        }
        guard !found.isEmpty else {
            throw RDOError(
                .data, "no query of \(first) stands in \(second)", at: second,
                remedy: "let both policies answer the same prompts")
        }
        pairs = Self.drawn(limit ?? found.count, of: found, seed: seed)
        coverage = PairCoverage(
            a: first, b: second, paired: found.count, used: pairs.count,
            unpaired: lonely.map(\.lines.count), repeated: [a.repeated.count, b.repeated.count],
            identical: pairs.count { $0.isIdentical })
        notes =
            lonely.compactMap { Self.note($0, $1, "only this file has the query") }
            + [(first, a), (second, b)].compactMap {
                Self.note($0, $1.repeated, "the query stands in an earlier line, whose response counts")
            }
            + (coverage.identical > 0
                ? ["\(coverage.identical) pairs of equal responses are ties without a question"] : [])
    }

    private struct Rows {
        var rows: [(key: Digest, row: ResponseRow)] = []
        var places: [Digest: Int] = [:]
        /// Lines whose query stood before.
        var repeated: [Int] = []
    }

    private static func byKey(_ path: String) throws -> Rows {
        var rows = Rows()
        for row in try ResponseFile.read(path) {
            let key = row.key
            guard rows.places[key] == nil else {
                rows.repeated.append(row.line)
                continue
            }
            rows.places[key] = rows.rows.count
            rows.rows.append((key, row))
        }
        return rows
    }

    /// The pairs with the smallest random numbers, which are those of their queries; in the order of the first file.
    private static func drawn(_ count: Int, of pairs: [PolicyPair], seed: Int) -> [PolicyPair] {
        guard count < pairs.count else { return pairs }
        let ranks = pairs.map { Draw.bits(.prompts, seed: seed, $0.key) }
        let chosen = pairs.indices.sorted { (ranks[$0], pairs[$0].key) < (ranks[$1], pairs[$1].key) }.prefix(count)
        return chosen.sorted().map { pairs[$0] }
    }

    private static func note(_ path: String, _ lines: [Int], _ why: String) -> String? {
        guard let first = lines.first else { return nil }
        let named = lines.prefix(5).map(String.init).joined(separator: ", ") + (lines.count > 5 ? ", …" : "")
        return "\(path):\(first): \(why); \(lines.count) such rows are left out (lines \(named))"
    }
}

/// How much of two files was compared.
package struct PairCoverage: Sendable, Codable, Equatable {
    package let a: String
    package let b: String
    /// Queries that both files have.
    package let paired: Int
    /// Of these, those that were judged: all without `--limit`.
    package let used: Int
    /// Rows of the first and of the second file without a partner.
    package let unpaired: [Int]
    /// Rows whose query stands in an earlier row.
    package let repeated: [Int]
    /// Of those used, with the same response twice: ties.
    package let identical: Int
}

/// What is drawn for a query: a function of seed, purpose and query, whatever else is compared.
enum Draw {
    /// Each sets its stream of random numbers apart.
    enum Purpose: UInt64 {
        case prompts = 0x9A06E1
        case order, sides, places
    }

    /// - Parameter key: a query's, 32 hexadecimal digits; `salt`: a judge's name.
    static func bits(_ purpose: Purpose, seed: Int, _ key: String, salt: String = "") -> UInt64 {
        let digest = Digest.of(key + " " + salt)
        return KeyedRandom(seed: UInt64(seed), stream: purpose.rawValue ^ digest.high).bits(at: digest.low)
    }

    static func coin(_ purpose: Purpose, seed: Int, _ key: String, salt: String = "") -> Bool {
        bits(purpose, seed: seed, key, salt: salt) & 1 == 1
    }
}
