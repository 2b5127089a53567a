import Coding
import Diagnostics
import Foundation
import Parallel
import Storage
import Transformer

/// A pass of a frozen model over many items into one file, in durable chunks: scoring, reference log-probabilities,
/// generation.
///
/// A file that is complete and was made from the same things is left as it is. A team of ranks that is done with its
/// chunks gets the next ones at once; what it found is stored before it gets them. What a chunk contains does not
/// depend on the ranks, so neither do the numbers.
struct ForwardPass {
    /// For messages.
    let title: String
    let path: String
    /// How many items there are, and how many make a chunk of a new file.
    let itemCount: Int
    let chunk: Int
    let model: FrozenModel
    let session: Session
    /// Tokens that an item takes at most; nil where the data's limit says so.
    var longestItem: Int?
    /// The data row of an item, where an item has one.
    var dataRow: ((Int) -> Int)?

    /// Collective.
    ///
    /// - Parameters:
    ///   - misfit: what the file that stands there was made from and this one will not be; rank 0's answer counts.
    ///   - open: the writer of the file, on rank 0.
    ///   - compute: the figures of some items, as many for each. Called with nothing on a rank that has no chunk while its
    ///     team works, because gathering parameters needs the whole team.
    /// - Returns: false when the file was complete before.
    /// - Throws: `RDOError.stopped` when a signal came; all stored chunks stay.
    func run(
        misfit: () throws -> [String], open: () throws -> any ChunkWriter, compute: (Range<Int>) throws -> [Double]
    ) throws -> Bool {
        try run(misfit: misfit, open: open) { ByteWriter.bytes(of: try compute($0)) { $1.write($0) } }
    }

    /// Stores a chunk. A figure that cannot be stored is traced to its row.
    private func store(_ result: [UInt8], _ rows: Range<Int>, in writer: any ResultWriter) throws {
        do { try writer.write(rows: rows, result: result) } catch let error as RDOError where error.kind == .numerical {
            let figures = try ByteReader.array(of: result) { try $0.readDouble() }
            guard let dataRow, let index = figures.firstIndex(where: { !$0.isFinite }) else { throw error }
            let row = dataRow(rows.lowerBound + index / (figures.count / rows.count))
            throw RDOError(
                error.kind, error.what, at: error.place, remedy: "look at data row \(row), and at the model's weights")
        }
    }

    /// The same for results that are no figures.
    /// - Parameter compute: the results of some items, as bytes.
    func run(
        misfit: () throws -> [String], open: () throws -> any ResultWriter, compute: (Range<Int>) throws -> [UInt8]
    ) throws -> Bool {
        if try session.world.isTrueOnRankZero({ try stands(misfit) }) {
            session.log.info("\(title): \(path) is complete and unchanged")
            return false
        }
        let writer = try session.world.onRankZero(open)
        let rows = try session.world.numberFromRankZero { writer?.chunkRows ?? chunk }
        func range(_ chunk: Int) -> Range<Int> { chunk * rows..<min((chunk + 1) * rows, itemCount) }
        let finished = writer?.done ?? [Bool](repeating: false, count: (itemCount + rows - 1) / rows)
        let remaining = finished.indices.filter { !finished[$0] }
        let progress = Progress(title, total: finished.count, start: finished.count - remaining.count, log: session.log)
        var stored = finished.count - remaining.count
        let dealer = try ChunkDealer(world: session.world, chunks: remaining) { result in
            if let writer { try store(result.bytes, range(result.chunk), in: writer) }
            stored += 1
            progress.update(stored)
        }
        let team = model.team
        // The longest chunk that there can be, until one was measured.
        let longest = rows * (longestItem ?? min(session.configuration.data.maxTokens, model.maxPositions))
        let expected = model.expectedSeconds(tokens: longest)
        session.world.extendPatience(seconds: 4 * expected)
        var slowest = 0.0
        var chunks = try next(dealer, [], reserve: 2 * expected + 10)
        while !chunks.isEmpty {
            let began = ContinuousClock.now
            let parts = try team.allGather(
                try compute(team.rank < chunks.count ? range(chunks[team.rank]) : 0..<0))
            slowest = max(slowest, began.duration(to: .now) / .seconds(1))
            session.world.extendPatience(seconds: 4 * slowest)
            chunks = try next(dealer, zip(chunks, parts).map { ($0, $1) }, reserve: 2 * slowest + 10)
        }
        if try dealer.conclude() {
            try session.world.onRankZero { try writer?.commit() }
            let left = try session.world.numberFromRankZero { stored }
            throw RDOError(
                .stopped, "\(title): stopped with \(left) of \(finished.count) chunks stored",
                remedy: "run the same command again to continue")
        }
        try session.world.onRankZero { try writer?.finish() }
        return true
    }

    /// Whether the file is there and was made from the same things. One that was not is made again if it is this run's own.
    private func stands(_ misfit: () throws -> [String]) throws -> Bool {
        guard try InputFile.exists(path) else { return false }
        let isOwn = Durable.absolute(path).hasPrefix(Durable.absolute(session.configuration.output) + "/")
        let reasons: String
        do {
            reasons = try misfit().joined(separator: ", ")
        } catch let error as RDOError where error.kind == .artefact && error.place == path {
            // A damaged file of this kind is told from one of any other kind, which is somebody's.
            guard try Artefacts.isHDF5(path) else {
                throw RDOError(
                    isOwn ? .artefact : .usage, "there is a file of another kind (\(error.what))", at: path,
                    remedy: "name another file, or remove this one")
            }
            throw error
        }
        if reasons.isEmpty {
            try Artefacts.removeWorkingFile(of: path)
            return true
        }
        guard isOwn else {
            throw RDOError(
                .artefact, "the file stands outside the output and was made from other things: \(reasons)", at: path,
                remedy: "remove it, or name another file")
        }
        session.log.info("\(title): making \(path) again, because \(reasons)")
        return false
    }

    /// The team's next chunks. Its first rank speaks for it.
    ///
    /// - Parameter reserve: seconds that a chunk and what follows it take.
    private func next(_ dealer: ChunkDealer, _ results: [ChunkDealer.Result], reserve: Double) throws -> [Int] {
        let team = model.team
        let isStopping = try team.allReduceMax(StopSignal.isRequested(reserve: reserve) ? 1 : 0) == 1
        let dealt = team.rank == 0 ? try dealer.exchange(results, for: team.size, isStopping: isStopping) : []
        let message = try team.broadcast(ByteWriter.bytes(of: dealt) { $1.write($0) }, from: 0)
        return try ByteReader.array(of: message) { try $0.readInt() }
    }
}

/// A file that grows by whole chunks of items, over any number of interrupted runs.
protocol ResultWriter {
    /// Items per chunk.
    var chunkRows: Int { get }
    /// For every chunk, whether its results are stored.
    var done: [Bool] { get }
    /// With the operating system when it returns, and on the disk soon after.
    func write(rows: Range<Int>, result: [UInt8]) throws
    /// Returns when all that was written is on the disk.
    func commit() throws
    func finish() throws
}

/// One whose results are figures, as many for each item.
protocol ChunkWriter: ResultWriter {
    func write(rows: Range<Int>, values: [Double]) throws
}

extension ChunkWriter {
    func write(rows: Range<Int>, result: [UInt8]) throws {
        try write(rows: rows, values: try ByteReader.array(of: result) { try $0.readDouble() })
    }
}
