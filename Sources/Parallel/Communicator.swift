import COpenMPI
import Diagnostics
import Tensors

/// A group of ranks and the collectives among them.
///
/// Every method that communicates is collective: all ranks of the communicator call the same methods in the same order.
/// All wait for their result; the communication thread runs them. A failing MPI call throws `RDOError.peers`.
///
/// `@unchecked Sendable`: what changes is touched by the communication thread alone.
package final class Communicator: @unchecked Sendable {
    package let rank: Int
    package let size: Int
    let handle: MPI_Comm
    /// The world only: the same ranks again, for a barrier that no pending collective disturbs.
    let farewell: MPI_Comm?
    /// Buffer of messages in flight, kept between calls because fresh pages cost as much as the copy through them.
    private var messageBuffer = FloatBuffer(count: 0)

    /// Most bytes in one message: MPI counts are 32 bits wide.
    private static let messageLimit = 1 << 30

    init(_ handle: MPI_Comm, farewell: MPI_Comm? = nil) throws {
        (self.handle, self.farewell) = (handle, farewell)
        var (rank, size): (Int32, Int32) = (0, 0)
        try check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank")
        try check(MPI_Comm_size(handle, &size), "MPI_Comm_size")
        (self.rank, self.size) = (Int(rank), Int(size))
    }

    /// The ranks that pass the same `color`, ordered by `key`.
    package func split(color: Int, key: Int) throws -> Communicator {
        try part("MPI_Comm_split") { MPI_Comm_split(handle, Int32(color), Int32(key), &$0) }
    }

    /// The ranks of this communicator that share memory with this one, in their order.
    func splitByNode() throws -> Communicator {
        try part("MPI_Comm_split_type") {
            MPI_Comm_split_type(handle, Int32(MPI_COMM_TYPE_SHARED), Int32(rank), rdo_mpi_info_null(), &$0)
        }
    }

    private func part(_ call: String, _ make: (inout MPI_Comm?) -> Int32) throws -> Communicator {
        var part: MPI_Comm?
        try CommunicationThread.shared.perform { try check(make(&part), call) }
        guard let part else { throw RDOError(.peers, "\(call) gave no communicator") }
        return try Communicator(part)
    }

    package func barrier() throws { try run("MPI_Ibarrier") { MPI_Ibarrier(handle, &$0) } }

    /// Starts a nonblocking call on the communication thread and waits for it.
    private func run(_ call: String, _ start: (inout MPI_Request?) -> Int32) throws {
        try CommunicationThread.shared.perform { try Requests.run(call, start) }
    }

    // MARK: - Numbers

    /// Element-wise sums over the ranks, exact unless they overflow. `values` has one length on all ranks.
    package func allReduceSum(_ values: [Int64]) throws -> [Int64] { try allReduce(values, rdo_mpi_sum()) }

    package func allReduceMax(_ value: Int) throws -> Int { Int(try allReduce([Int64(value)], rdo_mpi_max())[0]) }

    /// Every rank's number, of which each knows its own.
    func allGather(_ value: Int) throws -> [Int] {
        try allReduceSum((0..<size).map { $0 == rank ? Int64(value) : 0 }).map { Int($0) }
    }

    private func allReduce(_ values: [Int64], _ operation: MPI_Op) throws -> [Int64] {
        var result = values
        try result.withUnsafeMutableBytes { raw in
            try run("MPI_Iallreduce") {
                MPI_Iallreduce(
                    rdo_mpi_in_place(), raw.baseAddress, Int32(values.count), rdo_mpi_int64(), operation, handle, &$0)
            }
        }
        return result
    }

    // MARK: - Bytes

    /// The root's bytes on every rank; what the others pass is ignored.
    package func broadcast(_ bytes: [UInt8], from root: Int) throws -> [UInt8] {
        var count = Int64(bytes.count)
        try withUnsafeMutablePointer(to: &count) { count in
            try run("MPI_Ibcast") { MPI_Ibcast(count, 1, rdo_mpi_int64(), Int32(root), handle, &$0) }
        }
        var result = rank == root ? bytes : [UInt8](repeating: 0, count: Int(count))
        try result.withUnsafeMutableBytes { raw in
            for start in stride(from: 0, to: raw.count, by: Self.messageLimit) {
                let piece = UnsafeMutableRawBufferPointer(rebasing: raw[start...].prefix(Self.messageLimit))
                try run("MPI_Ibcast") {
                    MPI_Ibcast(piece.baseAddress, Int32(piece.count), rdo_mpi_byte(), Int32(root), handle, &$0)
                }
            }
        }
        return result
    }

    /// Every rank's bytes, of any length, in rank order.
    package func allGather(_ bytes: [UInt8]) throws -> [[UInt8]] {
        let counts = try allGather(bytes.count)
        let starts = counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
        guard starts[size] <= Self.messageLimit else { return try (0..<size).map { try broadcast(bytes, from: $0) } }
        var all = [UInt8](repeating: 0, count: starts[size])
        try all.withUnsafeMutableBytes { all in
            try bytes.withUnsafeBytes { bytes in
                try allGather(bytes.baseAddress, rdo_mpi_byte(), counts: counts, into: all.baseAddress, at: starts)
            }
        }
        return (0..<size).map { Array(all[starts[$0]..<starts[$0 + 1]]) }
    }

    /// Every rank's `counts[rank]` elements at `places[rank]` of `all`.
    private func allGather(
        _ own: UnsafeRawPointer?, _ type: MPI_Datatype, counts: [Int], into all: UnsafeMutableRawPointer?,
        at places: [Int]
    ) throws {
        let (counts, places) = (counts.map { Int32($0) }, places.map { Int32($0) })
        // The arguments of a nonblocking call must stay where they are until it is complete.
        try counts.withUnsafeBufferPointer { counts in
            try places.withUnsafeBufferPointer { places in
                try run("MPI_Iallgatherv") {
                    MPI_Iallgatherv(
                        own, counts[rank], type, all, counts.baseAddress, places.baseAddress, type, handle, &$0)
                }
            }
        }
    }

    // MARK: - Floats, on the communication thread

    /// Every rank's `counts[rank]` floats on every rank, handed over piece by piece so that slices of any size pass
    /// through a buffer of a few megabytes.
    ///
    /// - Parameter deliver: a rank, a range of its floats, and their values (valid during the call only).
    func allGather(
        _ own: UnsafePointer<Float>, counts: [Int],
        deliver: (_ rank: Int, _ range: Range<Int>, _ values: UnsafePointer<Float>) -> Void
    ) throws {
        let limit = roundLength
        let buffer = messageSpace(pieces: size, of: limit)
        let places = (0..<size).map { $0 * limit }
        for start in stride(from: 0, to: counts.max() ?? 0, by: limit) {
            let ranges = counts.map { min(start, $0)..<min(start + limit, $0) }
            let values = own + ranges[rank].lowerBound
            try allGather(values, rdo_mpi_float(), counts: ranges.map(\.count), into: buffer, at: places)
            for (sender, range) in ranges.enumerated() where !range.isEmpty {
                deliver(sender, range, buffer + sender * limit)
            }
        }
    }

    /// Sends floats to one rank while receiving from another.
    func exchange(
        sending values: UnsafePointer<Float>, count: Int, to destination: Int,
        receiving target: UnsafeMutablePointer<Float>, count receivedCount: Int, from source: Int
    ) throws {
        var requests: [MPI_Request?] = [rdo_mpi_request_null(), rdo_mpi_request_null()]
        try check(
            MPI_Irecv(target, Int32(receivedCount), rdo_mpi_float(), Int32(source), 0, handle, &requests[0]),
            "MPI_Irecv")
        try check(
            MPI_Isend(values, Int32(count), rdo_mpi_float(), Int32(destination), 0, handle, &requests[1]), "MPI_Isend")
        try Requests.finish("MPI_Isend and MPI_Irecv", &requests)
    }

    /// Floats of one message between two ranks: large enough for full speed, small enough to stay in a cache.
    static let pieceLength = 1 << 18

    /// Floats that each rank contributes to one round of an exchange: 1 MB, fewer with many ranks so that a round's
    /// messages need about 16 MB at most. The same on all ranks.
    var roundLength: Int { max(min(Self.pieceLength, (1 << 22) / size), 1 << 14) }

    /// Memory for `pieces` messages; its contents are lost at the next call.
    func messageSpace(pieces: Int, of count: Int) -> UnsafeMutablePointer<Float> {
        if messageBuffer.count < pieces * count { messageBuffer = FloatBuffer(count: pieces * count) }
        return messageBuffer.pointer
    }
}

/// Turns a failing MPI call into an error.
func check(_ code: Int32, _ call: String) throws {
    guard code != MPI_SUCCESS else { return }
    var text = [CChar](repeating: 0, count: Int(MPI_MAX_ERROR_STRING))
    var length: Int32 = 0
    MPI_Error_string(code, &text, &length)
    let message = String(decoding: text.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    throw RDOError(
        .peers, "\(call) failed: \(message)",
        remedy: "look for a rank or node that died; then run the same command again to continue")
}
