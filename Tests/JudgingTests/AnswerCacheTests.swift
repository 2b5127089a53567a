import Coding
import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Judging

@Suite struct AnswerCacheTests {
    private static let key = String(repeating: "0a", count: 16)

    private func error(_ text: String) throws -> RDOError? {
        let directory = try TemporaryDirectory()
        try directory.write(text, to: AnswerCache.fileName)
        return #expect(throws: RDOError.self) { try AnswerCache(in: directory.path, isReadOnly: false) }
    }

    @Test func aCutLastLineIsDropped() throws {
        for whole in [AnswerCache.header + "\n", ""] {
            let directory = try TemporaryDirectory()
            let path = try directory.write(whole + #"{"schema"#, to: AnswerCache.fileName)
            let cache = try AnswerCache(in: directory.path, isReadOnly: false)
            #expect(cache.note?.contains("cut short") == true)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == AnswerCache.header + "\n")
        }
    }

    @Test func damageWithinIsAnError() throws {
        let damaged = try error(AnswerCache.header + "\n\n{\"key\": \"\(Self.key)\"}\n")
        #expect(damaged?.kind == .artefact && damaged?.place?.hasSuffix("/answers.jsonl:3") == true)
        for foreign in ["something else\n", "something else", "{}\n\(AnswerCache.header)\n"] {
            #expect(try error(foreign)?.what == "the file is not one of rdo's answers")
        }
        let directory = try TemporaryDirectory()
        #expect(mkfifo(directory.path + "/" + AnswerCache.fileName, 0o600) == 0)
        let unreadable = #expect(throws: RDOError.self) { try AnswerCache(in: directory.path, isReadOnly: true) }
        #expect(unreadable?.kind == .artefact && unreadable?.what.contains("a pipe") == true)
    }
}
