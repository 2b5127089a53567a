import Coding
import Diagnostics
import Foundation
import Testing

@testable import Inspection
@testable import Storage

@Suite("Ledgers") struct LedgerTests {
    private static let header = Sample.header

    /// Three pairs in turn; the visit of step s has numbers made of s.
    private static func visit(_ step: Int, _ place: Int) -> PairVisit {
        let pair = Int32((step + place) % 3)
        return PairVisit(
            row: 10 + Int(pair), key: .pair(query: [pair], first: [1], second: [2]), better: pair == 0 ? 1 : 0,
            worse: pair == 0 ? 0 : 1, coefficient: Double(pair), margin: Double(step) / 3 - 1,
            loss: 1 / Double(step + 1),
            gradientScale: Double(pair) * 0.1)
    }

    private static func visits(_ step: Int) -> [PairVisit] { [visit(step, 0), visit(step, 1)] }

    private static func writer(_ path: String, from step: Int) throws -> LedgerWriter {
        try LedgerWriter(path: path, header: header, pass: "dpo", keepingStepsBefore: step)
    }

    @discardableResult
    private static func write(_ path: String, _ steps: Range<Int>, flushEvery: Int = 100) throws -> LedgerWriter {
        let writer = try writer(path, from: steps.lowerBound)
        for step in steps {
            try writer.append(visits(step), step: step)
            if (step + 1) % flushEvery == 0 { try writer.flush() }
        }
        try writer.flush()
        return writer
    }

    private static func check(_ path: String, steps: [Int], _ location: SourceLocation = #_sourceLocation) throws {
        let file = try LedgerFile.read(path)
        #expect(file.steps == steps.flatMap { [$0, $0] }, sourceLocation: location)
        #expect(file.visits == steps.flatMap(visits), sourceLocation: location)
        #expect(file.isSealed && file.pass == "dpo" && file.header.schema == LedgerFile.schema)
    }

