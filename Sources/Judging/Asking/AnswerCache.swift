import Coding
import Diagnostics
import Foundation
import Storage
import Synchronization
import Training

/// Every answer that was ever paid for, in `answers.jsonl`: appended as it comes, found again by its question.
final class AnswerCache: Sendable {
    /// One line.
    private struct Line: Codable {
        let key: String
        let judge: String
        let model: String
        let reply: ChatReply
    }

    private struct Contents {
        var replies: [Digest: ChatReply] = [:]
        let file: AppendedFile?
    }

    static let fileName = "answers.jsonl"
    static let header = #"{"schema":"rdo.answers/1"}"#

    private let path: String
    private let contents: Mutex<Contents>
    /// What was said of a line that a kill cut short.
    let note: String?

    /// - Parameter isReadOnly: leaves a file as it is, and makes none.
    /// - Throws: `RDOError.artefact` for a damaged or foreign file, `.usage` when it cannot be written.
    init(in directory: String, isReadOnly: Bool) throws {
        path = directory + "/" + Self.fileName
        let (replies, note) = try Self.read(path, mends: !isReadOnly)
        self.note = note
        let isNew = replies == nil
        let file = isReadOnly ? nil : try AppendedFile(path: path)
        if isNew { try file?.append(Array((Self.header + "\n").utf8)) }
        contents = Mutex(Contents(replies: replies ?? [:], file: file))
    }

    subscript(_ question: Digest) -> ChatReply? { contents.withLock { $0.replies[question] } }

    /// Keeps an answer: it is in the file when this returns.
    /// - Throws: `RDOError.usage` when the disk is full or gone.
    func add(_ reply: ChatReply, to question: Digest, of judge: JudgeSettings) throws {
        let line = Line(key: question.hex, judge: judge.name, model: judge.model, reply: reply)
        let bytes = Array(try JSONLinesEncoder.line(line).utf8)
        try contents.withLock { contents in
            try contents.file?.append(bytes)
            contents.replies[question] = reply
        }
    }

    /// - Returns: nil replies where there is no file, or one that was killed before its first line was whole.
    private static func read(
        _ path: String, mends: Bool
    ) throws -> (replies: [Digest: ChatReply]?, note: String?) {
        var (replies, note, whole): ([Digest: ChatReply]?, String?, Int) = (nil, nil, 0)
        let decoder = JSONDecoder()
        try InputFile.forEachLine(of: path) { text in
            guard text.isWhole else {
                // A kill during the first write leaves a part of the header; anything else without a line end is not ours.
                guard replies != nil || header.utf8.starts(with: text.bytes) else { throw foreign(path) }
                note = "\(path): the last line was cut short by a kill and is dropped"
                return
            }
            whole += text.bytes.count + 1
            if text.bytes.isEmpty { return }
            if replies == nil {
                guard text.bytes.elementsEqual(header.utf8) else { throw foreign(path) }
                replies = [:]
                return
            }
            guard let line = try? decoder.decode(Line.self, from: Data(text.bytes)), let key = Digest(hex: line.key)
            else {
                throw RDOError(
                    .artefact, "the line is no answer", at: "\(path):\(text.number)",
                    remedy: "remove the line: its question is asked again")
            }
            replies?[key] = line.reply
        }
        if note != nil, mends, truncate(path, whole) != 0 {
            throw RDOError(.usage, "cannot write (\(String(cString: strerror(errno))))", at: path)
        }
        return (replies, note)
    }

    private static func foreign(_ path: String) -> RDOError {
        RDOError(.artefact, "the file is not one of rdo's answers", at: path, remedy: "choose another directory")
    }
}

/// Values as lines of JSON, always in the same form.
enum JSONLinesEncoder {
    static func line(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
    }
}
