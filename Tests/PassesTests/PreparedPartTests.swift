import Diagnostics
import Foundation
import Preferences
import Storage
import TestSupport
import Testing

@testable import Passes

/// Rows come out of prepared files as they went in, in any order and from any part.
@Suite struct PreparedPartTests {
    private static let header = ArtefactHeader(schema: PreparedPart.schema, software: "test", config: "", worldSize: 1)

    private func ids(_ count: Int, _ generator: inout SeededGenerator) -> [Int32] {
        (0..<count).map { _ in Int32.random(in: 0...50_000, using: &generator) }
    }

    private func examples(_ count: Int) -> [TokenizedExample] {
        var generator = SeededGenerator(seed: 11)
        return (0..<count).map { row in
            let kind: PreferenceRecord.Kind = [.pair, .list, .unpaired][row % 3]
            let responses = [2, 4, 1][row % 3]
            return TokenizedExample(
                row: 2 * row + 1, kind: kind, prompt: ids(Int.random(in: 1...30, using: &generator), &generator),
                responses: (0..<responses).map { _ in ids(Int.random(in: 1...20, using: &generator), &generator) },
                truncatedResponses: (0..<responses).map { $0 % 2 == 1 }, isPromptTruncated: row % 5 == 0,
                scores: kind == .list ? (0..<responses).map { Double($0) - 0.5 } : nil,
                label: kind == .unpaired ? row % 2 == 0 : nil, weight: row % 4 == 0 ? 0.25 : nil,
                promptText: "é\(row)\0", responseTexts: (0..<responses).map { "y\($0)" })
        }
    }

