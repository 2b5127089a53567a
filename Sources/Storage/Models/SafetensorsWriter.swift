import Diagnostics
import Foundation
import Tensors

/// Writes one safetensors file, tensor by tensor in the order announced.
final class SafetensorsWriter {
    private let path: String
    private let type: SafetensorsType
    private let handle: FileHandle
    private var expected: ArraySlice<(name: String, count: Int)>

    /// - Throws: `RDOError.usage` when the file cannot be created.
    init(path: String, tensors: [(name: String, shape: [Int])], type: SafetensorsType) throws {
        precondition(type == .f32 || type == .bf16, "weights are written as F32 or BF16")
        (self.path, self.type) = (path, type)
        expected = tensors.map { ($0.name, $0.shape.reduce(1, *)) }[...]
        var header: [String: Any] = ["__metadata__": ["format": "pt"]]
        var offset = 0
        for (tensor, size) in zip(tensors, expected) {
            let end = offset + size.count * type.byteCount
            header[tensor.name] = ["dtype": type.rawValue, "shape": tensor.shape, "data_offsets": [offset, end]]
            offset = end
        }
        var text = try JSONSerialization.data(withJSONObject: header, options: [.sortedKeys, .withoutEscapingSlashes])
        // Tensors start at a multiple of 8 bytes.
        text.append(contentsOf: [UInt8](repeating: 0x20, count: (8 - text.count % 8) % 8))
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let handle = FileHandle(forWritingAtPath: path)
        else { throw RDOError(.usage, "cannot create the file", at: path, remedy: "choose a writable directory") }
        self.handle = handle
        try write(withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) } + text)
    }

    /// Writes the next tensor.
    ///
    /// - Precondition: it is the next of the announced ones and whole.
    func write(_ name: String, values: UnsafeBufferPointer<Float>) throws {
        guard let next = expected.popFirst() else { preconditionFailure("all tensors are written") }
        precondition(next.name == name && next.count == values.count, "\(next.name) is the next tensor")
        guard let start = values.baseAddress else { return }
        let blockSize = 1 << 20
        for offset in stride(from: 0, to: values.count, by: blockSize) {
            let count = min(blockSize, values.count - offset)
            if type == .f32 {
                try write(Data(bytes: start + offset, count: 4 * count))
            } else {
                var block = [UInt16](repeating: 0, count: count)
                block.withUnsafeMutableBufferPointer { buffer in
                    guard let target = buffer.baseAddress else { return }
                    HalfPrecision.floatToBF16(start + offset, into: target, count: count)
                }
                try write(block.withUnsafeBytes { Data($0) })
            }
        }
    }

    /// Syncs and closes the file.
    func finish() throws {
        precondition(expected.isEmpty, "\(expected.count) tensors are not written")
        do {
            try handle.synchronize()
            try handle.close()
        } catch { throw failure(error) }
    }

    private func write(_ data: Data) throws {
        do { try handle.write(contentsOf: data) } catch { throw failure(error) }
    }

    private func failure(_ error: any Error) -> RDOError {
        RDOError(.usage, "cannot write (\(error.localizedDescription))", at: path, remedy: "make room on the disk")
    }
}
