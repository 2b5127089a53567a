import Diagnostics

/// Texts whose likelihood is measured: rows `{text}`, or preference data, whose chosen responses count.
package enum TextCorpus {
    /// The rows of a file as token ids. A text's responses are its pieces, as long as the plan allows, each after BOS (or EOS,
    /// where the tokenizer has no BOS) alone; it has no EOS of its own.
    ///
    /// - Parameter rules: of rows without `text`.
    /// - Throws: `RDOError.data` when the file cannot be read, a row is bad or there is none.
    package static func examples(
        of path: String, _ plan: TokenizationPlan, _ rules: RowRules
    ) throws -> [TokenizedExample] {
        let lines = try LineReader(path: path, limit: rules.maxBytes)
        let parser = try RowParser(file: path, rules, linesBefore: 0)
        var examples: [TokenizedExample] = []
        while let line = try lines.next() {
            if line.isBlank { continue }
            do throws(BadRow) { examples.append(try example(of: line, parser, plan)) } catch {
                throw RDOError(
                    .data, error.reason, at: error.place,
                    remedy: "rows are {\"text\": …}, or preference data (docs/data.md)")
            }
        }
        guard !examples.isEmpty else {
            throw RDOError(.data, "the file has no rows", at: path, remedy: "name a file with texts")
        }
        return examples
    }

    private static func example(
        of line: LineReader.Line, _ parser: RowParser, _ plan: TokenizationPlan
    ) throws(BadRow) -> TokenizedExample {
        func bad(_ error: RowError) -> BadRow {
            BadRow(file: parser.file, line: line.number, column: error.column, reason: error.reason)
        }
        do throws(RowError) {
            let row = try JSONRow(line, parser.file, parser.rules)
            if row.has("text") { return try plan.pieces(of: row.string("text"), row: line.number - 1) }
        } catch { throw bad(error) }
        guard var record = try parser.parse(line)?.get() else { throw bad(RowError("empty row")) }
        record.responses = record.responses(chosen: true)
        record.scores = nil
        guard !record.responses.isEmpty else { throw bad(RowError("the row has no response that it prefers")) }
        return try plan.example(of: record)
    }
}

extension TokenizationPlan {
    fileprivate func pieces(of text: String, row: Int) throws(RowError) -> TokenizedExample {
        let ids = try ids(of: text)
        if ids.isEmpty { throw RowError("the text has no tokens") }
        let length = maxTokens - 1
        let pieces = stride(from: 0, to: ids.count, by: length).map { Array(ids[$0..<min($0 + length, ids.count)]) }
        return TokenizedExample(
            row: row, kind: .list, prompt: [bosTokenID ?? eosTokenID], responses: pieces,
            truncatedResponses: pieces.map { _ in true }, isPromptTruncated: false, promptText: "",
            responseTexts: pieces.map { _ in "" })
    }
}