    @Test func rowsOfSeveralParts() throws {
        let directory = try TemporaryDirectory()
        let all = examples(50)
        var set = PreparedSet(identity: "i", form: .responses, template: "plain")
        for (number, range) in [0..<7, 7..<8, 8..<50].enumerated() {
            var builder = PreparedPart.Builder()
            for example in all[range] { builder.append(example) }
            set.parts.append(
                try PreparedSet.Part(builder, as: "\(number).h5", in: directory.path, header: Self.header))
        }
        try set.write(directory.path)
        let read = try #require(try PreparedSet.read(directory.path))
        let rows = read.texts(in: directory.path)
        #expect(Array(rows) == all)
        for index in [49, 0, 7, 8, 6, 30] { #expect(rows[index] == all[index]) }
        let bare = read.examples(in: directory.path)[9]
        #expect(bare.prompt == all[9].prompt && bare.responses == all[9].responses && bare.promptText.isEmpty)
        #expect(read.places(of: [1, 2, 15, 99, 101], in: directory.path) == [0, 7, 49])
        // The places of the index are those that the library reads from.
        let file = try HDF5File(opening: directory.path + "/2.h5")
        #expect(try file.dataset("/rows/row").read(Int64.self) == all[8...].map { Int64($0.row) })
        // The digests tell of numbers that another program changed, which are not asked for where nothing changed.
        let known = try KnownDigests(directory.path + "/digests.json")
        for _ in 0..<2 { #expect(try read.isAsWritten(in: directory.path, known)) }
        let place = try #require(read.parts[1].places[.promptIDs])
        let changed = try #require(FileHandle(forUpdatingAtPath: directory.path + "/1.h5"))
        try changed.seek(toOffset: UInt64(place))
        try changed.write(contentsOf: Data([9]))
        #expect(try !read.isAsWritten(in: directory.path, known))
        // A part that was cut short, or is gone, makes the set one to be made again.
        #expect(truncate(directory.path + "/0.h5", off_t(set.parts[0].bytes - 1)) == 0)
        #expect(try PreparedSet.read(directory.path) == nil)
        try FileManager.default.removeItem(atPath: directory.path + "/0.h5")
        #expect(try PreparedSet.read(directory.path) == nil)
        // So does an index that says nothing; one that cannot be read is an error.
        let index = try directory.write("{", to: "index.json")
        #expect(try PreparedSet.read(directory.path) == nil)
        try FileManager.default.removeItem(atPath: index)
        try FileManager.default.createDirectory(atPath: index, withIntermediateDirectories: true)
        let unreadable = #expect(throws: RDOError.self) { try PreparedSet.read(directory.path) }
        #expect(unreadable?.place == index)
    }

    @Test func rowsOfTheDifferenceModel() throws {
        let directory = try TemporaryDirectory()
        var generator = SeededGenerator(seed: 3)
        let all = (0..<20).map { row in
            DifferenceExample(
                row: row, query: ids(9, &generator), asFirst: [ids(4, &generator), ids(row + 1, &generator)],
                asSecond: [ids(5, &generator), ids(2, &generator)], truncatedResponses: [row % 2 == 0, false],
                isPromptTruncated: row % 3 == 0)
        }
        var builder = PreparedPart.Builder()
        for example in all { builder.append(example) }
        let part = try PreparedSet.Part(builder, as: "0.h5", in: directory.path, header: Self.header)
        let set = PreparedSet(identity: "i", form: .differences, template: "plain", parts: [part])
        #expect(Array(set.differenceExamples(in: directory.path)) == all)
    }

    /// A file that is cut short is an error and not other rows.
    @Test func damageIsAnError() throws {
        let directory = try TemporaryDirectory()
        var builder = PreparedPart.Builder()
        for example in examples(20) { builder.append(example) }
        let part = try PreparedSet.Part(builder, as: "0.h5", in: directory.path, header: Self.header)
        let reader = try PreparedPartReader(part, in: directory.path)
        #expect(truncate(directory.path + "/0.h5", 3000) == 0)
        #expect(throws: (any Error).self) { try reader.example(19, withTexts: true) }
    }

    /// Ids are rows of a table: those that no row of the set had are refused.
    @Test(arguments: [Int32(50_001), -1, .max]) func anIDBeyondTheOthersIsAnError(_ id: Int32) throws {
        let directory = try TemporaryDirectory()
        var builder = PreparedPart.Builder()
        for example in examples(20) { builder.append(example) }
        let part = try PreparedSet.Part(builder, as: "0.h5", in: directory.path, header: Self.header)
        #expect((1...50_000).contains(part.largestID))
        let place = try #require(part.places[.responseIDs])
        let file = try #require(FileHandle(forUpdatingAtPath: directory.path + "/0.h5"))
        try file.seek(toOffset: UInt64(place))
        try file.write(contentsOf: withUnsafeBytes(of: id) { Data($0) })
        let reader = try PreparedPartReader(part, in: directory.path)
        #expect(throws: RDOError.self) { try reader.example(0, withTexts: false) }
        #expect(try reader.example(7, withTexts: false).prompt == examples(20)[7].prompt)
    }

    /// Numbers that say where rows lie are no sizes before they are checked.
    @Test(arguments: [Int64.max, 1 << 61, 1 << 40, -1, Int64.min]) func aPlaceBeyondTheFileIsAnError(_ start: Int64)
        throws
    {
        let directory = try TemporaryDirectory()
        var builder = PreparedPart.Builder()
        for example in examples(20) { builder.append(example) }
        var part = try PreparedSet.Part(builder, as: "0.h5", in: directory.path, header: Self.header)
        let place = try #require(part.places[.idStart])
        let file = try #require(FileHandle(forUpdatingAtPath: directory.path + "/0.h5"))
        try file.seek(toOffset: UInt64(place + 8 * 2))
        try file.write(contentsOf: withUnsafeBytes(of: start) { Data($0) })
        let reader = try PreparedPartReader(part, in: directory.path)
        let error = #expect(throws: RDOError.self) { try reader.example(0, withTexts: true) }
        #expect(error?.place == directory.path + "/0.h5")
        part.places[.row] = Int(start)
        let moved = try PreparedPartReader(part, in: directory.path)
        #expect(throws: RDOError.self) { try moved.rowNumber(0) }
        part.rows = Int(truncatingIfNeeded: start)
        try PreparedSet(identity: "i", form: .responses, template: "plain", parts: [part]).write(directory.path)
        #expect(try PreparedSet.read(directory.path) == nil)
    }
}
