import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Training

@Suite struct EventFormatTests {
    /// RFC 3720, appendix B.4; the last is the check value of CRC catalogues.
    @Test func checksumsArePublishedOnes() {
        let ascending = (0..<32).map(UInt8.init)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(CRC32C.checksum(ascending) == 0x46DD_794E)
        #expect(CRC32C.checksum(ascending.reversed()) == 0x113F_DB5C)
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum([]) == 0)
        #expect(CRC32C.masked([]) == 0xA282_EAD8)
    }

    /// The examples of protobuf.dev's page on the encoding.
    @Test func fieldsArePublishedOnes() {
        #expect(ProtobufMessage { $0.append(1, 150) }.bytes == [0x08, 0x96, 0x01])
        #expect(ProtobufMessage { $0.append(2, "testing") }.bytes == [0x12, 0x07] + Array("testing".utf8))
        let nested = ProtobufMessage { $0.append(3, ProtobufMessage { $0.append(1, 150) }) }
        #expect(nested.bytes == [0x1A, 0x03, 0x08, 0x96, 0x01])
    }

    @Test(arguments: [
        (0, [0]), (1, [1]), (127, [0x7F]), (128, [0x80, 1]), (300, [0xAC, 2]), (16384, [0x80, 0x80, 1]),
    ])
    func varints(_ value: Int, _ bytes: [UInt8]) {
        #expect(ProtobufMessage { $0.append(1, value) }.bytes == [0x08] + bytes)
        // A field number beyond 15 takes two bytes of a tag.
        #expect(ProtobufMessage { $0.append(16, value) }.bytes == [0x80, 0x01] + bytes)
    }

    /// What the tensorboard package 2.21.0 writes of the same events (`EventFileWriter`'s `RecordWriter`).
    @Test(arguments: [
        (
            Event(wallTime: 1_700_000_000.25, step: 1, content: .fileVersion("brain.Event:2")),
            "1a00000000000000129bd82d0900001040fc54d94110011a0d627261696e2e4576656e743a323acb6b8d"
        ),
        (
            Event(wallTime: 1_700_000_000.5, step: 300, content: .sessionStart),
            "100000000000000095fbfe180900002040fc54d94110ac023a020801b94512a3"
        ),
        (
            Event(
                wallTime: 1_700_000_001.75, step: 300,
                content: .summary([.scalar(tag: "train/loss", 0.1), .scalar(tag: "test/accuracy", .nan)])),
            "3700000000000000e7e8ca590900007040fc54d94110ac022a290a110a0a747261696e2f6c6f737315cdcccc3d0a140a0d746573742f"
                + "6163637572616379150000c07f3788655a"
        ),
        (
            Event(wallTime: 1.5, step: 7, content: .summary([.histogram(tag: "train/margins", of: [2, 2, 2])])),
            "6100000000000000008f906409000000000000f83f10072a540a520a0d747261696e2f6d617267696e732a41090000000000000040110000"
                + "0000000000401900000000000008402100000000000018402900000000000028403208000000000000"
                + "00403a0800000000000008406a5a20a8"
        ),
    ]) func recordsAreTensorBoardsOwn(_ event: Event, _ hex: String) {
        #expect(TFRecord.bytes(of: event.message.bytes).map { String(format: "%02x", $0) }.joined() == hex)
    }
}

@Suite struct EventFileTests {
    private func events(_ directory: TemporaryDirectory) throws -> EventFiles {
        try EventFiles(directory.path + "/events")
    }

    private func write(
        _ directory: TemporaryDirectory, from start: Int, to end: Int, _ value: Double = 0.5,
        _ distributions: [Distribution] = []
    ) throws {
        let file = try EventFile(in: directory.path + "/events", from: start)
        for step in start..<end {
            try file.append([.step: step, .loss: value, .seconds: 0.25], distributions, step: step)
        }
    }

