import Coding
import Diagnostics
import Foundation
import Tensors

/// One safetensors file: a length, a JSON header, raw little-endian tensors. Rows are read when asked for.
///
/// Format: https://github.com/huggingface/safetensors, "Format".
package final class SafetensorsFile {
    struct Entry {
        let type: SafetensorsType
        let shape: [Int]
        /// Bytes within the file.
        let bytes: Range<Int>
    }

    let path: String
    private(set) var entries: [String: Entry]
    private let descriptor: Int32
    /// Bytes of a header: the format's own limit.
    private static let headerLimit: UInt64 = 100_000_000
    /// Of "version https://git-lfs.github.com/spec/v1", as it is read.
    private static let pointerStart = "version ".utf8.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }

    /// Opens the file and checks its header against its size.
    ///
    /// - Throws: `RDOError.artefact` naming the file, and the tensor where one is to blame.
    package static func open(_ path: String) throws -> SafetensorsFile { try SafetensorsFile(path) }

    private init(_ path: String) throws {
        func bad(_ what: String) -> RDOError { RDOError(.artefact, what, at: path, remedy: "get the file again") }
        self.path = path
        try InputFile.requireRegular(path)
        let descriptor = Foundation.open(path, O_RDONLY)
        self.descriptor = descriptor
        // Without it a file that is refused would stay open: deinit does not run for an object that was never made.
        var accepted = false
        defer { if !accepted && descriptor >= 0 { close(descriptor) } }
        guard descriptor >= 0 else {
            throw RDOError(.artefact, "cannot open (\(String(cString: strerror(errno))))", at: path)
        }
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { throw bad("cannot read its size") }
        let size = Int(info.st_size)
        var length: UInt64 = 0
        guard size >= 8, withUnsafeMutableBytes(of: &length, { pread(descriptor, $0.baseAddress, 8, 0) }) == 8 else {
            throw bad("the file has \(size) bytes, too few for a safetensors header")
        }
        length = UInt64(littleEndian: length)
        guard length != Self.pointerStart else {
            throw RDOError(
                .artefact, GitLFSPointer.what, at: path, remedy: GitLFSPointer.remedy)
        }
        guard length <= UInt64(size - 8) else {
            throw bad("its header claims \(length) bytes but the file has \(size): truncated or damaged")
        }
        guard length <= Self.headerLimit else {
            throw bad("its header claims \(length) bytes; the format allows \(Self.headerLimit)")
        }
        var header = [UInt8](repeating: 0, count: Int(length))
        let count = header.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 8) }
        guard count == Int(length), case .object(let members)? = try? JSONParser.parse(header) else {
            throw bad("its header is not JSON")
        }
        let names = members.map { String(decoding: $0.key, as: UTF8.self) }
        guard Set(names).count == names.count else { throw bad("its header names a tensor twice") }
        let start = 8 + Int(length)
        var entries: [String: Entry] = [:]
        // In order of names, so that every rank reports the same tensor.
        for (name, member) in zip(names, members).sorted(by: { $0.0 < $1.0 }) where name != "__metadata__" {
            entries[name] = try Self.entry(name, member.value, start: start, size: size, bad: bad)
        }
        // An empty tensor overlaps nothing.
        let ordered = entries.filter { !$0.value.bytes.isEmpty }.sorted {
            $0.value.bytes.lowerBound < $1.value.bytes.lowerBound
        }
        for (one, next) in zip(ordered, ordered.dropFirst())
        where one.value.bytes.upperBound > next.value.bytes.lowerBound {
            throw bad("tensors \(one.key) and \(next.key) overlap")
        }
        // The format allows no bytes between or after tensors: what no tensor claims points to a damaged header.
        let claimed = ordered.reduce(0) { $0 + $1.value.bytes.count }
        guard claimed == size - start else {
            throw bad("its tensors take \(claimed) bytes of the \(size - start) behind the header: damaged")
        }
        self.entries = entries
        accepted = true
    }

    deinit { close(descriptor) }

    private static func entry(
        _ name: String, _ value: JSONValue, start: Int, size: Int, bad: (String) -> RDOError
    ) throws -> Entry {
        guard let typeName = value["dtype"]?.text, let shape = value["shape"]?.elements(\.integer),
            let offsets = value["data_offsets"]?.elements(\.integer), offsets.count == 2, shape.allSatisfy({ $0 >= 0 }),
            offsets[0] >= 0, offsets[0] <= offsets[1]
        else { throw bad("the header's entry for \(name) is malformed") }
        // Types that no model here uses are kept out of sight until somebody asks for them.
        let type = SafetensorsType(rawValue: typeName) ?? .other
        var elements = 1
        for dimension in shape {
            let (product, overflow) = elements.multipliedReportingOverflow(by: dimension)
            guard !overflow, product < 1 << 50 else { throw bad("tensor \(name) has an impossible shape \(shape)") }
            elements = product
        }
        guard type == .other || offsets[1] - offsets[0] == elements * type.byteCount else {
            throw bad("tensor \(name) of shape \(shape) and type \(typeName) has \(offsets[1] - offsets[0]) bytes")
        }
        guard offsets[1] <= size - start else {
            throw bad("tensor \(name) ends beyond the end of the file: truncated")
        }
        return Entry(type: type, shape: shape, bytes: (start + offsets[0])..<(start + offsets[1]))
    }

    /// Gives tensors other names, by their old ones.
    func rename(_ names: [String: String]) {
        entries = Dictionary(entries.map { (names[$0] ?? $0, $1) }, uniquingKeysWith: { one, _ in one })
    }

    package func contains(_ name: String) -> Bool { entries[name] != nil }

    /// - Throws: `RDOError.artefact` when the tensor is missing or has another shape or an unsupported type.
    package func check(_ name: String, shape: [Int]) throws {
        guard let entry = entries[name] else { throw RDOError(.artefact, "tensor \(name) is missing", at: path) }
        guard entry.shape == shape else {
            throw RDOError(
                .artefact, "tensor \(name) has shape \(entry.shape), the configuration says \(shape)", at: path,
                remedy: "use the config.json that belongs to these weights")
        }
        guard entry.type != .other else {
            throw RDOError(
                .artefact, "tensor \(name) has an unsupported number type", at: path,
                remedy: "supported are F32, F16 and BF16")
        }
    }

    /// Reads rows (dimension 0) of a tensor as floats.
    ///
    /// - Precondition: `check` has passed and `values` has room.
    /// - Throws: `RDOError.artefact` when the file cannot be read.
    package func read(_ name: String, rows: Range<Int>, into values: UnsafeMutablePointer<Float>) throws {
        guard let entry = entries[name] else { preconditionFailure("check the tensor first") }
        precondition(rows.lowerBound >= 0 && rows.upperBound <= entry.shape.first ?? 1, "rows outside \(name)")
        let rowSize = entry.shape.dropFirst().reduce(1, *)
        let count = rows.count * rowSize
        let offset = entry.bytes.lowerBound + rows.lowerBound * rowSize * entry.type.byteCount
        switch entry.type {
        case .f32:
            try read(offset, UnsafeMutableRawBufferPointer(start: values, count: 4 * count))
        case .f16, .bf16:
            let expand = entry.type == .f16 ? HalfPrecision.float16ToFloat : HalfPrecision.bf16ToFloat
            // A bounded block at a time, so that the raw values never exist whole beside the floats.
            let blockSize = 1 << 20
            let block = UnsafeMutablePointer<UInt16>.allocate(capacity: min(count, blockSize))
            defer { block.deallocate() }
            for start in stride(from: 0, to: count, by: blockSize) {
                let size = min(blockSize, count - start)
                try read(offset + 2 * start, UnsafeMutableRawBufferPointer(start: block, count: 2 * size))
                expand(block, values + start, size)
            }
        case .other: preconditionFailure("check the tensor first")
        }
    }

    /// Feeds the tensor's raw bytes to `digest`.
    func digest(_ name: String, into digest: DigestStream) throws {
        guard let entry = entries[name] else { preconditionFailure("no such tensor") }
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 22, alignment: 64)
        defer { block.deallocate() }
        for start in stride(from: entry.bytes.lowerBound, to: entry.bytes.upperBound, by: block.count) {
            let part = UnsafeMutableRawBufferPointer(
                rebasing: block[..<min(block.count, entry.bytes.upperBound - start)])
            try read(start, part)
            digest.update(UnsafeRawBufferPointer(part))
        }
    }

    private func read(_ offset: Int, _ bytes: UnsafeMutableRawBufferPointer) throws {
        var done = 0
        while done < bytes.count {
            let count = pread(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                throw RDOError(
                    .artefact, "cannot read at byte \(offset + done)", at: path, remedy: "get the file again")
            }
            done += count
        }
    }
}

/// Number types of tensors in a file; computations are in fp32 whatever it is.
package enum SafetensorsType: String, Sendable {
    case f32 = "F32"
    case f16 = "F16"
    case bf16 = "BF16"
    case other

    var byteCount: Int { self == .f32 ? 4 : 2 }
}
