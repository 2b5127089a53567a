import Coding
import Diagnostics

/// How a response came to its end.
package enum ResponseEnd: String, Sendable, CaseIterable {
    /// The policy ended it.
    case eos
    /// The limit of tokens.
    case length
    /// A stop string.
    case stop
}

/// One row of a file of responses: a query and what a policy said to it.
package struct ResponseRow: Sendable {
    /// The query with its responses, at least one; empty texts are responses too, and so are equal ones.
    package let record: PreferenceRecord
    /// One for each response; nil where it is not known.
    package let ends: [ResponseEnd?]

    /// Counted from 1.
    package var line: Int { record.line }
    package var responses: [String] { record.responses }
    /// A text without turns is the only message of a user.
    package var query: [ChatMessage] { record.turns }

    /// The query as one text: that of the only message, or the turns with their roles.
    package var text: String {
        if query.count == 1, query[0].role == .user { return query[0].content }
        return query.map { "\($0.role.rawValue): \($0.content)" }.joined(separator: "\n\n")
    }

    /// Of the query, byte by byte.
    package var key: Digest { record.queryDigest }
}

/// Responses of a policy in the form of lists, JSONL, plain or .gz: `{query, prompt or messages, responses[]}`, and `ends[]`
/// where it is known how each response ended; other fields are not read.
package enum ResponseFile {
    /// - Throws: `RDOError.data` naming file and line of the first row that cannot be used, or when there is none.
    package static func read(_ path: String) throws -> [ResponseRow] {
        let lines = try LineReader(path: path)
        var rows: [ResponseRow] = []
        while let line = try lines.next() {
            if line.isBlank { continue }
            do throws(RowError) { rows.append(try row(line, of: path)) } catch {
                throw RDOError(
                    .data, error.reason, at: "\(path):\(line.number)",
                    remedy: "rows are {\"query\": text, \"responses\": [texts]}, or with messages instead of query")
            }
        }
        guard !rows.isEmpty else { throw RDOError(.data, "the file has no rows", at: path) }
        return rows
    }

    private static func row(_ line: LineReader.Line, of path: String) throws(RowError) -> ResponseRow {
        let row = try JSONRow(line, path, RowRules())
        let chat = ["messages", "prompt"].first(where: row.isArray)
        let messages = if let chat { try ChatFormat.messages(row, chat) } else { [ChatMessage]?.none }
        let prompt =
            if let messages { ChatFormat.text(of: messages) } else {
                try row.string(row.has("query") ? "query" : "prompt")
            }
        if prompt.isBlank { throw RowError("empty query") }
        let responses = try row.strings("responses")
        if responses.isEmpty { throw RowError("no response") }
        return ResponseRow(
            record: PreferenceRecord(
                file: path, line: line.number, row: line.number - 1, kind: .list, prompt: prompt, messages: messages,
                responses: responses),
            ends: try ends(row, of: responses))
    }

    private static func ends(_ row: JSONRow, of responses: [String]) throws(RowError) -> [ResponseEnd?] {
        guard row.has("ends") else { return responses.map { _ in nil } }
        let ends = try row.stringsOrNulls("ends")
        guard ends.count == responses.count else { throw RowError("responses and ends differ in number") }
        return try ends.map { end throws(RowError) in
            guard let end else { return nil }
            guard let known = ResponseEnd(rawValue: end) else {
                throw RowError("field \"ends\" has \"\(end)\", which is none of eos, length and stop")
            }
            return known
        }
    }
}

extension LineReader.Line {
    /// Nothing but white space.
    var isBlank: Bool { !isTooLong && bytes.allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") } }
}

extension PreferenceRecord {
    /// A text without turns is the only message of a user.
    fileprivate var turns: [ChatMessage] { messages ?? [ChatMessage(role: .user, content: prompt)] }

    /// What makes two rows ask the same, byte by byte: the turns with their roles.
    package var queryDigest: Digest {
        let digest = DigestStream()
        for message in turns {
            digest.update(message.role.rawValue)
            digest.update(message.content)
        }
        return digest.digest
    }

    /// The responses that the row prefers, or those that it does not: chosen or rejected, of a list the one with the greatest or
    /// the least score, of a labelled response that one where the label agrees.
    package func responses(chosen: Bool) -> [String] {
        switch kind {
        case .pair: return [responses[chosen ? 0 : 1]]
        case .list:
            let scores = scores ?? []
            guard let end = chosen ? scores.max() : scores.min(), let place = scores.firstIndex(of: end) else {
                return []
            }
            return [responses[place]]
        case .unpaired: return label == chosen ? responses : []
        }
    }
}
