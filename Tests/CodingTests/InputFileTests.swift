import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Coding

@Suite("Input files") struct InputFileTests {
    /// What stands in the place of a file and cannot be read as one.
    enum Unreadable: CaseIterable {
        case directory, pipe, device, linkToItself

        func put(at path: String) throws {
            switch self {
            case .directory: try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            case .pipe: try #require(mkfifo(path, 0o600) == 0)
            case .device: try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/dev/zero")
            case .linkToItself: try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: path)
            }
        }
    }

    private func lines(_ path: String, limit: Int = 1 << 28) throws -> [InputFile.Line] {
        var lines: [InputFile.Line] = []
        try InputFile.forEachLine(of: path, limit: limit) { lines.append($0) }
        return lines
    }

    @Test func onlyWhatIsAbsentIsAbsent() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("x", to: "file")
        for path in [
            directory.path + "/none", file + "/below", directory.path + "/" + String(repeating: "a", count: 5000),
        ] {
            #expect(try !InputFile.exists(path))
            #expect(try InputFile.contents(of: path) == nil)
            #expect(try InputFile.text(of: path) == nil)
            #expect(try InputFile.memory([Int].self, in: path) == nil)
            #expect(try lines(path).isEmpty)
        }
    }

    @Test(arguments: Unreadable.allCases) func whatCannotBeReadIsAnError(_ kind: Unreadable) throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/file"
        try kind.put(at: path)
        let readers: [() throws -> Void] = [
            { _ = try InputFile.exists(path) }, { _ = try InputFile.contents(of: path) },
            { _ = try InputFile.text(of: path) }, { _ = try InputFile.memory([Int].self, in: path) },
            { _ = try lines(path) },
        ]
        for reader in readers {
            let error = #expect(throws: RDOError.self) { try reader() }
            #expect(error?.kind == .artefact && error?.place == path)
        }
        let usage = #expect(throws: RDOError.self) { try InputFile.text(of: path, .usage) }
        #expect(usage?.kind == .usage)
    }

    /// Said of every file that is read as a whole, before anybody takes the pointer for damaged content.
    @Test func pointersOfGitLFS() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("version https://git-lfs.github.com/spec/v1\n", to: "tokenizer.model")
        for reader: () throws -> Void in [
            { _ = try InputFile.contents(of: path) }, { _ = try InputFile.text(of: path) },
            { _ = try InputFile.object(in: path) },
        ] {
            let error = #expect(throws: RDOError.self) { try reader() }
            #expect(error?.what == GitLFSPointer.what && error?.remedy?.contains("git lfs pull") == true)
            #expect(error?.kind == .artefact && error?.place == path)
        }
    }

    /// Without a mark the bytes are UTF-8 too: characters with zeros between them.
    @Test(arguments: [
        (String.Encoding.utf16LittleEndian, [], "utf-16le"), (.utf16BigEndian, [], "utf-16be"),
        (.utf16LittleEndian, [0xFF, 0xFE], "utf-16"), (.utf16BigEndian, [0xFE, 0xFF], "utf-16"),
    ]) func textsInUTF16(_ encoding: String.Encoding, _ mark: [UInt8], _ name: String) throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/file"
        let bytes = mark + [UInt8](try #require(#"{"a": "é"}"#.data(using: encoding)))
        try Data(bytes).write(to: URL(ofFile: path))
        for reader: () throws -> Void in [
            { _ = try InputFile.text(of: path) }, { _ = try InputFile.object(in: path) },
            { _ = try JSONField(parsing: bytes, file: path) },
        ] {
            let error = #expect(throws: RDOError.self) { try reader() }
            #expect(error?.what.contains("text in UTF-16, not UTF-8") == true)
            #expect(error?.remedy?.contains("iconv -f \(name) -t utf-8 \(path)") == true)
        }
    }

    @Test func tooLargeFilesAreNotRead() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("123456", to: "file")
        #expect(try InputFile.contents(of: path, limit: 6)?.count == 6)
        #expect(throws: RDOError(.data, "the file has 6 bytes; at most 5 are read", at: path)) {
            try InputFile.contents(of: path, limit: 5, .data)
        }
        // A hole takes no room.
        #expect(truncate(path, 2 << 30) == 0)
        #expect(throws: RDOError.self) { try InputFile.text(of: path) }
        let error = #expect(throws: RDOError.self) { try lines(path, limit: 1 << 20) }
        #expect(error?.place == path + ":1")
    }

    @Test func textIsUTF8() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("\u{FEFF}é\n", to: "file")
        #expect(try InputFile.text(of: path) == "é\n")
        try Data([0x61, 0xFF]).write(to: URL(fileURLWithPath: path))
        #expect(throws: RDOError(.usage, "the letter is not UTF-8 text", at: path)) {
            try InputFile.text(of: path, called: "the letter", .usage)
        }
    }

    @Test func memoryThatSaysSomethingElseIsNone() throws {
        let directory = try TemporaryDirectory()
        #expect(try InputFile.memory([Int].self, in: directory.write("[1, 2]", to: "a")) == [1, 2])
        for text in ["", "[1, 2", "{}", "\0\0"] {
            #expect(try InputFile.memory([Int].self, in: directory.write(text, to: "a")) == nil)
        }
    }

    @Test func linesSayWhetherTheyEnd() throws {
        let directory = try TemporaryDirectory()
        // Longer than what is read at once.
        let long = String(repeating: "x", count: 700_000)
        let found = try lines(directory.write("a\n\n\(long)\nb", to: "file"))
        #expect(found.map(\.bytes) == ["a", "", long, "b"].map { Array($0.utf8) })
        #expect(found.map(\.number) == [1, 2, 3, 4] && found.map(\.isWhole) == [true, true, true, false])
        #expect(try lines(directory.write("", to: "file")).isEmpty)
        #expect(try lines(directory.write("a\n", to: "file")).map(\.isWhole) == [true])
    }

    @Test func anEmptyPlaceIsShown() {
        #expect(RDOError(.data, "no such file", at: "").description == "\"\": no such file")
        #expect(RDOError(.data, "no such file").description == "no such file")
    }
}