    @Test func comesBack() throws {
        let scratch = try Scratch()
        let path = scratch.file("ledger.h5")
        let writer = try Self.writer(path, from: 0)
        // From the first moment there is a whole file, so nobody reads that of an earlier run.
        try Self.check(path, steps: [])
        try writer.append(Self.visits(0), step: 0)
        try Self.check(path, steps: [])
        try writer.flush()
        try Self.check(path, steps: [0])
        try writer.append(Self.visits(1), step: 1)
        try writer.flush()
        try Self.check(path, steps: [0, 1])
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["ledger.h5"])
        #expect(try Artefacts.kind(of: path) == .ledger)
        #expect(try Artefacts.verify(path) == "ledger: 4 visits, agrees with its digest")
    }

    /// What another program wrote is subtracted and added.
    @Test(arguments: ["step", "row"]) func impossibleNumbers(_ column: String) throws {
        let scratch = try Scratch()
        let path = scratch.file("ledger.h5")
        try Self.write(path, 0..<3)
        let file = try HDF5File(changing: path, format: .checksummed)
        try file.dataset("/visits/" + column).write([Int64.max], rows: 5..<6)
        try file.close()
        let handle = try #require(FileHandle(forUpdatingAtPath: path))
        try handle.write(contentsOf: Data(count: SealedFile.blockSize))
        try handle.close()
        let error = artefactError { _ = try LedgerFile.read(path) }
        #expect(error?.what == "/visits/\(column) holds the impossible number 9223372036854775807")
    }

    @Test(arguments: 0...7) func aResumeDropsWhatIsDoneAgain(_ step: Int) throws {
        let scratch = try Scratch()
        let path = scratch.file("ledger.h5")
        try Self.write(path, 0..<5, flushEvery: 2)
        _ = try Self.writer(path, from: step)
        try Self.check(path, steps: Array(0..<min(step, 5)))
        try Self.write(path, step..<9, flushEvery: 3)
        // A resume beyond the end leaves a gap: the ledger was off for a while.
        try Self.check(path, steps: Array(0..<min(step, 5)) + Array(step..<9))
    }

    @Test func aKilledWriterLeavesAFile() throws {
        let scratch = try Scratch()
        let path = scratch.file("ledger.h5")
        try Self.write(path, 0..<4)
        // What a process leaves that is killed while it writes: half of the next file beside the old one.
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        try whole.prefix(whole.count / 2).write(to: URL(fileURLWithPath: path + ".writing"))
        try Self.check(path, steps: [0, 1, 2, 3])
        try Self.write(path, 3..<6)
        try Self.check(path, steps: Array(0..<6))
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["ledger.h5"])
    }

    /// A reader neither waits for the writer nor stops it.
    @Test func readersDoNotDisturb() throws {
        let scratch = try Scratch()
        let path = scratch.file("ledger.h5")
        let writer = try Self.write(path, 0..<2)
        let reader = try HDF5File(opening: path)
        try writer.append(Self.visits(2), step: 2)
        try writer.flush()
        #expect(try reader.dataset("/visits/step").rows == 4)
        try Self.check(path, steps: [0, 1, 2])
    }

    @Test func damageIsFound() throws {
        let scratch = try Scratch()
        let path = scratch.file("ledger.h5")
        try Self.write(path, 0..<3)
        for offset in stride(from: 0, to: try size(of: path), by: 97) {
            try flipBit(offset % 8, ofByte: offset, in: path)
            artefactError { _ = try LedgerFile.read(path) }
            let error = artefactError { _ = try Self.writer(path, from: 2) }
            #expect(error?.place == path && error?.remedy?.contains("move the file away") == true)
            try flipBit(offset % 8, ofByte: offset, in: path)
        }
        try Self.check(path, steps: [0, 1, 2])
        // A new run needs nothing of it.
        try Data("rubbish".utf8).write(to: URL(fileURLWithPath: path))
        artefactError { _ = try Self.writer(path, from: 1) }
        try Self.write(path, 0..<1)
        try Self.check(path, steps: [0])
    }

    @Test func otherFilesAreRefused() throws {
        let scratch = try Scratch()
        let path = scratch.file("ledger.h5")
        try Sample.reference(path, count: 3)
        let error = artefactError { _ = try Self.writer(path, from: 1) }
        #expect(error?.what == "the schema is rdo.reference/1")
        #expect(throws: RDOError.self) { _ = try PairHistory(of: "a", in: path) }
        // One of another program must be consistent.
        for (name, lengths) in [("short.h5", 2), ("order.h5", 3)] {
            let foreign = scratch.file(name)
            let file = try HDF5File(creating: foreign)
            try file.setAttribute("schema", .text(LedgerFile.schema))
            try file.write((0..<3).map { .query([$0]) }, to: "/visits/key")
            try file.write([2, 1, 3] as [Int64], to: "/visits/step")
            try file.write([0, 1, 2] as [Int64], to: "/visits/row")
            for column in ["better", "worse"] { try file.write([0, 1, 0] as [Int32], to: "/visits/" + column) }
            for column in ["coefficient", "margin", "loss"] {
                try file.write([0, 1, 2] as [Double], to: "/visits/" + column)
            }
            try file.write([Double](repeating: 1, count: lengths), to: "/visits/gradient_scale")
            try file.close()
            let error = artefactError { _ = try LedgerFile.read(foreign) }
            #expect(
                error?.what
                    == (lengths == 2
                        ? "/visits/gradient_scale has shape [2] but /visits/key has 3 rows"
                        : "/visits/step is not in ascending order"))
        }
    }

    @Test func summaryCounts() throws {
        let scratch = try Scratch()
        let path = scratch.file("ledger.h5")
        // Pair p of 20 has gradient scale p at each of two visits and margins that tell its fate.
        let writer = try Self.writer(path, from: 0)
        let fates: [(Double, Double)] = [(-1, 1), (1, -1), (2, 2), (0, 0)]
        for step in [0, 4] {
            try writer.append(
                (0..<20).map { pair in
                    let fate = fates[pair % 4]
                    return PairVisit(
                        row: pair, key: .query([Int32(pair)]), better: 0, worse: 1,
                        coefficient: pair < 5 ? 0 : Double(pair), margin: step == 0 ? fate.0 : fate.1, loss: 1,
                        gradientScale: Double(pair))
                }, step: step)
        }
        // KTO's two responses of one pair, once.
        func response(_ better: Int?, _ worse: Int?) -> PairVisit {
            PairVisit(
                row: 20, key: .query([20]), better: better, worse: worse, coefficient: 1, margin: 1, loss: 0,
                gradientScale: 0)
        }
        try writer.append([response(0, nil), response(nil, 1)], step: 5)
        try writer.flush()
        let summary = try LedgerSummary(of: LedgerFile.read(path), pairs: 3)
        #expect(summary.visits == 42 && summary.pairs == 22)
        #expect(summary.steps == 3 && summary.firstStep == 0 && summary.lastStep == 5)
        #expect(summary.gradientScale == 380)
        // 1 % of 22 is one pair, 10 % are three.
        #expect(summary.gradientShareOfTopPercent == 38.0 / 380)
        #expect(summary.gradientShareOfTopTenth == 108.0 / 380)
        #expect(summary.zeroCoefficientShare == 5.0 / 22)
        #expect(summary.coefficientQuantiles.values.first?.value == 0)
        #expect(summary.coefficientQuantiles.values.last?.value == 19)
        let changes = summary.changes
        #expect(changes.pairs == 20 && changes.becameRight == 5 && changes.becameWrong == 5)
        #expect(changes.stayedRight == 5 && changes.stayedWrong == 5)
        #expect(summary.strongest.map(\.row) == [19, 18, 17] && summary.strongest[0].visits == 2)
        #expect(summary.strongest[0].gradientShare == 38.0 / 380)
        let text = try ArtefactSummary(of: path, pairs: 3).text()
        #expect(text.contains(ContentKey.query([18]).description) && text.contains("became right"))
    }

    @Test func aPairIsFoundByItsKey() throws {
        let scratch = try Scratch()
        let path = scratch.file("ledger.h5")
        let writer = try Self.writer(path, from: 0)
        // So many that some share their first two digits.
        let keys = (0..<300).map { ContentKey.query([$0]) }
        for step in 0..<3 {
            try writer.append(
                keys.enumerated().map { row, key in
                    PairVisit(
                        row: row, key: key, better: 0, worse: 1, coefficient: 1, margin: Double(step), loss: 0.5,
                        gradientScale: 0.25)
                }, step: step)
        }
        try writer.flush()
        for digits in [8, 32] {
            let history = try PairHistory(of: keys[7].description.prefix(digits).uppercased(), in: path)
            #expect(history.key == keys[7].description && history.visits.map(\.step) == [0, 1, 2])
            #expect(history.visits.allSatisfy { $0.row == 7 } && history.visits.map(\.margin) == [0, 1, 2])
            #expect(history.text.split(separator: "\n").count == 5)
        }
        func failure(_ prefix: String) -> RDOError? {
            do {
                _ = try PairHistory(of: prefix, in: path)
                return nil
            } catch { return error as? RDOError }
        }
        let shared = try #require(
            Dictionary(grouping: keys) { $0.description.prefix(2) }.first { $0.value.count > 1 })
        let ambiguous = failure(String(shared.key))
        #expect(ambiguous?.kind == .usage && ambiguous?.what.hasPrefix("\(shared.value.count) keys begin with") == true)
        let known = keys[0].description
        let last = known.hasSuffix("0") ? "1" : "0"
        let missing = failure(known.dropLast() + last)
        #expect(
            missing?.kind == .usage && missing?.what.hasSuffix("nearest: \(known)") == true, "\(missing?.what ?? "")")
        for bad in ["", "xyz", known + "0", "0x12"] {
            #expect(failure(bad)?.what.hasSuffix("is no key") == true, "\(bad)")
        }
    }

    @Test(.enabled(if: H5py.isThere, "no Python with h5py")) func h5pyReadsLedgers() throws {
        let scratch = try Scratch()
        try Self.write(scratch.file("ledger.h5"), 0..<50)
        let script = """
            import sys, h5py, numpy as np
            f = h5py.File(sys.argv[1], 'r')
            assert f.attrs['schema'] == 'rdo.ledger/1' and f.attrs['pass'] == 'dpo', dict(f.attrs)
            v = f['visits']
            assert sorted(v) == ['better', 'coefficient', 'gradient_scale', 'key', 'loss', 'margin', 'row', 'step', 'worse']
            s, p = np.arange(100) // 2, (np.arange(100) // 2 + np.arange(100) % 2) % 3
            assert v['step'].dtype == '<i8' and v['row'].dtype == '<i8' and v['better'].dtype == '<i4'
            assert all(v[n].dtype == '<f8' and v[n].fletcher32 for n in ('coefficient', 'margin', 'loss', 'gradient_scale'))
            assert (v['step'][:] == s).all() and (v['row'][:] == 10 + p).all()
            assert (v['better'][:] == (p == 0)).all() and (v['worse'][:] == (p != 0)).all()
            assert (v['coefficient'][:] == p).all() and (v['margin'][:] == s / 3 - 1).all()
            assert (v['loss'][:] == 1 / (s + 1)).all() and (v['gradient_scale'][:] == p * .1).all()
            assert v['key'].shape == (100, 16) and bytes(v['key'][0]).hex() == sys.argv[2]
            print('ok')
            """
        let key = ContentKey.pair(query: [0], first: [1], second: [2]).description
        let result = try H5py.run(script, [scratch.file("ledger.h5"), key])
        #expect(result.output == "ok\n")
    }
}
