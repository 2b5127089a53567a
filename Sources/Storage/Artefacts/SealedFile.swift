import Coding
import Columns
import Diagnostics
import Foundation

/// HDF5 files with a digest of their own bytes in the user block, the 512 bytes at the start that HDF5 leaves to programs.
///
/// Fletcher32 guards the data of chunked datasets but neither texts nor all bookkeeping, and the library can crash on
/// damaged texts; so the digest is compared before the library sees the file. Other programs read the file as usual and
/// need not know about the block; files they make have none and are taken as they are.
enum SealedFile {
    static let blockSize = 512

    /// The block: one line of text, then zeros.
    private static func block(_ digest: Digest, byteCount: Int) -> [UInt8] {
        let text = Array("rdo xxh3-128 \(digest) of the \(byteCount) bytes after this block\n".utf8)
        return text + [UInt8](repeating: 0, count: blockSize - text.count)
    }

    /// Writes an artefact: `fill` writes the content of a temporary file, which is then closed, sealed, synced and renamed
    /// to `path`. Whatever happens, `path` is either as before or complete.
    static func write(_ path: String, header: ArtefactHeader, _ fill: (HDF5File) throws -> Void) throws {
        try publish(path) { temporary in
            let file = try HDF5File(creating: temporary, userBlock: blockSize)
            try header.write(to: file)
            try fill(file)
            try file.close()
            try seal(temporary)
        }
    }

    /// A copy of an artefact, changed by `change`, at `out`, which may be the same path. One without a digest gets none:
    /// whatever made it left no room.
    static func amend(_ path: String, to out: String, _ change: (HDF5File) throws -> Void) throws {
        let isSealed = try checkSeal(of: path)
        try publish(out) { temporary in
            try Durable.attempt("copy", path) {
                let source = URL(ofFile: path).resolvingSymlinksInPath()
                try FileManager.default.copyItem(at: source, to: URL(ofFile: temporary))
                try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: temporary)
            }
            let file = try HDF5File(changing: temporary, format: isSealed ? .checksummed : .crashTolerant)
            try change(file)
            try file.close()
            if isSealed { try seal(temporary) }
        }
    }

    /// Lets `make` make a temporary file, and gives it its name when it is on the disk.
    private static func publish(_ path: String, _ make: (_ temporary: String) throws -> Void) throws {
        let temporary = path + ".writing"
        try Durable.remove(temporary)
        do {
            try make(temporary)
            try Durable.sync(temporary)
            try Durable.rename(temporary, to: path)
        } catch {
            try? Durable.remove(temporary)
            throw error
        }
    }

    private static func seal(_ path: String) throws {
        let (digest, byteCount) = try Digest.of(file: path, from: blockSize)
        try overwriteStart(of: path, with: block(digest, byteCount: byteCount))
    }

    private static func overwriteStart(of path: String, with bytes: [UInt8]) throws {
        let descriptor = Foundation.open(path, O_WRONLY)
        guard descriptor >= 0 else { throw RDOError.system("seal", path) }
        defer { close(descriptor) }
        guard pwrite(descriptor, bytes, bytes.count, 0) == bytes.count else { throw RDOError.system("seal", path) }
    }

    /// Opens an artefact of one of `schemas`. `isSealed` is false for a file of another program.
    ///
    /// - Throws: `RDOError(.artefact)` when it is no HDF5 file, differs from its digest or has another schema.
    static func open(
        _ path: String, schemas: [String]
    ) throws -> (file: HDF5File, header: ArtefactHeader, isSealed: Bool) {
        let isSealed = try checkSeal(of: path)
        let file = try HDF5File(opening: path)
        return (file, try ArtefactHeader(of: file, schemas: schemas), isSealed)
    }

    /// The digest that the file carries, whether or not it agrees with it; nil when it carries none.
    static func statedDigest(of path: String) throws -> String? {
        _ = try InputFile.exists(path)
        guard let handle = FileHandle(forReadingAtPath: path) else { throw RDOError.system("open", path) }
        defer { try? handle.close() }
        let block = try Durable.attempt("read", path) { try handle.read(upToCount: blockSize) ?? Data() }
        let words = block.prefix { $0 != 0 }.split(separator: UInt8(ascii: " "))
        guard words.count > 2, words[0].elementsEqual("rdo".utf8), words[1].elementsEqual("xxh3-128".utf8) else {
            return nil
        }
        return String(decoding: words[2], as: UTF8.self)
    }

    /// True when the file carries a digest and agrees with it, false when it carries none.
    static func checkSeal(of path: String) throws -> Bool {
        _ = try InputFile.exists(path)
        guard let handle = FileHandle(forReadingAtPath: path) else { throw RDOError.system("open", path) }
        defer { try? handle.close() }
        let block = try Durable.attempt("read", path) { Array(try handle.read(upToCount: blockSize) ?? Data()) }
        // Two marks, so that damage to one of them does not make the block look like another program's.
        guard block.starts(with: "rdo ".utf8) || block.dropFirst(4).starts(with: "xxh3-128 ".utf8) else { return false }
        let (digest, byteCount) = try Digest.of(file: path, from: blockSize)
        guard block == self.block(digest, byteCount: byteCount) else {
            throw RDOError(
                .artefact, "the file differs from its own digest: it is damaged, truncated or was changed in place",
                at: path, remedy: "make it again; to use a changed copy, write the content to a new HDF5 file")
        }
        return true
    }
}

