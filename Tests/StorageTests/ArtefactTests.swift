import CHDF5
import Coding
import Columns
import Diagnostics
import Foundation
import Testing

@testable import Storage

/// Small coefficient and reference files with every feature.
enum Sample {
    static let header = ArtefactHeader(
        schema: "", software: "rdo test", config: "seed: 1\nname: grün\n", worldSize: 3,
        created: Date(timeIntervalSince1970: 1_700_000_000))
    static let provenance = Provenance(
        modelDigest: "m1", tokenizerDigest: "t1", dataDigest: "d1", template: "Query: {x}")
    static let scorer = ScorerDescription(kind: .difference, symmetric: true, provenance: provenance)

    /// `pairs` pairs: every query has two responses, and the two are one pair.
    static func tables(pairs: Int) -> CoefficientTables {
        let numbers = (0..<Int32(pairs))
        return CoefficientTables(
            queryTexts: Rows(numbers.map { "query \($0) 梨" }), queryKeys: Rows(numbers.map { .query([$0]) }),
            responseTexts: Rows(count: 2 * pairs) { "response \($0)\n" },
            responseQueries: Rows(count: 2 * pairs) { Int32($0 / 2) },
            responseTokenCounts: Rows(count: 2 * pairs) { Int32(3 + $0 % 5) }, pairQueries: Rows(Array(numbers)),
            pairFirsts: Rows(numbers.map { 2 * $0 }), pairSeconds: Rows(numbers.map { 2 * $0 + 1 }),
            labels: Rows(numbers.map { $0 % 4 == 3 ? -1 : 1 }),
            pairKeys: Rows(numbers.map { .pair(query: [$0], first: [2 * $0], second: [2 * $0 + 1]) }))
    }

    static func difference(_ row: Int) -> Float { Float(row) * 0.25 - 1 }
    static func reversed(_ row: Int) -> Float { -Float(row) * 0.25 + 1.125 }

    static func writer(_ path: String, pairs: Int, chunkRows: Int = 4) throws -> CoefficientWriter {
        try CoefficientWriter(
            path: path, header: header, scorer: scorer, tables: tables(pairs: pairs), chunkRows: chunkRows)
    }

    static func fill(_ writer: CoefficientWriter, _ rows: Range<Int>) throws {
        try writer.write(rows: rows, differences: rows.map(difference), reversed: rows.map(reversed))
    }

    static func coefficients(_ path: String, pairs: Int) throws {
        let writer = try writer(path, pairs: pairs)
        for rows in writer.pending { try fill(writer, rows) }
        try writer.finish()
    }

    static func referenceWriter(_ path: String, count: Int, chunkRows: Int = 4) throws -> ReferenceWriter {
        var header = header
        header.schema = ReferenceFile.schema
        return try ReferenceWriter(
            path: path, header: header, provenance: provenance,
            keys: Rows(count: count) { .response(query: [Int32($0)], response: [Int32($0), 2]) },
            tokenCounts: Rows(count: count) { 2 + Int32($0) }, chunkRows: chunkRows)
    }

    static func logprob(_ row: Int) -> Double { -Double(row + 1) / 3 }

    static func reference(_ path: String, count: Int) throws {
        let writer = try referenceWriter(path, count: count)
        for rows in writer.pending { try writer.write(rows: rows, logprobs: rows.map(logprob)) }
        try writer.finish()
    }
}

