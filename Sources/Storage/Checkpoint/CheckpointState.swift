import Diagnostics

/// Everything of a training run that is not an array.
package struct CheckpointState: Sendable, Equatable, Encodable {
    /// Updates made so far.
    package var step: Int
    /// Position in the endless stream of samples.
    package var samplesConsumed: Int
    package var epoch: Int
    package var seed: UInt64
    /// The training task: sft, reward, difference, dpo, rrhf, kto.
    package var task: String
    /// The learning-rate schedule, as configured.
    package var schedule: String
    package var referenceDigest: String?
    package var coefficientDigest: String?
    /// OpenBLAS core type and threads per rank: with these and the mesh, a run repeats bit for bit.
    package var blasCore: String
    package var blasThreads: Int
    /// Whatever else the pass keeps.
    package var extra: [String: String]

    package init(
        step: Int, samplesConsumed: Int, epoch: Int, seed: UInt64, task: String, schedule: String,
        referenceDigest: String? = nil, coefficientDigest: String? = nil, blasCore: String, blasThreads: Int,
        extra: [String: String] = [:]
    ) {
        (self.step, self.samplesConsumed, self.epoch, self.seed) = (step, samplesConsumed, epoch, seed)
        (self.task, self.schedule) = (task, schedule)
        (self.referenceDigest, self.coefficientDigest) = (referenceDigest, coefficientDigest)
        (self.blasCore, self.blasThreads, self.extra) = (blasCore, blasThreads, extra)
    }

    init(of file: HDF5File) throws {
        let group = try file.group("/state")
        func missing(_ name: String) -> RDOError {
            RDOError(.artefact, "/state lacks the attribute \(name)", at: file.filePath)
        }
        func number(_ name: String) throws -> Int {
            guard let value = try group.integer(name) else { throw missing(name) }
            guard (0...1 << 48).contains(value) else {
                throw RDOError(.artefact, "the attribute \(name) of /state is \(value)", at: file.filePath)
            }
            return value
        }
        func text(_ name: String) throws -> String {
            guard let value = try group.text(name) else { throw missing(name) }
            return value
        }
        guard case .unsigned(let seed)? = try group.attribute("seed") else { throw missing("seed") }
        var extra: [String: String] = [:]
        for (name, value) in try file.group("/state/extra").attributes() { extra[name] = value.description }
        self.init(
            step: try number("step"), samplesConsumed: try number("samples_consumed"), epoch: try number("epoch"),
            seed: seed, task: try text("task"), schedule: try text("schedule"),
            referenceDigest: try group.text("reference_digest"),
            coefficientDigest: try group.text("coefficient_digest"), blasCore: try text("blas_core"),
            blasThreads: try number("blas_threads"), extra: extra)
    }

    func write(to file: HDF5File) throws {
        let group = try file.createGroup("/state")
        try group.setAttribute("step", .integer(Int64(step)))
        try group.setAttribute("samples_consumed", .integer(Int64(samplesConsumed)))
        try group.setAttribute("epoch", .integer(Int64(epoch)))
        try group.setAttribute("seed", .unsigned(seed))
        try group.setAttribute("task", .text(task))
        try group.setAttribute("schedule", .text(schedule))
        if let referenceDigest { try group.setAttribute("reference_digest", .text(referenceDigest)) }
        if let coefficientDigest { try group.setAttribute("coefficient_digest", .text(coefficientDigest)) }
        try group.setAttribute("blas_core", .text(blasCore))
        try group.setAttribute("blas_threads", .integer(Int64(blasThreads)))
        let extras = try file.createGroup("/state/extra")
        for (name, value) in extra.sorted(by: { $0.key < $1.key }) { try extras.setAttribute(name, .text(value)) }
    }
}
