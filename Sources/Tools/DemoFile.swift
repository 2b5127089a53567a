import Diagnostics
import Foundation

/// A text file that the demo writes again at every start, and never over anybody else's.
struct DemoFile {
    private let path: String
    private let isOwn: (_ firstLine: String) -> Bool

    /// - Parameter isOwn: whether the first line of a file is one of the demo's.
    init(_ path: String, isOwn: @escaping (_ firstLine: String) -> Bool) { (self.path, self.isOwn) = (path, isOwn) }

    /// - Throws: `RDOError.artefact` when a file of another making stands there.
    func requireOwn() throws {
        guard FileManager.default.fileExists(atPath: path) else { return }
        let text = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
        guard isOwn(String(text.prefix { $0 != "\n" })) else {
            throw RDOError(
                .artefact, "something else than the demo's file stands here", at: path,
                remedy: "name another output: --set output=DIRECTORY")
        }
    }

    /// - Throws: as `requireOwn`; `RDOError.usage` when the file cannot be written.
    func write(_ text: String) throws {
        try requireOwn()
        do {
            let directory = (path as NSString).deletingLastPathComponent
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(ofFile: path), options: .atomic)
        } catch {
            throw RDOError(.usage, "cannot write (\(error.localizedDescription))", at: path)
        }
    }
}
