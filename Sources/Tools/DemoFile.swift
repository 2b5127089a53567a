import Coding
import Diagnostics
import Foundation

/// A text file that the demo writes again at every start, and never over anybody else's.
struct DemoFile {
    private let path: String
    private let isOwn: (_ firstLine: String) -> Bool

    /// - Parameter isOwn: whether the first line of a file is one of the demo's.
    init(_ path: String, isOwn: @escaping (_ firstLine: String) -> Bool) { (self.path, self.isOwn) = (path, isOwn) }

    /// - Throws: `RDOError.artefact` when something of another making stands there, or it cannot be read.
    func requireOwn() throws {
        guard let bytes = try InputFile.contents(of: path) else { return }
        guard isOwn(String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)) else {
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
