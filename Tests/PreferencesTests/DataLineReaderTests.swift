import Diagnostics
import Foundation
import Preferences
import TestSupport
import Testing

@Suite struct DataLineReaderTests {
    let directory: DataDirectory

    init() throws { directory = try DataDirectory() }

    /// By number from 1; "" for those that the reader passes over.
    private func lines(_ path: String) throws -> [String?] {
        let reader = try LineReader(path: path)
        var lines: [String?] = []
        while let line = try reader.next() {
            #expect(line.number > lines.count)
            lines += [String?](repeating: "", count: line.number - 1 - lines.count)
            lines.append(line.text)
        }
        lines += [String?](repeating: "", count: reader.lineNumber - lines.count)
        #expect(try LineReader.lineCount(path) == lines.count)
        return lines
    }

    @Test func lineEndsOfAllSorts() throws {
        let path = try directory.write(Array("\u{FEFF}a\r\n\nb\rc\r\n\r\n\u{FEFF}d".utf8))
        #expect(try lines(path) == ["a", "", "b\rc", "", "\u{FEFF}d"])
        #expect(try lines(try directory.write([UInt8](), as: "empty")) == [])
        #expect(try lines(try directory.write(["only"], as: "one")) == ["only"])
    }

    @Test func emptyLinesAreCountedWhereverTheFileIsCut() throws {
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<50 {
            let texts = (0..<Int.random(in: 1...30, using: &generator)).map { number in
                Bool.random(using: &generator) ? "" : "\(number)" + (Bool.random(using: &generator) ? "\r" : "")
            }
            let path = try directory.write(texts)
            for parts in [1, 2, 3, 7] {
                var (found, first) = ([Int: String](), 1)
                for var portion in try FilePortion.portions(of: path, count: parts, lineCount: LineReader.lineCount) {
                    portion.firstLine = first
                    try portion.forEachLine { line in
                        #expect(found[line.number] == nil)
                        found[line.number] = line.text
                    }
                    first += try portion.lineCount()
                }
                #expect(first - 1 == texts.count)
                let kept = texts.enumerated().filter { !$1.isEmpty }
                #expect(found == Dictionary(uniqueKeysWithValues: kept.map { ($0 + 1, $1.filter { $0 != "\r" }) }))
            }
        }
    }

    @Test func linesOfAnyLength() throws {
        // Around and far beyond the size of a chunk.
        let lengths = [0, 1, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 3_000_000, 5]
        let path = try directory.write(lengths.map { String(repeating: "é", count: $0 / 2) })
        #expect(try lines(path).map { $0?.utf8.count } == lengths.map { $0 / 2 * 2 })
        #expect(try lines(try directory.gzip(path)) == lines(path))
    }

    @Test func invalidUTF8IsToldFromText() throws {
        let path = try directory.write(Array("ok\n".utf8) + [0x61, 0xFF, 0x0A] + Array("ok".utf8))
        #expect(try lines(path) == ["ok", nil, "ok"])
    }

    @Test func gzipMembersFollowEachOther() throws {
        let first = try Data(contentsOf: URL(fileURLWithPath: directory.gzip(directory.write(["a", "b"], as: "1"))))
        let second = try Data(contentsOf: URL(fileURLWithPath: directory.gzip(directory.write(["c"], as: "2"))))
        #expect(try lines(try directory.write(Array(first + second), as: "both.jsonl.gz")) == ["a", "b", "c"])
    }

    @Test func damagedGzipIsAnErrorWhereverItIsCut() throws {
        var generator = SeededGenerator(seed: 1)
        let text = (0..<2000).map { _ in randomText(length: 0...40, using: &generator) }
        let whole = try Data(contentsOf: URL(fileURLWithPath: directory.gzip(directory.write(text))))
        for count in [0, 1, 2, 5, 12, 100, whole.count / 2, whole.count - 8, whole.count - 4, whole.count - 1] {
            let path = try directory.write(Array(whole.prefix(count)), as: "cut.jsonl.gz")
            let error = #expect(throws: RDOError.self, "cut to \(count) bytes") { _ = try lines(path) }
            #expect(error?.kind == .data)
            #expect(error?.place == path)
        }
        // A flipped bit in the data and one in the checksum.
        for position in [whole.count / 2, whole.count - 6] {
            var bytes = Array(whole)
            bytes[position] ^= 0x10
            let path = try directory.write(bytes, as: "flipped.jsonl.gz")
            #expect(throws: RDOError.self, "byte \(position)") { _ = try lines(path) }
        }
    }

    @Test func unreadableFilesAreNamed() throws {
        let plain = try directory.write(["{}"], as: "plain.jsonl.gz")
        for path in [directory.path + "/absent.jsonl", directory.path, plain] {
            let error = #expect(throws: RDOError.self) { _ = try lines(path) }
            #expect(error?.kind == .data)
            #expect(error?.place == path)
        }
    }
}
