import COpenMPI
import Diagnostics
import Foundation
import Tensors

/// Memory that the ranks of one node share: what they all need whole, such as gathered parameters, exists once a node.
///
/// Windows are given out again rather than freed, because freeing is collective and the end of a Swift object is not.
///
/// `@unchecked Sendable`: windows are lent, returned and freed by one thread at a time, in the order of the program.
final class NodeMemory: @unchecked Sendable {
    /// All ranks of this node.
    let ranks: Communicator
    private var windows: [Window] = []

    /// Bytes: as buffers are aligned.
    private static let alignment = 64

    init(ranks: Communicator) { self.ranks = ranks }

    /// Collective over the node. Zeros at first, whatever the last user left later.
    ///
    /// - Returns: nil when the node has no room for it (often a small /dev/shm).
    /// - Throws: `RDOError.peers`.
    func borrow(count: Int) throws -> Loan? {
        if let window = windows.first(where: { !$0.isLent && $0.count >= count }) { return Loan(window) }
        guard let window = try allocate(count: count) else { return nil }
        windows.append(window)
        return Loan(window)
    }

    /// Makes writes of this rank visible to the node's ranks, and theirs to this rank, once all have called it.
    func synchronize(_ loan: Loan) throws {
        try CommunicationThread.shared.perform {
            try check(MPI_Win_sync(loan.window.handle), "MPI_Win_sync")
            try ranks.barrier()
            try check(MPI_Win_sync(loan.window.handle), "MPI_Win_sync")
        }
    }

    /// Bytes beside a window's own: the library's header and page for each rank.
    private static let overhead = 1 << 20

    /// Whether a file of that size fits where the library makes it: a directory that was named, else /dev/shm. Without that
    /// it takes a directory of its own.
    private static func hasRoom(for bytes: Int) -> Bool {
        let named = ProcessInfo.processInfo.environment["OMPI_MCA_osc_sm_backing_directory"]
        let directory = named ?? "/dev/shm"
        guard access(directory, W_OK) == 0 else { return named == nil }
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else { return true }
        return Double(status.f_bavail) * Double(status.f_frsize) >= Double(bytes)
    }

    private func allocate(count: Int) throws -> Window? {
        try CommunicationThread.shared.perform {
            // Windows that nobody uses would only take room from the new one.
            for window in windows where !window.isLent { try window.free() }
            windows.removeAll { !$0.isLent }

            // The library's refusal reaches one rank alone, and the others wait for that one for ever: asked first.
            let needed = count * MemoryLayout<Float>.stride + Self.overhead
            let hasRoom = ranks.rank != 0 || Self.hasRoom(for: needed)
            guard try ranks.allReduceMax(hasRoom ? 0 : 1) == 0 else { return nil }

            var base: UnsafeMutableRawPointer?
            var handle: MPI_Win? = rdo_mpi_win_null()
            // The window begins behind a header of the library's, at the same place of a page on every rank.
            let bytes = ranks.rank == 0 ? count * MemoryLayout<Float>.stride + Self.alignment : 0
            let code = MPI_Win_allocate_shared(
                MPI_Aint(bytes), Int32(MemoryLayout<Float>.stride), rdo_mpi_info_null(), ranks.handle, &base, &handle)
            let isEverywhere = try ranks.allReduceMax(code == MPI_SUCCESS ? 0 : 1) == 0
            guard isEverywhere, let handle else { return nil }
            var size: MPI_Aint = 0
            var unit: Int32 = 0
            try check(MPI_Win_shared_query(handle, 0, &size, &unit, &base), "MPI_Win_shared_query")
            try check(MPI_Win_lock_all(Int32(MPI_MODE_NOCHECK), handle), "MPI_Win_lock_all")
            guard let base else { throw RDOError(.peers, "MPI_Win_shared_query gave no memory") }
            let pointer = base.alignedUp(toMultipleOf: Self.alignment).bindMemory(to: Float.self, capacity: count)
            return Window(handle: handle, pointer: pointer, count: count)
        }
    }

    final class Window {
        let handle: MPI_Win
        let pointer: UnsafeMutablePointer<Float>
        let count: Int
        var isLent = false

        init(handle: MPI_Win, pointer: UnsafeMutablePointer<Float>, count: Int) {
            (self.handle, self.pointer, self.count) = (handle, pointer, count)
        }

        func free() throws {
            try check(MPI_Win_unlock_all(handle), "MPI_Win_unlock_all")
            var handle: MPI_Win? = handle
            try check(MPI_Win_free(&handle), "MPI_Win_free")
        }
    }

    /// The use of a window, until the end of this object.
    final class Loan {
        let window: Window

        init(_ window: Window) {
            self.window = window
            window.isLent = true
        }

        deinit { window.isLent = false }

        /// A part of the window.
        func buffer(at offset: Int, count: Int) -> FloatBuffer {
            FloatBuffer(at: window.pointer + offset, count: count, keeping: self)
        }
    }
}
