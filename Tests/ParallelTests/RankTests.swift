import Diagnostics
import TestSupport
import Testing

@testable import Parallel

/// Runs `mpi-checks` through `mpirun`; what a check demands stands in `Sources/mpi-checks`.
@Suite(.serialized) struct RankTests {
    private func run(_ check: String, ranks: Int) throws -> ProcessResult {
        try CommandRunner.run("mpi-checks", [check], ranks: ranks, timeout: 120)
    }

    @Test(arguments: [1, 2, 3, 4, 8]) func collectives(ranks: Int) throws {
        let result = try run("collectives", ranks: ranks)
        #expect(result.status == 0, "\(result.error)")
    }

    @Test(arguments: [1, 2, 3, 4]) func everyRankThrowsTheFirstError(ranks: Int) throws {
        let result = try run("agreement", ranks: ranks)
        #expect(result.status == 0, "\(result.error)")
    }

    @Test(arguments: [1, 2, 3, 4, 8]) func parametersAreGatheredOnEveryMesh(ranks: Int) throws {
        let result = try run("parameters", ranks: ranks)
        #expect(result.status == 0, "\(result.error)")
    }

    @Test(arguments: [1, 2, 3, 4]) func frozenParametersAreWholeOnEveryRank(ranks: Int) throws {
        let result = try run("frozen", ranks: ranks)
        #expect(result.status == 0, "\(result.error)")
    }

    @Test func gradientTotalsHaveTheSameBitsOnEveryMesh() throws {
        var digests: [String: Set<Substring>] = [:]
        for ranks in [1, 2, 4, 8] {
            let result = try run("totals", ranks: ranks)
            #expect(result.status == 0, "\(result.error)")
            for line in result.output.split(separator: "\n") {
                let words = line.split(separator: " ")
                digests[String(words[0]), default: []].insert(words[2])
            }
        }
        #expect(digests.keys.sorted() == ["V=1", "V=16", "V=2", "V=4", "V=6", "V=7", "V=8"])
        for (leaves, found) in digests { #expect(found.count == 1, "\(leaves): \(found)") }
    }

    @Test func gradientTotalsOfThreeRanksAreRightToRounding() throws {
        let result = try run("totals", ranks: 3)
        #expect(result.status == 0, "\(result.error)")
    }

    @Test func normsAndLossesHaveTheSameBitsOnEveryNumberOfRanks() throws {
        var found: Set<String> = []
        for ranks in [1, 2, 3, 4, 8] {
            let result = try run("norms", ranks: ranks)
            #expect(result.status == 0, "\(result.error)")
            found.insert(result.output)
        }
        #expect(found.count == 1 && found.first?.hasPrefix("norm ") == true, "\(found)")
    }

    /// A failure that all ranks share and one that the others do not know of: one line, the failure's exit code.
    @Test(arguments: ["shared-failure", "lonely-failure"]) func oneRankReportsAFailure(check: String) throws {
        for ranks in [1, 3] {
            let result = try run(check, ranks: ranks)
            #expect(result.status == RDOError.Kind.data.rawValue)
            #expect(
                result.error.split(separator: "\n").filter { $0.hasPrefix("mpi-checks: ") }.count == 1,
                "\(result.error)")
            #expect(result.seconds < 60)
        }
    }

    @Test func aLostRankEndsAllOthers() throws {
        let result = try run("lost-peer", ranks: 3)
        #expect(result.status != 0)
        #expect(result.seconds < 60)
    }
}

/// When the ranks of a node can keep gathered parameters once.
@Suite struct NodePlacementTests {
    @Test(arguments: [
        // One node, whatever the shards.
        ([0, 0, 0, 0], 4, true), ([0, 0, 0, 0], 2, true), ([0], 1, true),
        // A replica over two nodes, two replicas on each of two nodes, one rank a node.
        ([0, 0, 2, 2], 4, true), ([0, 0, 0, 0, 4, 4, 4, 4], 2, true), ([0, 1, 2, 3], 2, true),
        // Nodes of different sizes, ranks dealt round, replicas that do not end where nodes do.
        ([0, 0, 0, 3], 4, false), ([0, 1, 0, 1], 4, false), ([0, 0, 0, 3, 3, 3], 2, false),
        ([0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8], 6, false),
    ]) func evenPlacements(nodes: [Int], shards: Int, isEven: Bool) {
        #expect(NodePlacement.isEven(nodes, shards: shards) == isEven)
    }
}

/// A launcher that starts ranks which do not know each other is refused; everything else is let through.
@Suite struct SingletonTests {
    @Test func slurmStepsThatMPIDoesNotSeeAreRefused() {
        for variable in ["SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"] {
            let environment = ["SLURM_STEP_ID": "0", variable: "4"]
            #expect {
                try Communicator.refuseSingletons(size: 1, environment)
            } throws: { error in
                (error as? RDOError)?.kind == .peers && "\(error)".contains("srun --mpi=pmix")
            }
        }
    }

    @Test(arguments: [
        (size: 4, environment: ["SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"]),
        (size: 1, environment: [:]),
        // A batch script of a job of several tasks is no step.
        (size: 1, environment: ["SLURM_JOB_ID": "7", "SLURM_NTASKS": "4"]),
        // `mpirun -n 1` there, whose daemon is a step.
        (size: 1, environment: ["SLURM_STEP_ID": "0", "SLURM_NTASKS": "4", "OMPI_COMM_WORLD_SIZE": "1"]),
        // `srun -n 1` in a job of several tasks.
        (size: 1, environment: ["SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "4"]),
    ]) func otherStartsAreAllowed(size: Int, environment: [String: String]) throws {
        try Communicator.refuseSingletons(size: size, environment)
    }

    @Test func theProgramSaysSoBeforeMPIStarts() throws {
        let result = try CommandRunner.run(
            "mpi-checks", ["collectives"], timeout: 60,
            environment: ["SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"])
        #expect(result.status == RDOError.Kind.peers.rawValue)
        #expect(result.error.split(separator: "\n").count == 1, "\(result.error)")
    }
}
