import ArgumentParser
import Diagnostics
import Storage

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read artefacts whole and compare their checksums: checkpoints, coefficient and reference files.")

    @Argument(help: "Checkpoint directories and HDF5 files.")
    var paths: [String]

    func run() throws {
        for path in paths { print("\(path): \(try Artefacts.verify(path))") }
    }
}
