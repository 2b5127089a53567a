import Coding
import Diagnostics

/// One row of a file of responses: a query and what a policy said to it.
package struct ResponseRow: Sendable {
    /// Counted from 1.
    package let line: Int
    /// A text without turns is the only message of a user.
    package let query: [ChatMessage]
    /// At least one; empty texts are responses too.
    package let responses: [String]

    /// The query as one text: that of the only message, or the turns with their roles.
    package var text: String {
        if query.count == 1, query[0].role == .user { return query[0].content }
        return query.map { "\($0.role.rawValue): \($0.content)" }.joined(separator: "\n\n")
    }

    /// Of the query, byte by byte.
    package var key: Digest {
        let digest = DigestStream()
        for message in query {
            digest.update(message.role.rawValue)
            digest.update(message.content)
        }
        return digest.digest
    }
}

/// Responses of a policy in the form of lists, JSONL, plain or .gz: `{query, prompt or messages, responses[]}`;
/// other fields are not read.
package enum ResponseFile {
    /// - Throws: `RDOError.data` naming file and line of the first row that cannot be used, or when there is none.
    package static func read(_ path: String) throws -> [ResponseRow] {
        let lines = try LineReader(path: path)
        var rows: [ResponseRow] = []
        while let line = try lines.next() {
            if line.bytes.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }) { continue }
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
        let row = try JSONRow(line, file: path)
        let query: [ChatMessage]
        if let chat = ["messages", "prompt"].first(where: row.isArray) {
            query = try ChatFormat.messages(row, chat)
        } else {
            query = [ChatMessage(role: .user, content: try row.string(row.has("query") ? "query" : "prompt"))]
        }
        if query.allSatisfy({ $0.content.isBlank }) { throw RowError("empty query") }
        let responses = try row.strings("responses")
        if responses.isEmpty { throw RowError("no response") }
        return ResponseRow(line: line.number, query: query, responses: responses)
    }
}
