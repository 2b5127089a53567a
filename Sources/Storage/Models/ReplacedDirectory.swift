import Diagnostics
import Foundation

/// A directory that is written beside its place and takes it when complete. One that this program wrote there before is
/// replaced; one with any other file in it is not, since that file would be lost.
package struct ReplacedDirectory {
    /// What every directory of this program has one of.
    private static let marks = [ModelOrigin.fileName, initialModelName]
    static let initialModelName = "rdo-init.json"

    /// Where files are written until `publish`.
    let partial: String
    private let path: String

    /// - Parameter ownNames: what a directory may hold and still be replaced.
    /// - Throws: `RDOError.usage` when the directory cannot be written or holds other files, `.artefact` when it cannot be
    ///   read.
    init(_ path: String, ownNames: [String]) throws {
        // Without a final slash, which would put the partial directory inside.
        self.path = Durable.absolute(path)
        partial = self.path + ".partial"
        try checkReplaceable(ownNames)
        try Durable.remove(partial)
        do { try FileManager.default.createDirectory(atPath: partial, withIntermediateDirectories: true) } catch {
            throw RDOError(
                .usage, "cannot create the directory (\(error.localizedDescription))", at: partial,
                remedy: "choose a writable directory")
        }
    }

    func publish() throws { try Durable.publish(partial, as: path, replaced: Self.replaced(path)) }

    private static func replaced(_ path: String) -> String { path + ".replaced" }

    /// Removes what an interrupted write of this directory left, and puts back what it was about to replace.
    /// - Throws: `RDOError.artefact` when that cannot be done.
    package static func settle(_ path: String) throws {
        let path = Durable.absolute(path)
        try Durable.settle(path, replaced: replaced(path))
        try Durable.remove(path + ".partial")
    }

    static func write(_ content: Data, to path: String) throws {
        do { try content.write(to: URL(ofFile: path)) } catch {
            throw RDOError(.usage, "cannot write (\(error.localizedDescription))", at: path)
        }
        try Durable.sync(path)
    }

    private func checkReplaceable(_ ownNames: [String]) throws {
        guard try Durable.exists(path, .usage) else { return }
        guard let files = try Durable.files(in: path) else {
            throw RDOError(.usage, "it exists and is no directory", at: path, remedy: "name a new directory")
        }
        let names = files.map { URL(ofFile: $0).lastPathComponent }
        if let other = names.first(where: { !ownNames.contains($0) }) {
            throw RDOError(
                .usage, "it exists and holds \(other), which would be lost", at: path, remedy: "name a new directory")
        }
        // Files of the same names may be anybody's: a directory of this program says so.
        guard names.isEmpty || !Set(names).isDisjoint(with: Self.marks) else {
            throw RDOError(
                .usage, "it exists and was not written by this program", at: path, remedy: "name a new directory")
        }
    }
}
