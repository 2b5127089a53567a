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

/// A query and what a policy answered: a row `{query, prompt or messages, responses[]}` of a response file, as `rdo generate`
/// writes it, with `ends[]` where it is known how each response ended. Responses may be empty, and equal.
package struct PolicyResponses: Sendable {
    package let record: PreferenceRecord
    /// One for each response; nil where it is not known.
    package let ends: [ResponseEnd?]

    /// All rows of a file.
    ///
    /// - Throws: `RDOError.data` when the file cannot be read, has no rows, or a row is bad.
    package static func read(_ path: String) throws -> [PolicyResponses] {
        let lines = try LineReader(path: path)
        var rows: [PolicyResponses] = []
        while let line = try lines.next() {
            if line.isBlank { continue }
            do throws(RowError) {
                rows.append(try PolicyResponses(JSONRow(line, file: path)))
            } catch {
                throw RDOError(
                    .data, error.reason, at: "\(path):\(line.number)",
                    remedy: "a row of a response file is {\"query\": …, \"responses\": […]} (docs/evaluating.md)")
            }
        }
        guard !rows.isEmpty else {
            throw RDOError(.data, "the file has no rows", at: path, remedy: "name a file with responses")
        }
        return rows
    }

    private init(_ row: JSONRow) throws(RowError) {
        var record = try PromptParser.query(row)
        record.row = record.line - 1
        record.responses = try row.strings("responses")
        if record.responses.isEmpty { throw RowError("no responses") }
        self.record = record
        guard row.has("ends") else {
            ends = record.responses.map { _ in nil }
            return
        }
        let ends = try row.stringsOrNulls("ends")
        guard ends.count == record.responses.count else { throw RowError("responses and ends differ in number") }
        self.ends = try ends.map { end throws(RowError) in
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
    var isBlank: Bool { bytes.allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") } }
}

extension PreferenceRecord {
    /// What makes two rows ask the same: the text, or the turns of a chat with their roles.
    package var queryDigest: Digest {
        let stream = DigestStream()
        guard let messages else {
            stream.update(prompt)
            return stream.digest
        }
        for message in messages {
            for text in [message.role.rawValue, message.content] { stream.update("\(text.utf8.count) \(text)") }
        }
        return stream.digest
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
