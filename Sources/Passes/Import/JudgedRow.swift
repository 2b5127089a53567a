import Coding
import Diagnostics
import Preferences
import Storage

/// A row of preference data with somebody's judgements: what it says beside the texts that every reader knows.
struct JudgedRow {
    private let row: JSONValue
    private let fields: JudgementFields
    private let file: String
    private let line: Int

    /// - Throws: `BadRow` when the line is no JSON object.
    init(_ line: LineReader.Line, of file: String, _ fields: JudgementFields) throws(BadRow) {
        (self.fields, self.file, self.line) = (fields, file, line.number)
        guard let row = try? JSONParser.parse(file: line.bytes), row.isObject else {
            throw BadRow(file: file, line: line.number, reason: "not a JSON object")
        }
        self.row = row
    }

    /// The pairs of the row: one, or of a list whose scores are the judgements every two responses.
    ///
    /// - Parameters:
    ///   - parsed: the row as preference data.
    ///   - plan: makes the keys; nil where the row states them.
    /// - Throws: `BadRow` when it is not what it should be.
    func pairs(
        _ parsed: Result<PreferenceRecord, BadRow>, _ plan: TokenizationPlan?
    ) throws(BadRow) -> [ImportedPair] {
        let isUntitled = plan == nil && row["key"] != nil && row["chosen"] == nil && row["responses"] == nil
        if isUntitled { return [try untitled()] }
        let record = try parsed.get()
        guard record.responses.count >= 2 else { throw bad("one response only") }
        guard let plan else { return [try keyed(record)] }
        let example = try plan.example(of: record)
        guard record.kind == .list && !hasJudgement else { return [try judged(record, example)] }
        guard let scores = record.scores else { throw missing }
        return try scored(record, example, scores)
    }

    // MARK: - Kinds of rows

    /// A key and numbers alone.
    private func untitled() throws(BadRow) -> ImportedPair {
        guard let key = try self.key("key") else { throw bad("missing field \"key\"") }
        let (difference, reversed, _) = try judgement(isTurned: false)
        var label: Int8?
        if let value = row["label"] {
            guard let number = value.integer, (-1...1).contains(number) else {
                throw bad("field \"label\" is not 1, -1 or 0")
            }
            label = Int8(number)
        }
        return ImportedPair(
            key: key, content: nil, label: label, difference: difference, reversed: reversed, rewards: nil)
    }

    /// Texts with the keys that the row states.
    private func keyed(_ record: PreferenceRecord) throws(BadRow) -> ImportedPair {
        guard let key = try self.key("key"), let query = try self.key("query_key"), let tokens = try tokens() else {
            throw bad("the row does not state its key, query_key and tokens: name the policy with --model")
        }
        guard record.responses.count == 2 else { throw bad("a list needs --model") }
        let (first, second) = try order(record)
        return try pair(
            key, record, query: query, (first, tokens[first]), (second, tokens[second]), label: label(record))
    }

    /// Two responses and a judgement.
    private func judged(_ record: PreferenceRecord, _ example: TokenizedExample) throws(BadRow) -> ImportedPair {
        guard record.responses.count == 2 else { throw bad("a judgement of two responses in a list of more") }
        let (first, second) = try order(record)
        let made = example.pairKey(first, second)
        if let stated = try self.key("key"), stated != made {
            throw bad("the row's key is not that of its texts with this model, template and limits")
        }
        return try pair(
            made, record, query: .query(example.prompt), (first, example.responses[first].count),
            (second, example.responses[second].count), label: label(record))
    }

    /// A list whose scores are the judgements.
    private func scored(
        _ record: PreferenceRecord, _ example: TokenizedExample, _ scores: [Double]
    ) throws(BadRow) -> [ImportedPair] {
        guard scores.allSatisfy({ Float($0).isFinite }) else { throw bad("field \"scores\" is not numbers of 32 bits") }
        return example.comparisons.map { first, second in
            let rewards = (first: Float(scores[first]), second: Float(scores[second]))
            return ImportedPair(
                key: example.pairKey(first, second),
                content: ImportedPair.Content(
                    queryKey: .query(example.prompt), query: record.prompt,
                    first: (record.responses[first], example.responses[first].count),
                    second: (record.responses[second], example.responses[second].count)),
                label: scores[first] > scores[second] ? 1 : scores[first] < scores[second] ? -1 : 0,
                difference: rewards.first - rewards.second, reversed: nil, rewards: rewards)
        }
    }

    private typealias Place = (response: Int, tokens: Int)

