import Diagnostics
import Foundation

/// A column of numbers of any length, for the time of a pass: in a file without a name in the system's temporary directory
/// (`TMPDIR`), so that it takes no memory of the process. A short one never leaves memory.
///
/// Use from one thread at a time.
package final class ScratchColumn<Element: BitwiseCopyable>: RandomAccessCollection {
    private var file: ScratchFile?
    /// How many elements the file has.
    private var stored = 0
    /// Those after them.
    private var tail: [Element] = []
    /// What was read last from the file.
    private var run: (start: Int, values: [Element]) = (0, [])

    private static var tailLimit: Int { Swift.max(1, 1 << 18 / MemoryLayout<Element>.stride) }
    private static var runLength: Int { Swift.max(1, 1 << 14 / MemoryLayout<Element>.stride) }

    package init() {}

    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    package convenience init(_ elements: some Sequence<Element>) throws {
        self.init()
        for element in elements { try append(element) }
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { stored + tail.count }
    // The library's own are generic, and a third of the time of going through many elements.
    package func index(after index: Int) -> Int { index + 1 }
    package func formIndex(after index: inout Int) { index += 1 }

    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    package func append(_ element: Element) throws {
        tail.append(element)
        if tail.count == Self.tailLimit { try spill() }
    }

    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    package func append(contentsOf elements: some Sequence<Element>) throws {
        for element in elements { try append(element) }
    }

    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    package func append(contentsOf elements: [Element]) throws {
        var rest = elements[...]
        while !rest.isEmpty {
            let part = rest.prefix(Self.tailLimit - tail.count)
            tail += part
            rest = rest.dropFirst(part.count)
            if tail.count == Self.tailLimit { try spill() }
        }
    }

    /// Elements that are read one after the other are read in runs.
    package subscript(index: Int) -> Element {
        if index >= stored { return tail[index - stored] }
        if index < run.start || index >= run.start + run.values.count {
            let follows = index == run.start + run.values.count
            run = (index, values(index..<Swift.min(stored, index + (follows ? Self.runLength : 1))))
        }
        return run.values[index - run.start]
    }

    /// Some elements at once. A collection cannot throw: a file that was written and cannot be read ends the process with
    /// one line.
    package func values(_ range: Range<Int>) -> [Element] {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "no such elements")
        let inFile = range.clamped(to: 0..<stored)
        let inTail = range.clamped(to: stored..<count)
        var values: [Element] = []
        if let file, !inFile.isEmpty {
            values = [Element](unsafeUninitializedCapacity: range.count) { buffer, initialized in
                let own = UnsafeMutableBufferPointer(rebasing: buffer[..<inFile.count])
                do { try file.read(own, at: inFile.lowerBound) } catch { RDOError.end(with: error) }
                initialized = inFile.count
            }
        }
        return values + tail[(inTail.lowerBound - stored)..<(inTail.upperBound - stored)]
    }

    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    package func replace(_ index: Int, with element: Element) throws {
        if index >= stored {
            tail[index - stored] = element
        } else {
            try withUnsafePointer(to: element) { try file?.write(UnsafeBufferPointer(start: $0, count: 1), at: index) }
            run = (0, [])
        }
    }

    private func spill() throws {
        let file = try self.file ?? ScratchFile()
        self.file = file
        try tail.withUnsafeBufferPointer { try file.write($0, at: stored) }
        stored += tail.count
        tail.removeAll(keepingCapacity: true)
    }
}

extension ScratchColumn: Equatable where Element: Equatable {
    package static func == (a: ScratchColumn, b: ScratchColumn) -> Bool { a.elementsEqual(b) }
}

/// A file without a name: it is gone with the process, however that ends.
private final class ScratchFile {
    private let descriptor: Int32

    init() throws {
        let directory = FileManager.default.temporaryDirectory.path
        var name = Array((directory + "/rdo-XXXXXX").utf8CString)
        descriptor = mkstemp(&name)
        guard descriptor >= 0 else { throw Self.failure("create a file in", directory) }
        unlink(name)
        // Nor do programs that this one starts keep it.
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    deinit { close(descriptor) }

    func write<T>(_ values: UnsafeBufferPointer<T>, at index: Int) throws {
        var bytes = UnsafeRawBufferPointer(values)[...]
        while !bytes.isEmpty {
            let place = off_t(index * MemoryLayout<T>.stride + bytes.startIndex)
            let count = pwrite(descriptor, UnsafeRawBufferPointer(rebasing: bytes).baseAddress, bytes.count, place)
            // A disk that fills up takes a part first, and says why with the next.
            guard count > 0 else { throw Self.failure("write to", FileManager.default.temporaryDirectory.path) }
            bytes = bytes.dropFirst(count)
        }
    }

    func read<T>(_ values: UnsafeMutableBufferPointer<T>, at index: Int) throws {
        let bytes = UnsafeMutableRawBufferPointer(values)
        guard pread(descriptor, bytes.baseAddress, bytes.count, off_t(index * MemoryLayout<T>.stride)) == bytes.count
        else { throw Self.failure("read from", FileManager.default.temporaryDirectory.path) }
    }

    private static func failure(_ what: String, _ directory: String) -> RDOError {
        RDOError(
            .artefact, "cannot \(what) the temporary directory (\(String(cString: strerror(errno))))", at: directory,
            remedy: "set TMPDIR to a directory with some gigabytes of room")
    }
}
