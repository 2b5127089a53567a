import Coding
import Columns
import Diagnostics
import Storage

/// The pairs of an import, outside memory, until all are known to fit together.
final class CollectedPairs {
    private let file: String
    private let builder = CoefficientTableBuilder()
    private let keys = ScratchColumn<ContentKey>()
    private let labels = ScratchColumn<Int8>()
    private let differences = ScratchColumn<Float>()
    private let reversed = ScratchColumn<Float>()
    /// Of the rows of the builder's responses.
    private let rewards = ScratchColumn<Float>()
    private let lines = ScratchColumn<Int>()
    /// What the first pair has, and all must have.
    private var columns: Columns?

    private struct Columns: Equatable {
        let texts: Bool
        let label: Bool
        let reversed: Bool
        let rewards: Bool

        init(_ pair: ImportedPair) {
            (texts, label) = (pair.content != nil, pair.label != nil)
            (reversed, rewards) = (pair.reversed != nil, pair.rewards != nil)
        }

        var text: String {
            let held = [(texts, "texts"), (label, "a label"), (reversed, "both orders"), (rewards, "rewards")]
            let names = held.filter(\.0).map(\.1)
            return names.isEmpty ? "a key and a difference alone" : names.joined(separator: ", ")
        }
    }

    init(file: String) { self.file = file }

    /// - Throws: `RDOError.data` when the pair has other columns than the first one, or a response another reward than before.
    func append(_ pair: ImportedPair, line: Int) throws {
        let own = Columns(pair)
        let expected = columns ?? own
        columns = expected
        guard own == expected else {
            throw RDOError(
                .data, "the row has \(own.text), line \(lines[0]) has \(expected.text)", at: "\(file):\(line)",
                remedy: "import rows of one kind at a time, and merge the files if they are of one judge")
        }
        if let content = pair.content {
            let rows = try builder.append(
                key: pair.key, label: pair.label ?? 1, queryKey: content.queryKey, query: content.query,
                first: .init(text: content.first.text, tokenCount: content.first.tokens),
                second: .init(text: content.second.text, tokenCount: content.second.tokens))
            if let values = pair.rewards {
                while rewards.count < builder.responseCount { try rewards.append(.nan) }
                for (row, value) in [(rows.first, values.first), (rows.second, values.second)] {
                    guard rewards[row].isNaN || rewards[row] == value else {
                        throw RDOError(
                            .data, "a response has the reward \(value), and \(rewards[row]) before",
                            at: "\(file):\(line)", remedy: "a pointwise judge gives a response one value")
                    }
                    try rewards.replace(row, with: value)
                }
            }
        }
        try keys.append(pair.key)
        try labels.append(pair.label ?? 0)
        try differences.append(pair.difference)
        if let value = pair.reversed { try reversed.append(value) }
        try lines.append(line)
    }

    /// - Throws: `RDOError.data` when two lines judge one pair differently.
    func contents(_ provenance: Provenance) throws -> CoefficientContents {
        let hasReversed = columns?.reversed == true
        _ = try KeyIndex(keys) { earlier, row in
            let isSame =
                differences[earlier] == differences[row] && (!hasReversed || reversed[earlier] == reversed[row])
            guard !isSame else { return }
            throw RDOError(
                .data,
                "the pair of line \(lines[earlier]) again, with \(differences[row]) instead of "
                    + "\(differences[earlier])", at: "\(file):\(lines[row])", remedy: "leave one of them")
        }
        let hasTexts = columns?.texts == true
        return CoefficientContents(
            scorer: columns?.rewards == true ? "reward" : "difference", provenance: provenance, keys: Rows(keys),
            tables: hasTexts ? builder.tables : nil, labels: !hasTexts && columns?.label == true ? Rows(labels) : nil,
            differences: differences, reversed: hasReversed ? reversed : nil,
            rewards: columns?.rewards == true ? rewards : nil)
    }
}