    private func pair(
        _ key: ContentKey, _ record: PreferenceRecord, query: ContentKey, _ first: Place, _ second: Place, label: Int8
    ) throws(BadRow) -> ImportedPair {
        let (difference, reversed, rewards) = try judgement(isTurned: first.response == 1)
        return ImportedPair(
            key: key,
            content: ImportedPair.Content(
                queryKey: query, query: record.prompt, first: (record.responses[first.response], first.tokens),
                second: (record.responses[second.response], second.tokens)),
            label: label, difference: difference, reversed: reversed, rewards: rewards)
    }

    // MARK: - Fields

    private func bad(_ reason: String) -> BadRow { BadRow(file: file, line: line, reason: reason) }

    private var missing: BadRow {
        bad("missing field \"\(fields.difference)\": --field or --rewards names what says how much better chosen is")
    }

    private var reversedName: String { fields.difference + "_reversed" }

    private var hasJudgement: Bool {
        let names = [fields.difference, reversedName, "rewards", fields.rewards?.chosen].compactMap {
            $0
        }
        return names.contains { row[$0] != nil }
    }

    /// Which of the two responses is stored first.
    private func order(_ record: PreferenceRecord) throws(BadRow) -> (first: Int, second: Int) {
        switch row["first"]?.text {
        case "rejected"? where record.kind == .pair: return (1, 0)
        case "chosen"? where record.kind == .pair: return (0, 1)
        default:
            guard row["first"] == nil else { throw bad("field \"first\" is neither \"chosen\" nor \"rejected\"") }
            return (0, 1)
        }
    }

    private func label(_ record: PreferenceRecord) throws(BadRow) -> Int8 {
        guard let scores = record.scores else { return try order(record).first == 0 ? 1 : -1 }
        return scores[0] > scores[1] ? 1 : scores[0] < scores[1] ? -1 : 0
    }

    private func key(_ name: String) throws(BadRow) -> ContentKey? {
        guard let value = row[name] else { return nil }
        guard let digest = value.text.flatMap({ Digest(hex: $0) }) else {
            throw bad("field \"\(name)\" is not 32 hexadecimal digits")
        }
        return ContentKey(digest)
    }

    /// Of chosen and rejected, or of both responses of a list.
    private func tokens() throws(BadRow) -> [Int]? {
        guard let value = row["tokens"] else { return nil }
        guard let counts = value.elements(\.integer), counts.count == 2,
            counts.allSatisfy({ (0...1 << 30).contains($0) })
        else { throw bad("field \"tokens\" is not two numbers of tokens") }
        return counts
    }

    /// In the stored order; `isTurned` when rejected is stored first.
    private func judgement(
        isTurned: Bool
    ) throws(BadRow) -> (difference: Float, reversed: Float?, rewards: (first: Float, second: Float)?) {
        let rewards = try rewards().map { isTurned ? ($0.rejected, $0.chosen) : ($0.chosen, $0.rejected) }
        if let rewards, fields.rewards != nil || row[fields.difference] == nil && row[reversedName] == nil {
            return (rewards.0 - rewards.1, nil, rewards)
        }
        let forward = try number(fields.difference)
        let backward = try number(reversedName)
        var (first, second) = isTurned ? (backward, forward) : (forward, backward)
        if first == nil {
            // One order alone: the other one is its negative.
            guard let other = second else { throw missing }
            (first, second) = (-other, nil)
        }
        guard let first else { throw missing }
        // The two rewards may have been computed in other batches than this difference.
        if let rewards, !isRounding(first, rewards.0 - rewards.1) {
            throw bad("field \"\(fields.difference)\" is not the difference of the rewards")
        }
        return (first, second, rewards)
    }

    private func rewards() throws(BadRow) -> (chosen: Float, rejected: Float)? {
        if let names = fields.rewards {
            guard let chosen = try number(names.chosen), let rejected = try number(names.rejected) else {
                throw bad("missing field \"\(row[names.chosen] == nil ? names.chosen : names.rejected)\"")
            }
            return (chosen, rejected)
        }
        guard let value = row["rewards"] else { return nil }
        guard let numbers = value.elements(\.double), numbers.count == 2, numbers.allSatisfy({ Float($0).isFinite })
        else { throw bad("field \"rewards\" is not two numbers of 32 bits") }
        return (Float(numbers[0]), Float(numbers[1]))
    }

    private func number(_ name: String) throws(BadRow) -> Float? {
        guard let value = row[name] else { return nil }
        guard let number = value.double, Float(number).isFinite else {
            throw bad("field \"\(name)\" is not a number of 32 bits")
        }
        return Float(number)
    }
}
