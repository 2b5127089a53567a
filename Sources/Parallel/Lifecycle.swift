import COpenMPI
import Diagnostics
import Foundation

/// The beginning and the end of MPI in this process.
extension Communicator {
    /// This process's rank as its launcher tells it, before MPI starts and where MPI could not start; 0 without a
    /// launcher. For messages that only one process shall print.
    package static var launchedRank: Int {
        let environment = ProcessInfo.processInfo.environment
        let slurm = environment["SLURM_STEP_ID"] == nil ? nil : environment["SLURM_PROCID"]
        return (environment["OMPI_COMM_WORLD_RANK"] ?? environment["PMIX_RANK"] ?? slurm).flatMap(Int.init) ?? 0
    }

    /// Starts MPI, once in a process. Returns all ranks.
    ///
    /// - Throws: `RDOError.peers` when MPI cannot start, or when the launcher started several processes that do not
    ///   know each other: each would believe to be alone and all would write the same files.
    package static func startMPI() throws -> Communicator {
        let environment = ProcessInfo.processInfo.environment
        // Open MPI ends the process with a long message when `srun` offers it no PMI at all: say it in one line before.
        if environment["PMIX_RANK"] == nil && environment["PMI_RANK"] == nil {
            try refuseSingletons(size: 1, environment)
        }
        var provided: Int32 = 0
        try check(MPI_Init_thread(nil, nil, Int32(MPI_THREAD_SERIALIZED), &provided), "MPI_Init_thread")
        guard provided >= Int32(MPI_THREAD_SERIALIZED) else {
            throw RDOError(.peers, "this MPI library cannot be used by more than one thread")
        }
        // Communicators made from this one inherit the handler.
        try check(MPI_Comm_set_errhandler(rdo_mpi_world(), rdo_mpi_errors_return()), "MPI_Comm_set_errhandler")
        var farewell: MPI_Comm?
        try check(MPI_Comm_dup(rdo_mpi_world(), &farewell), "MPI_Comm_dup")
        let world = try Communicator(rdo_mpi_world(), farewell: farewell)
        do {
            try refuseSingletons(size: world.size, environment)
            try Neighbours.learn(world)
        } catch {
            finishMPI()
            throw error
        }
        return world
    }

    /// A Slurm step of several tasks, not started by `mpirun`, is one job of several ranks.
    static func refuseSingletons(size: Int, _ environment: [String: String]) throws {
        guard size == 1, environment["OMPI_COMM_WORLD_SIZE"] == nil, environment["SLURM_STEP_ID"] != nil,
            let tasks = (environment["SLURM_STEP_NUM_TASKS"] ?? environment["SLURM_NTASKS"]).flatMap(Int.init),
            tasks > 1
        else { return }
        throw RDOError(
            .peers, "Slurm started \(tasks) tasks but each is alone in MPI",
            remedy: "start with `srun --mpi=pmix` or with `mpirun`")
    }

    /// Ends MPI on this rank. Collective when all goes well; nothing can be communicated afterwards.
    package static func finishMPI() {
        var (started, finished): (Int32, Int32) = (0, 0)
        MPI_Initialized(&started)
        MPI_Finalized(&finished)
        guard started != 0 && finished == 0 else { return }
        CommunicationThread.shared.halt()
        MPI_Finalize()
    }

    /// Ends every rank at once with `code`.
    package static func abort(code: Int32) -> Never {
        CommunicationThread.shared.halt()
        MPI_Abort(rdo_mpi_world(), code)
        _exit(code)
    }

    /// The end of the program on every rank, called on the world once: exactly one rank reports the first failure, then
    /// MPI is finished.
    ///
    /// A failure that the other ranks do not share leaves them waiting for this one somewhere in a collective: when they
    /// do not arrive here within `patience` seconds, this rank reports and ends them all.
    /// - Returns: the exit code of the process: 0, or the kind of the failure.
    package func conclude(with failure: RDOError?, patience: Double = 20, report: (RDOError) -> Void) -> Int32 {
        do {
            let shared = try sharedFailure(failure, patience: patience)
            if let shared, rank == 0 { report(shared) }
            Self.finishMPI()
            return shared?.kind.rawValue ?? 0
        } catch {
            // Ranks that lost the same peer get here together: the first to abort ends the others before they speak.
            sleep(UInt32(3 * min(Neighbours.survivors(below: rank), 10)))
            let error = error as? RDOError ?? RDOError(.peers, "\(error)")
            report(error)
            Self.abort(code: error.kind.rawValue)
        }
    }

    /// The failure of the lowest rank that has one, on all ranks.
    /// - Throws: the own failure when the others do not come for it; `.peers` when they cannot be asked.
    private func sharedFailure(_ failure: RDOError?, patience: Double) throws -> RDOError? {
        if let failure {
            guard failure.kind != .peers, try everybodyArrives(within: patience) else { throw failure }
        } else {
            _ = try everybodyArrives(within: .infinity)
        }
        do {
            try agree(failure)
            return nil
        } catch let error as RDOError where error.kind != .peers {
            return error
        }
    }

    /// True when every rank calls this within `seconds`.
    private func everybodyArrives(within seconds: Double) throws -> Bool {
        try CommunicationThread.shared.perform {
            var request = rdo_mpi_request_null()
            try check(MPI_Ibarrier(farewell ?? handle, &request), "MPI_Ibarrier")
            let deadline = Date().timeIntervalSince1970 + seconds
            var isDone: Int32 = 0
            var tests = 0
            while true {
                try check(MPI_Test(&request, &isDone, rdo_mpi_status_ignore()), "MPI_Test")
                if isDone != 0 { return true }
                if Date().timeIntervalSince1970 > deadline { return false }
                usleep(1000)
                tests += 1
                // Not at once: a rank that arrived may end before this one has heard of it.
                if tests % 3000 == 0 { try Neighbours.requireAlive() }
            }
        }
    }
}