@Suite("Coefficient and reference files") struct ArtefactTests {
    @Test func aFileThatIsBeingWrittenIsNoError() throws {
        let scratch = try Scratch()
        let path = scratch.file("coefficients.h5")
        var writer: CoefficientWriter? = try Sample.writer(path, pairs: 9)
        #expect(try Artefacts.progress(of: [path]) == "coefficients.h5: being written")
        try Sample.fill(try #require(writer), 0..<4)
        writer = nil
        #expect(try Artefacts.progress(of: [path]) == "coefficients.h5: 1 of 3 chunks")
    }

    @Test func coefficientsComeBack() throws {
        let scratch = try Scratch()
        let path = scratch.file("coefficients.h5")
        try Sample.coefficients(path, pairs: 10)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["coefficients.h5"])
        let file = try CoefficientFile.read(path)
        #expect(file.header.schema == "rdo.coefficients/1")
        #expect(file.header.created == "2023-11-14T22:13:20Z")
        #expect(file.header.config == Sample.header.config && file.header.worldSize == 3)
        #expect(file.provenance == Sample.provenance)
        #expect(file.scorer == "difference" && file.isSealed)
        #expect(Array(file.differences) == (0..<10).map(Sample.difference))
        #expect(file.reversed.map { Array($0) } == (0..<10).map(Sample.reversed))
        let tables = Sample.tables(pairs: 10)
        #expect(try file.readTables() == tables)
        #expect(file[tables.pairKeys[7]] == .init(difference: Sample.difference(7), reversed: Sample.reversed(7)))
        #expect(tables.pairKeys.reversed().map { file[$0]?.difference } == file.differences.reversed().map { $0 })
        #expect(
            try HDF5File(opening: path).dataset("/pairs/position_bias").read(Float.self)
                == .init(repeating: 0.0625, count: 10))
        #expect(try Artefacts.verify(path).contains("10 pairs"))
    }

    @Test func missingResponsesAreCounted() throws {
        let scratch = try Scratch()
        try Sample.reference(scratch.file("r.h5"), count: 4)
        try Sample.reference(scratch.file("more.h5"), count: 9)
        let file = try ReferenceFile.read(scratch.file("r.h5"))
        let asked = try ReferenceFile.read(scratch.file("more.h5")).keys
        let error = artefactError { _ = try file.logprobs(of: asked.map { [$0] }) }
        #expect(error?.what.hasPrefix("5 of 9 responses are missing, the first is number 4 (\(asked[4]))") == true)
        #expect(file[asked[8]] == nil)
    }

    @Test func rewardsGoToResponses() throws {
        let scratch = try Scratch()
        var tables = Sample.tables(pairs: 3)
        tables.responseTexts = Rows(tables.responseTexts + ["in no pair"])
        tables.responseQueries = Rows(tables.responseQueries + [0])
        tables.responseTokenCounts = Rows(tables.responseTokenCounts + [1])
        let scorer = ScorerDescription(kind: .reward, symmetric: false, provenance: Sample.provenance)
        let writer = try CoefficientWriter(
            path: scratch.file("c.h5"), header: Sample.header, scorer: scorer, tables: tables, chunkRows: 2)
        try writer.write(rows: 0..<3, rewardsFirst: [1, 2, 3], rewardsSecond: [0.5, 0, -1])
        try writer.finish()
        let file = try CoefficientFile.read(scratch.file("c.h5"))
        #expect(Array(file.differences) == [0.5, 2, 4])
        #expect(file.reversed == nil)
        let rewards = try HDF5File(opening: scratch.file("c.h5")).dataset("/responses/reward").read(Float.self)
        #expect(rewards[..<6] == [1, 0.5, 2, 0, 3, -1] && rewards[6].isNaN)
    }

    /// What another program wrote is calculated with: -(-128) is no Int8.
    @Test func labelsAndTokenCountsAreOfTheirRange() throws {
        let scratch = try Scratch()
        let path = scratch.file("c.h5")
        func changed<T: HDF5Number>(_ dataset: String, _ row: Int, to value: T) throws -> String? {
            try? FileManager.default.removeItem(atPath: path)
            try Sample.coefficients(path, pairs: 5)
            let file = try HDF5File(changing: path, format: .checksummed)
            try file.dataset(dataset).write([value], rows: row..<row + 1)
            try file.close()
            // As another program would have left it: without the digest.
            let handle = try #require(FileHandle(forUpdatingAtPath: path))
            try handle.write(contentsOf: Data(count: SealedFile.blockSize))
            try handle.close()
            let read = try CoefficientFile.read(path)
            let error = artefactError { _ = try read.readTables() }
            if dataset == "/pairs/label" { #expect(artefactError { _ = try read.readLabels() } == error) }
            return error?.what
        }
        #expect(try changed("/pairs/label", 3, to: Int8.min) == "/pairs/label[3] is -128, not -1, 0 or 1")
        #expect(try changed("/pairs/label", 0, to: Int8(2)) == "/pairs/label[0] is 2, not -1, 0 or 1")
        #expect(try changed("/responses/token_count", 9, to: Int32(-1)) == "/responses/token_count[9] is -1")
    }

    @Test func referencesComeBack() throws {
        let scratch = try Scratch()
        let path = scratch.file("reference.h5")
        try Sample.reference(path, count: 11)
        let file = try ReferenceFile.read(path)
        #expect(file.header.schema == ReferenceFile.schema)
        #expect(file.provenance == Sample.provenance)
        #expect(Array(file.logprobs) == (0..<11).map(Sample.logprob))
        #expect(file[file.keys[5]] == .init(logprob: -2, tokenCount: 7))
        let lists = try file.logprobs(of: [[file.keys[10], file.keys[0]], [], [file.keys[3]]])
        #expect((0..<3).map { lists[$0] } == [[10, 0], [], [3]].map { $0.map(Sample.logprob) })
        artefactError { _ = try file.logprobs(of: [[.query([1])]]) }
        #expect(try Artefacts.kind(of: path) == .reference)
        #expect(try Artefacts.verify(path).contains("11 responses"))
    }

    @Test func emptyTablesAreFiles() throws {
        let scratch = try Scratch()
        try Sample.coefficients(scratch.file("c.h5"), pairs: 0)
        #expect(try CoefficientFile.read(scratch.file("c.h5")).count == 0)
        try Sample.reference(scratch.file("r.h5"), count: 0)
        #expect(try Artefacts.verify(scratch.file("r.h5")).contains("0 responses"))
    }

    @Test func interruptedWritersResume() throws {
        let scratch = try Scratch()
        let path = scratch.file("c.h5")
        do {
            let writer = try Sample.writer(path, pairs: 10)
            #expect(writer.pending == [0..<4, 4..<8, 8..<10])
            try Sample.fill(writer, 4..<8)
        }
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(try Artefacts.kind(of: path + ".partial") == .unfinished)
        #expect(
            artefactError { _ = try Artefacts.verify(path + ".partial") }?.what == "unfinished: 1 of 3 chunks are done")
        artefactError { _ = try CoefficientFile.read(path + ".partial") }
        // The chunk size of the run that started it stays: chunks are what is done or not.
        let writer = try Sample.writer(path, pairs: 10, chunkRows: 3)
        #expect(writer.chunkRows == 4)
        #expect(writer.pending == [0..<4, 8..<10])
        for rows in writer.pending { try Sample.fill(writer, rows) }
        try writer.finish()
        #expect(try Array(CoefficientFile.read(path).differences) == (0..<10).map(Sample.difference))
    }

    @Test func aKilledWriterLosesNoFinishedChunk() throws {
        let scratch = try Scratch()
        // What is on the disk at any moment between two calls, taken while the writer is still open.
        let path = scratch.file("c.h5")
        let writer = try Sample.writer(path, pairs: 10)
        for (index, rows) in writer.pending.enumerated() {
            try Sample.fill(writer, rows)
            let copy = scratch.file("copy\(index).h5")
            try FileManager.default.copyItem(atPath: path + ".partial", toPath: copy + ".partial")
            let resumed = try Sample.writer(copy, pairs: 10)
            #expect(resumed.done.filter { $0 }.count == index + 1)
            for rows in resumed.pending { try Sample.fill(resumed, rows) }
            try resumed.finish()
            #expect(try Array(CoefficientFile.read(copy).differences) == (0..<10).map(Sample.difference))
        }
    }

    @Test func otherDataStartAnew() throws {
        let scratch = try Scratch()
        let path = scratch.file("c.h5")
        try Sample.fill(Sample.writer(path, pairs: 10), 0..<8)
        var scorer = Sample.scorer
        scorer.provenance.modelDigest = "m2"
        do {
            let writer = try CoefficientWriter(
                path: path, header: Sample.header, scorer: scorer, tables: Sample.tables(pairs: 10), chunkRows: 4)
            #expect(writer.done == [false, false, false])
            try Sample.fill(writer, 0..<4)
        }
        #expect(try Sample.writer(path, pairs: 9).done == [false, false, false])
        try Data("rubbish".utf8).write(to: URL(fileURLWithPath: path + ".partial"))
        #expect(try Sample.writer(path, pairs: 10).pending.count == 3)
    }

    @Test func aSecondWriterIsRefused() throws {
        let scratch = try Scratch()
        let writer = try Sample.writer(scratch.file("c.h5"), pairs: 10)
        let error = artefactError { _ = try Sample.writer(scratch.file("c.h5"), pairs: 10) }
        #expect(error?.what == "another process is using this file")
        #expect(artefactError { _ = try Artefacts.verify(scratch.file("c.h5.partial")) }?.what == error?.what)
        #expect(writer.done.count == 3)
    }

    @Test func valuesThatAreNotFiniteAreRefused() throws {
        let scratch = try Scratch()
        let writer = try Sample.writer(scratch.file("c.h5"), pairs: 4)
        #expect(throws: RDOError.self) {
            try writer.write(rows: 0..<4, differences: [1, 2, 3, 4], reversed: [0, .nan, 0, 0])
        }
        #expect(writer.done == [false])
        let reference = try Sample.referenceWriter(scratch.file("r.h5"), count: 2)
        do { try reference.write(rows: 0..<2, logprobs: [-1, -.infinity]) } catch let error as RDOError {
            #expect(error.kind == .numerical && error.what.contains("response 1"))
        }
    }

    @Test func damagedChunksAreComputedAgain() throws {
        let scratch = try Scratch()
        let path = scratch.file("c.h5")
        do {
            let writer = try Sample.writer(path, pairs: 10)
            for rows in writer.pending { try Sample.fill(writer, rows) }
        }
        let data = try Data(contentsOf: URL(fileURLWithPath: path + ".partial"))
        var outcomes: [Int: Int] = [:]
        for offset in stride(from: 0, to: data.count, by: 23) {
            let copy = scratch.file("copy.h5")
            try data.write(to: URL(fileURLWithPath: copy + ".partial"))
            try flipBit(offset % 8, ofByte: offset, in: copy + ".partial")
            let writer = try Sample.writer(copy, pairs: 10)
            outcomes[writer.pending.count, default: 0] += 1
            for rows in writer.pending { try Sample.fill(writer, rows) }
            try writer.finish()
            let file = try CoefficientFile.read(copy)
            #expect(
                file.differences.elementsEqual((0..<10).map(Sample.difference))
                    && file.reversed?.elementsEqual((0..<10).map(Sample.reversed)) == true)
        }
        #expect(outcomes[1, default: 0] > 0)
        print("flips in a working file, by chunks computed again: \(outcomes.sorted { $0.key < $1.key })")
    }

    @Test(arguments: ["coefficients", "reference"]) func noFlippedByteIsAccepted(_ kind: String) throws {
        let scratch = try Scratch()
        let path = scratch.file("a.h5")
        func read() throws {
            if kind == "coefficients" { _ = try CoefficientFile.read(path) } else { _ = try ReferenceFile.read(path) }
        }
        try kind == "coefficients" ? Sample.coefficients(path, pairs: 5) : Sample.reference(path, count: 5)
        for offset in stride(from: 0, to: try size(of: path), by: 3) {
            try flipBit(offset % 8, ofByte: offset, in: path)
            artefactError { try read() }
            artefactError { _ = try Artefacts.verify(path) }
            try flipBit(offset % 8, ofByte: offset, in: path)
        }
        try read()
    }

    @Test func noTruncatedFileIsAccepted() throws {
        let scratch = try Scratch()
        let path = scratch.file("a.h5")
        try Sample.coefficients(path, pairs: 5)
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        for length in [0, 1, 100, 511, 512, 520, 600, data.count / 2, data.count - 1] {
            try data.prefix(length).write(to: URL(fileURLWithPath: path))
            artefactError { _ = try CoefficientFile.read(path) }
        }
        try (data + [0]).write(to: URL(fileURLWithPath: path))
        artefactError { _ = try CoefficientFile.read(path) }
    }

    @Test func largeFilesTakeSeconds() throws {
        let scratch = try Scratch()
        let path = scratch.file("c.h5")
        let pairs = 170_000
        let tables = Sample.tables(pairs: pairs)
        let clock = ContinuousClock()
        let write = try clock.measure {
            let writer = try CoefficientWriter(
                path: path, header: Sample.header, scorer: Sample.scorer, tables: tables, chunkRows: 20_000)
            for rows in writer.pending { try Sample.fill(writer, rows) }
            try writer.finish()
        }
        var file: CoefficientFile?
        let read = try clock.measure { file = try CoefficientFile.read(path) }
        var back: CoefficientTables?
        let texts = try clock.measure { back = try file?.readTables() }
        #expect(back == tables && file?.count == pairs)
        #expect(write + read + texts < .seconds(120))
        print("\(pairs) pairs: written in \(write), read in \(read), texts in \(texts), \(try size(of: path)) bytes")
    }
}
