import CKernels
import Diagnostics
import Foundation

/// The instruction set the kernels are compiled for, chosen once per process: the best that the processor has, or a
/// lower one named by the environment variable `RDO_ISA` (`baseline`, `avx2` or `avx512`).
///
/// `avx2` and `avx512` give the same bits. `baseline` may differ in the last place on x86-64, where it has no fused
/// multiply-add.
public enum InstructionSet: String, CaseIterable, Sendable, Comparable {
    /// SSE2 on x86-64, NEON on arm64.
    case baseline
    case avx2
    case avx512

    /// The one in use.
    public static var active: InstructionSet { Kernels.active.instructionSet }

    /// - Throws: `RDOError.usage` when `RDO_ISA` names no instruction set, or one this processor lacks. Kernels then
    ///   run with the best one available up to it, so a program checks this once at its start.
    public static func validateEnvironment() throws {
        guard let name = environmentValue else { return }
        func refusal(_ what: String) -> RDOError {
            let names = available.map(\.rawValue).joined(separator: ", ")
            return RDOError(
                .usage, what, at: "environment variable RDO_ISA", remedy: "unset it or use one of \(names)")
        }
        guard let requested = InstructionSet(rawValue: name) else {
            throw refusal("\"\(name)\" is not an instruction set")
        }
        guard available.contains(requested) else { throw refusal("this processor cannot run \(name)") }
    }

    public static func < (a: InstructionSet, b: InstructionSet) -> Bool {
        (allCases.firstIndex(of: a) ?? 0) < (allCases.firstIndex(of: b) ?? 0)
    }

    /// What this processor and build can run.
    static var available: [InstructionSet] { allCases.filter { rdo_kernels_named($0.rawValue) != nil } }

    /// The best available one that is no better than what `RDO_ISA` asks for.
    static var preferred: InstructionSet {
        let limit = environmentValue.flatMap(InstructionSet.init) ?? .avx512
        return available.last { $0 <= limit } ?? .baseline
    }

    private static var environmentValue: String? { ProcessInfo.processInfo.environment["RDO_ISA"] }
}

/// The kernels of one instruction set. `@unchecked Sendable`: the table is a constant of the program.
struct Kernels: @unchecked Sendable {
    let instructionSet: InstructionSet
    private let table: UnsafePointer<rdo_kernels>

    /// Nil when this processor lacks the instruction set.
    init?(_ instructionSet: InstructionSet) {
        guard let table = rdo_kernels_named(instructionSet.rawValue) else { return nil }
        (self.instructionSet, self.table) = (instructionSet, table)
    }

    /// Set once, before any arithmetic; only tests replace it.
    nonisolated(unsafe) static var active: Kernels = {
        guard let kernels = Kernels(.preferred) else { preconditionFailure("the baseline kernels are always there") }
        return kernels
    }()

    /// The active table: `Kernels.call.add(...)`.
    @inline(__always)
    static var call: rdo_kernels { active.table.pointee }
}