extension HDF5Location {
    /// Creates a one-dimensional dataset of numbers with checksums.
    func write<T: HDF5Number>(_ values: some RandomAccessCollection<T>, to name: String) throws {
        let layout = HDF5Layout.checked(rowBytes: MemoryLayout<T>.stride)
        let dataset = try createDataset(name, of: T.self, shape: [values.count], layout: layout)
        try values.forEachBlock { try dataset.write($0, rows: $1) }
    }

    /// Creates a dataset `[n, 16]` of bytes with checksums.
    func write(_ keys: some RandomAccessCollection<ContentKey>, to name: String) throws {
        let layout = HDF5Layout.checked(rowBytes: 16)
        let dataset = try createDataset(name, of: UInt8.self, shape: [keys.count, 16], layout: layout)
        try keys.forEachBlock { try dataset.write($0.flatMap(\.bytes), rows: $1) }
    }

    /// The keys in a dataset `[n, 16]` of bytes or `[n]` of 16-byte opaque values (`V16` in numpy).
    func readKeys(_ name: String) throws -> ScratchColumn<ContentKey> {
        let dataset = try dataset(name)
        let isOpaque = dataset.element == .opaque(bytes: 16) && dataset.shape.count == 1
        let isBytes = dataset.element == .integer && dataset.elementSize == 1 && dataset.shape.dropFirst() == [16]
        guard isOpaque || isBytes else {
            throw RDOError(
                .artefact, "\(dataset.path) does not hold keys", at: file.filePath,
                remedy: "expected bytes of shape [n, 16], or n opaque values of 16 bytes")
        }
        let keys = ScratchColumn<ContentKey>()
        try (0..<dataset.rows).forEachBlock { _, rows in
            let bytes = try isOpaque ? dataset.readOpaque(rows: rows) : dataset.read(UInt8.self, rows: rows)
            try bytes.withUnsafeBytes { bytes in
                for start in stride(from: 0, to: bytes.count, by: 16) {
                    try keys.append(ContentKey(Digest(bytes, at: start)))
                }
            }
        }
        return keys
    }

    /// A list of numbers that must have `count` elements.
    func readList<T: HDF5Number>(
        _ name: String, _ type: T.Type, count: Int, like other: String
    ) throws -> ScratchColumn<T> {
        let dataset = try dataset(name)
        guard dataset.shape == [count] else {
            throw RDOError(
                .artefact, "\(dataset.path) has shape \(dataset.shape) but \(other) has \(count) rows",
                at: file.filePath)
        }
        let values = ScratchColumn<T>()
        try (0..<count).forEachBlock { try values.append(contentsOf: dataset.read(type, rows: $1)) }
        return values
    }

    /// Like `readList`, nil when the dataset does not exist.
    func readListIfPresent<T: HDF5Number>(
        _ name: String, _ type: T.Type, count: Int, like other: String
    ) throws -> ScratchColumn<T>? {
        try exists(name) ? readList(name, type, count: count, like: other) : nil
    }
}