    @Test func tagsSayWhatAFigureIsOf() throws {
        let directory = try TemporaryDirectory()
        let file = try EventFile(in: directory.path + "/events", from: 0)
        var line: JSONLine = [.step: 3, .testExamples: 7.0]
        line.append([.loss: 0.1, .accuracy: nil, .margin: .infinity], prefix: JSONLine.heldOut)
        line.append("test_data", text: "abc")
        let before = Date().timeIntervalSince1970
        try file.append(line, step: 3)
        try file.append([.step: 4, .loss: 1.0, .tokens: 12, .mfu: 0.5], step: 4)
        let read = try events(directory)
        #expect(
            Set(read.scalars.keys)
                == ["test/examples", "test/loss", "test/margin", "train/loss", "train/tokens", "machine/mfu"])
        #expect(read.scalars["test/loss"]?.first?.value == Float(0.1))
        #expect(read.scalars["test/margin"]?.first?.value == .infinity)
        #expect(read.scalars["train/tokens"]?.map(\.step) == [4] && read.scalars["train/tokens"]?[0].value == 12)
        #expect(read.wallTimes.allSatisfy { (before - 60...before + 60).contains($0) })
    }

    /// A line that is read again gives the same figures.
    @Test func linesAreReadAgain() throws {
        var line: JSONLine = [.step: 3, .testExamples: 7.0]
        line.append([.loss: 0.1, .margin: .nan], prefix: JSONLine.heldOut)
        line.append("test_data", text: "abc")
        let again = try JSONLine(numbersOf: line.text)
        #expect(again.numbers.map(\.name) == line.numbers.map(\.name))
        #expect(again.numbers.map { Float($0.value).bitPattern } == line.numbers.map { Float($0.value).bitPattern })
    }

    @Test func partsOfAHistogramHoldWhatLiesInThem() throws {
        let directory = try TemporaryDirectory()
        // No number lies on an edge of the parts, but the least and the greatest.
        let numbers = (0..<200).map { Double(($0 * 7919) % 1009) / 128 - 3.1 }
        try write(
            directory, from: 0, to: 1, 0.5,
            [
                (.margins, numbers + [.nan, .infinity]), (.coefficients, [2, 2, 2]), (.differences, [.nan]),
            ])
        let read = try events(directory)
        let histogram = try #require(read.histograms["train/margins"]?.first?.value)
        let (least, greatest) = (numbers.sorted()[0], numbers.sorted()[199])
        #expect(histogram.min == least && histogram.max == greatest && histogram.count == 200)
        #expect(abs(histogram.sum - numbers.sorted().reduce(0, +)) < 1e-9)
        #expect(abs(histogram.sumOfSquares - numbers.sorted().map { $0 * $0 }.reduce(0, +)) < 1e-9)
        #expect(histogram.limits.count == 30 && histogram.limits == histogram.limits.sorted())
        #expect(histogram.limits.last == greatest)
        let edges = [least] + histogram.limits
        for part in 0..<30 {
            #expect(abs(edges[part + 1] - edges[part] - (greatest - least) / 30) < 1e-12)
            let isLast = part == 29
            let inside = numbers.count { edges[part] <= $0 && ($0 < edges[part + 1] || isLast && $0 == greatest) }
            #expect(histogram.buckets[part] == Double(inside), "part \(part)")
        }
        var equal = EventFiles.Histogram()
        (equal.min, equal.max, equal.count, equal.sum, equal.sumOfSquares) = (2, 2, 3, 6, 12)
        (equal.limits, equal.buckets) = ([2], [3])
        #expect(read.histograms["train/coefficients"]?.first?.value == equal)
        #expect(read.histograms["train/differences"]?.first?.value == EventFiles.Histogram())
    }

    /// Starts within one second too: a step stands once, with its last value.
    @Test func aLaterStartReplacesWhatCameAfterItsStep() throws {
        let directory = try TemporaryDirectory()
        try write(directory, from: 0, to: 10, 0.1)
        try write(directory, from: 6, to: 8, 0.2)
        try write(directory, from: 7, to: 9, 0.3)
        let read = try events(directory)
        #expect(read.files.count == 3 && read.forgotten == 2 * (4 + 1))
        let loss = try #require(read.scalars["train/loss"])
        #expect(loss.map(\.step) == Array(0..<9))
        #expect(loss.map(\.value) == [Float](repeating: 0.1, count: 6) + [0.2, 0.3, 0.3])
        // A run that begins anew leaves nothing of the earlier one, and files of others alone.
        try directory.write("mine", to: "events/notes.txt")
        try EventFile.discard(directory.path + "/events")
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path + "/events") == ["notes.txt"])
        try FileManager.default.removeItem(atPath: directory.path + "/events/notes.txt")
        try write(directory, from: 3, to: 5)
        try write(directory, from: 0, to: 2)
        #expect(try events(directory).files.count == 1)
        try EventFile.discard(directory.path + "/events")
        #expect(!FileManager.default.fileExists(atPath: directory.path + "/events"))
    }

    /// What a kill cut short is no record.
    @Test func aFileThatWasCutShort() throws {
        let directory = try TemporaryDirectory()
        try write(directory, from: 0, to: 5)
        let file = URL(fileURLWithPath: directory.path + "/events/" + (try events(directory).files[0]))
        let bytes = try Data(contentsOf: file)
        try bytes.dropLast(3).write(to: file)
        #expect(try events(directory).scalars["train/loss"]?.map(\.step) == Array(0..<4))
        try write(directory, from: 4, to: 6)
        #expect(try events(directory).scalars["train/loss"]?.map(\.step) == Array(0..<6))
        // The reader of these tests does notice damage.
        var damaged = bytes
        damaged[bytes.count / 2] ^= 1
        try damaged.write(to: file)
        #expect(throws: EventFiles.Malformed.self) { try events(directory) }
    }

    @Test func whatCannotBeWrittenIsAnError() throws {
        let directory = try TemporaryDirectory()
        let blocked = try directory.write("a file", to: "blocked")
        let failure = #expect(throws: RDOError.self) { try EventFile(in: blocked, from: 0) }
        #expect(failure?.kind == .usage && failure?.what.contains("cannot write") == true)
        let full = try AppendedFile(path: "/dev/full")
        let error = #expect(throws: RDOError.self) { try full.append([1, 2, 3]) }
        #expect(error?.kind == .usage && error?.what.contains("No space left") == true)
    }
}
