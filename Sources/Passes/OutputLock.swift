import Diagnostics
import Foundation
import Synchronization

/// One job at a time writes to an output directory: `OUTPUT/.lock` is locked while a process runs and says which.
///
/// The lock is the kernel's (`flock`), so it ends with its process however that ends, on one host and, where the file
/// system hands locks on, over NFS too. The text is for the message alone.
package enum OutputLock {
    /// Locked files of this process, by path; they stay open until it ends.
    private static let held = Mutex<Set<String>>([])

    /// - Returns: what to warn of, if the file system has no locks.
    /// - Throws: `RDOError.artefact` naming the other job, `.usage` when the file cannot be written.
    package static func take(_ directory: String) throws -> String? {
        let path = URL(ofFile: directory).standardizedFileURL.path + "/.lock"
        return try held.withLock { held in
            guard !held.contains(path) else { return nil }
            let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
            guard file >= 0 else { throw failure("cannot write", path) }
            guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
                defer { close(file) }
                guard errno == EWOULDBLOCK else {
                    return "no locks in \(directory) (\(String(cString: strerror(errno)))): start no second job on it"
                }
                throw RDOError(
                    .artefact, "another job writes to this output: \(text(of: file))", at: path,
                    remedy: "wait until it ends, stop it, or choose another output")
            }
            let owner = Array(description.utf8)
            guard ftruncate(file, 0) == 0, pwrite(file, owner, owner.count, 0) == owner.count else {
                defer { close(file) }
                throw failure("cannot write", path)
            }
            held.insert(path)
            return nil
        }
    }

    /// Host, process, job where there is one, and time.
    private static var description: String {
        let machine = ProcessInfo.processInfo
        let job = machine.environment["SLURM_JOB_ID"].map { ", job \($0)" } ?? ""
        var (host, now, parts) = ([CChar](repeating: 0, count: 256), time(nil), tm())
        gethostname(&host, host.count - 1)
        gmtime_r(&now, &parts)
        var stamp = [CChar](repeating: 0, count: 32)
        strftime(&stamp, stamp.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
        func text(_ characters: [CChar]) -> String {
            String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        return "process \(machine.processIdentifier) on \(text(host))\(job), since \(text(stamp))"
    }

    private static func text(of file: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = pread(file, &bytes, bytes.count, 0)
        return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : "it does not say which"
    }

    private static func failure(_ what: String, _ path: String) -> RDOError {
        RDOError(.usage, "\(what) (\(String(cString: strerror(errno))))", at: path, remedy: "choose a writable output")
    }
}
