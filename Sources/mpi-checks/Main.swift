import Diagnostics
import Foundation
import Parallel

/// Runs one named check on every rank of `mpirun -n N mpi-checks NAME`; the test suite of `Parallel` starts it.
///
/// Exits 0 when the check holds on all ranks. What rank 0 prints is compared between numbers of ranks.
@main enum Main {
    static func main() {
        let name = CommandLine.arguments.dropFirst().first ?? ""
        do {
            let world = try Communicator.startMPI()
            var failure: RDOError?
            do { try run(name, world) } catch { failure = error as? RDOError ?? RDOError(.numerical, "\(error)") }
            exit(world.conclude(with: failure, patience: 1) { report($0) })
        } catch {
            report(error)
            exit((error as? RDOError)?.kind.rawValue ?? 1)
        }
    }

    private static func run(_ name: String, _ world: Communicator) throws {
        switch name {
        case "collectives": try checkCollectives(world)
        case "agreement": try checkAgreement(world)
        case "parameters": try checkParameters(world)
        case "frozen": try checkFrozen(world)
        case "totals": try checkTotals(world)
        case "norms": try checkNorms(world)
        case "shared-failure": throw RDOError(.data, "a failure of all", at: "file:1")
        case "lonely-failure":
            // The last rank fails where the others do not look: they wait in a barrier.
            if world.rank == world.size - 1 { throw RDOError(.data, "a failure of one", at: "file:2") }
            try world.barrier()
        case "lost-peer":
            // The last rank ends without a word.
            if world.rank == world.size - 1 { raise(SIGKILL) }
            try world.barrier()
        default: throw RDOError(.usage, "no check named \(name)")
        }
    }

    private static func report(_ error: any Error) {
        StandardError.write("mpi-checks: \(error)\n")
    }
}

/// The error that `body` throws. To throw none is a failure of the check.
func refusal(_ what: String, line: Int = #line, _ body: () throws -> Void) throws -> RDOError {
    do { try body() } catch let error as RDOError { return error }
    throw CheckFailure(description: "line \(line): \(what)")
}

struct CheckFailure: Error, CustomStringConvertible {
    let description: String
}

func require(_ condition: Bool, _ what: String, line: Int = #line) throws {
    if !condition { throw CheckFailure(description: "line \(line): \(what)") }
}
