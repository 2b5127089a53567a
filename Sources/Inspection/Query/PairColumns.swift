import Diagnostics
import Objectives
import Storage

/// What can be asked of the pairs of a coefficient file: the names of `--where`, `--sort` and `--columns`.
package struct PairColumns {
    /// The value of a column for a row of `/pairs`.
    package enum Values {
        case integers((Int) -> Int)
        /// As stored, so that its text is the shortest that gives the same number back.
        case singles((Int) -> Float)
        case numbers((Int) -> Double)
        case texts((Int) -> String)
    }

    /// What a column says, for `--columns` and docs/inspecting.md.
    package struct Description: Sendable {
        package let name: String
        package let summary: String
    }

    package static let descriptions = [
        ("row", "row of /pairs, from 0"),
        ("key", "the pair's key, 32 hexadecimal digits"),
        ("difference", "d(x, first, second) as stored"),
        ("reversed", "d(x, second, first) as stored"),
        ("r", "R of first over second: half of difference less reversed where both are stored"),
        ("bias", "position bias: half of difference plus reversed"),
        ("label", "1: first is preferred, -1: second, 0: unknown"),
        ("weight", "what training would weight the pair by; 0 without a label"),
        ("tokens", "tokens of both responses"),
        ("first_tokens", "tokens of the first response"),
        ("second_tokens", "tokens of the second response"),
        ("first_reward", "a reward model's value for the first response"),
        ("second_reward", "a reward model's value for the second response"),
        ("query_row", "row of /queries"),
        ("query", "the prompt's text"),
        ("first", "the first response's text"),
        ("second", "the second response's text"),
    ].map { Description(name: $0, summary: $1) }

    private let values: [String: Values]
    package let path: String
    package let count: Int

    /// - Parameter rule: makes the column `weight`.
    /// - Throws: `RDOError(.artefact)` when the file is damaged.
    init(of file: CoefficientFile, _ tables: CoefficientTables?, _ scored: ScoredPairs, rule: CoefficientRule) throws {
        (path, count) = (file.path, file.count)
        var values: [String: Values] = [
            "row": .integers { $0 }, "key": .texts { file.keys[$0].description },
            "difference": .singles { file.differences[$0] }, "r": .numbers { scored.differences[$0] },
            "label": .integers { Int(scored.labels[$0]) }, "weight": .numbers { scored.weight($0, by: rule) },
        ]
        if let reversed = file.reversed {
            values["reversed"] = .singles { reversed[$0] }
            values["bias"] = .singles { (file.differences[$0] + reversed[$0]) / 2 }
        }
        if let lengths = scored.lengths {
            values["tokens"] = .integers { lengths[$0].first + lengths[$0].second }
            values["first_tokens"] = .integers { lengths[$0].first }
            values["second_tokens"] = .integers { lengths[$0].second }
        }
        if let tables, let places = scored.places {
            values["query_row"] = .integers { Int(places[$0].query) }
            values["query"] = .texts { tables.queryTexts[Int(places[$0].query)] }
            // One reader each: neighbouring rows ask for neighbouring texts.
            let seconds = try file.readTables().responseTexts
            values["first"] = .texts { tables.responseTexts[Int(places[$0].first)] }
            values["second"] = .texts { seconds[Int(places[$0].second)] }
            if let rewards = try file.readRewards(responses: tables.responseTexts.count) {
                values["first_reward"] = .singles { rewards[Int(places[$0].first)] }
                values["second_reward"] = .singles { rewards[Int(places[$0].second)] }
            }
        }
        self.values = values
    }

    /// Those of this file, in their order.
    package var names: [String] { Self.descriptions.map(\.name).filter { values[$0] != nil } }

    package subscript(name: String) -> Values? { values[name] }

    /// Why a name is none of the file's columns.
    package func problem(with name: String) -> String {
        Self.descriptions.contains { $0.name == name }
            ? "\(path) has no column \(name)" : "there is no column \(name.debugDescription)"
    }

    /// For `--columns` alone: every column, whether the file has it or not.
    package var text: String {
        let width = Self.descriptions.map(\.name.count).max() ?? 0
        return Self.descriptions.map { column in
            let gap = String(repeating: " ", count: width - column.name.count + 2)
            return "\(column.name)\(gap)\(column.summary)\(values[column.name] == nil ? " (not in this file)" : "")\n"
        }.joined()
    }
}

extension PairColumns.Values {
    /// One value as text: numbers in the fewest digits that give them back.
    func text(_ row: Int) -> String {
        switch self {
        case .integers(let value): String(value(row))
        case .singles(let value): "\(value(row))"
        case .numbers(let value): "\(value(row))"
        case .texts(let value): value(row)
        }
    }

    /// Nil for texts.
    var asNumbers: ((Int) -> Double)? {
        switch self {
        case .integers(let value): { Double(value($0)) }
        case .singles(let value): { Double(value($0)) }
        case .numbers(let value): value
        case .texts: nil
        }
    }
}
