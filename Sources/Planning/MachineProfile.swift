import Coding
import Diagnostics
import Foundation

/// How fast a node is with so many ranks working at once: what `rdo bench` measures and `rdo plan` reads.
package struct MachineProfile: Codable, Sendable, Equatable {
    /// Effective rates of the package's own forward and backward code, floating-point operations a second and rank:
    /// element-wise work and memory traffic are in them.
    package struct Rate: Codable, Sendable, Equatable {
        /// Hidden size for blocks and head; head size for attention.
        package var size: Int
        /// Forward alone.
        package var forward: Double
        /// Forward and backward together.
        package var training: Double
    }

    package var ranksPerNode: Int
    package var software: String
    /// Operations a second of one large product on each rank.
    package var gemmPeak: Double
    package var blocks: [Rate]
    package var attention: [Rate]
    package var head: [Rate]
    /// Bytes a second of sums of long vectors on each rank.
    package var streamBandwidth: Double
    /// AdamW updates a second and rank.
    package var optimizerRate: Double
    /// Bytes a second of each rank's gradient, summed over the ranks of the node; and seconds each sum takes however small.
    package var reduceBandwidth: Double
    package var reduceLatency: Double
    /// Bytes of a process before it holds a model.
    package var baseBytes: Double

    /// The rate measured nearest to `size` on a logarithmic scale.
    static func rate(_ rates: [Rate], _ size: Int) -> Rate? {
        rates.min { abs(log(Double($0.size) / Double(size))) < abs(log(Double($1.size) / Double(size))) }
    }

    fileprivate func scaled(by factor: Double) -> MachineProfile {
        func scale(_ rates: [Rate]) -> [Rate] {
            rates.map { Rate(size: $0.size, forward: $0.forward * factor, training: $0.training * factor) }
        }
        var result = self
        (result.blocks, result.attention, result.head) = (scale(blocks), scale(attention), scale(head))
        result.gemmPeak *= factor
        result.streamBandwidth *= factor
        result.optimizerRate *= factor
        result.reduceBandwidth *= factor
        return result
    }

    fileprivate var isUsable: Bool {
        let rates =
            (blocks + attention + head).flatMap { [$0.forward, $0.training] }
            + [gemmPeak, streamBandwidth, optimizerRate, reduceBandwidth]
        return !blocks.isEmpty && !attention.isEmpty && !head.isEmpty && rates.allSatisfy { $0.isFinite && $0 > 0 }
    }
}

/// The profiles of a machine, by ranks per node, in one JSON file.
package struct MachineFile: Codable, Sendable, Equatable {
    package var schema = "rdo.machine/1"
    package var profiles: [MachineProfile]

    package init(profiles: [MachineProfile]) { self.profiles = profiles }

    /// - Throws: `RDOError.artefact` when it is missing or not such a file.
    package static func read(_ path: String) throws -> MachineFile {
        let remedy = "make one with `mpirun -n N rdo bench --out \(path)`"
        guard let bytes = try InputFile.contents(of: path) else {
            throw RDOError(.artefact, "cannot read the machine's rates", at: path, remedy: remedy)
        }
        guard let file = try? JSONDecoder().decode(MachineFile.self, from: Data(bytes)), file.schema == "rdo.machine/1",
            !file.profiles.isEmpty, file.profiles.allSatisfy(\.isUsable)
        else { throw RDOError(.artefact, "not a file of `rdo bench`", at: path, remedy: remedy) }
        return file
    }

    /// Nil when there is no such file.
    /// - Throws: `RDOError.artefact` when something else stands there, which is not to be replaced.
    package static func readIfPresent(_ path: String) throws -> MachineFile? {
        try InputFile.exists(path) ? read(path) : nil
    }

    /// Puts a profile into the file at `path`, in place of one with as many ranks.
    /// - Throws: `RDOError` when something else stands there, or the file cannot be written.
    package static func merge(_ profile: MachineProfile, into path: String) throws {
        var file = try readIfPresent(path) ?? MachineFile(profiles: [])
        file.merge(profile)
        try file.write(path)
    }

    /// The same machine with ranks that are `factor` times as fast at everything they do on their node.
    package func scaled(by factor: Double) -> MachineFile {
        MachineFile(profiles: profiles.map { $0.scaled(by: factor) })
    }

    /// Puts `profile` in place of one with as many ranks.
    package mutating func merge(_ profile: MachineProfile) {
        profiles.removeAll { $0.ranksPerNode == profile.ranksPerNode }
        profiles = (profiles + [profile]).sorted { $0.ranksPerNode < $1.ranksPerNode }
    }

    package func write(_ path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        do { try encoder.encode(self).write(to: URL(ofFile: path)) } catch {
            throw RDOError(.usage, "cannot write (\(error.localizedDescription))", at: path)
        }
    }

    /// The profile measured with the number of ranks nearest to `ranks`.
    package func profile(ranksPerNode ranks: Int) -> MachineProfile {
        guard let nearest = profiles.min(by: { abs($0.ranksPerNode - ranks) < abs($1.ranksPerNode - ranks) }) else {
            preconditionFailure("a machine file has a profile")
        }
        return nearest
    }
}
