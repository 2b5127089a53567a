import COpenMPI
import Coding
import Diagnostics
import Foundation

/// Deals numbered chunks of work to teams of ranks whenever one asks, and collects what they found on rank 0.
///
/// Rank 0 works on chunks too; its communication thread answers the other teams meanwhile.
///
/// `@unchecked Sendable`: what both threads of rank 0 change is behind a lock.
package final class ChunkDealer: @unchecked Sendable {
    /// A finished chunk and what was found.
    package typealias Result = (chunk: Int, bytes: [UInt8])

    private let world: Communicator
    /// Used by nothing else, so that no other message is taken for a request.
    private let channel: Communicator
    private let store: (Result) throws -> Void

    // Of rank 0 alone.
    private let lock = NSLock()
    private var remaining: ArraySlice<Int>
    private var isStopping = false
    private var failure: (any Error)?

    /// Collective over `world`.
    ///
    /// - Parameters:
    ///   - chunks: what is to be done, in the order in which it is dealt; rank 0's list counts.
    ///   - store: keeps a result for good. Called on rank 0 for one result at a time, on any thread.
    /// - Throws: `RDOError.peers`.
    package init(world: Communicator, chunks: [Int], store: @escaping (Result) throws -> Void) throws {
        (self.world, self.store) = (world, store)
        remaining = chunks[...]
        channel = try world.split(color: 0, key: world.rank)
        if world.rank == 0 { try CommunicationThread.shared.serve { [self] in try answer() } }
    }

    /// Hands in results and asks for more work. Called by one rank of each team, until nothing comes back.
    ///
    /// - Parameters:
    ///   - count: how many chunks the team can work on at once.
    ///   - isStopping: the team was asked to stop: from now on nobody is dealt anything.
    /// - Throws: `RDOError.peers`.
    package func exchange(_ results: [Result], for count: Int, isStopping: Bool) throws -> [Int] {
        if world.rank == 0 { return deal(results, for: count, isStopping: isStopping) }
        var message = ByteWriter()
        message.write(count)
        message.write(isStopping)
        message.write(results) { result, bytes in
            bytes.write(result.chunk)
            bytes.write(counted: result.bytes)
        }
        // The answer's count and chunks, none of them longer.
        var answer = [UInt8](repeating: 0, count: (count + 1) * ByteWriter.longestInteger)
        try CommunicationThread.shared.perform {
            try message.bytes.withUnsafeBytes { request in
                try answer.withUnsafeMutableBytes { answer in
                    var requests: [MPI_Request?] = [rdo_mpi_request_null(), rdo_mpi_request_null()]
                    try check(
                        MPI_Irecv(
                            answer.baseAddress, Int32(answer.count), rdo_mpi_byte(), 0, Self.answerTag, channel.handle,
                            &requests[0]), "MPI_Irecv")
                    try check(
                        MPI_Isend(
                            request.baseAddress, Int32(request.count), rdo_mpi_byte(), 0, Self.requestTag,
                            channel.handle, &requests[1]), "MPI_Isend")
                    try Requests.finish("asking for work", &requests)
                }
            }
        }
        return try ByteReader.array(of: answer) { try $0.readInt() }
    }

    /// Collective over the world, after every team has been given nothing. Returns whether work remains because
    /// somebody was asked to stop.
    ///
    /// - Throws: what `store` threw, on all ranks.
    package func conclude() throws -> Bool {
        // Rank 0 answers while it waits for the others here.
        try world.barrier()
        if world.rank == 0 { try CommunicationThread.shared.serve(nil) }
        try world.agree(lock.withLock { failure })
        return try world.allReduceMax(lock.withLock { isStopping && !remaining.isEmpty } ? 1 : 0) == 1
    }

    // MARK: - On rank 0

    private static let requestTag: Int32 = 1
    private static let answerTag: Int32 = 2

    private func deal(_ results: [Result], for count: Int, isStopping stops: Bool) -> [Int] {
        lock.withLock {
            do { for result in results where failure == nil { try store(result) } } catch { failure = error }
            isStopping = isStopping || stops
            guard !isStopping, failure == nil else { return [] }
            let dealt = remaining.prefix(count)
            remaining = remaining.dropFirst(count)
            return Array(dealt)
        }
    }

    /// Answers one request, if there is any.
    private func answer() throws {
        var isThere: Int32 = 0
        var status = MPI_Status()
        try check(MPI_Iprobe(Int32(MPI_ANY_SOURCE), Self.requestTag, channel.handle, &isThere, &status), "MPI_Iprobe")
        guard isThere != 0 else { return }
        var length: Int32 = 0
        try check(MPI_Get_count(&status, rdo_mpi_byte(), &length), "MPI_Get_count")
        var request = [UInt8](repeating: 0, count: Int(length))
        try check(
            MPI_Recv(
                &request, length, rdo_mpi_byte(), status.MPI_SOURCE, Self.requestTag, channel.handle,
                rdo_mpi_status_ignore()), "MPI_Recv")

        var message = ByteReader(request)
        let (count, isStopping) = (try message.readInt(), try message.readBool())
        let results = try message.readArray { (chunk: try $0.readInt(), bytes: try $0.readBytes()) }
        let answer = ByteWriter.bytes(of: deal(results, for: count, isStopping: isStopping)) { $1.write($0) }
        // A few bytes: sent without waiting for the receiver.
        try check(
            MPI_Send(answer, Int32(answer.count), rdo_mpi_byte(), status.MPI_SOURCE, Self.answerTag, channel.handle),
            "MPI_Send")
    }
}
