import CHDF5
import Columns
import Diagnostics
import Foundation

extension HDF5 {
    /// The type of a UTF-8 string of `length` bytes, or of variable length as h5py writes `str`.
    static func withUTF8Type<Result>(
        length: Int? = nil, at path: String, _ body: (Int64) throws -> Result
    ) throws -> Result {
        try with("prepare a string type", at: path, open: { H5Tcopy(rdo_h5_c_string()) }, close: H5Tclose) { type in
            try call("prepare a string type", at: path) { H5Tset_size(type, length ?? rdo_h5_variable()) }
            try call("prepare a string type", at: path) { H5Tset_cset(type, H5T_CSET_UTF8) }
            return try body(type)
        }
    }

    /// Reads `count` strings of the file's type `type`, of variable or fixed length.
    ///
    /// - Parameter read: reads into the given memory type and buffer.
    /// - Throws: `RDOError(.artefact)` when a string is not UTF-8.
    static func readStrings(
        _ type: Int64, count: Int, at path: String, _ purpose: String,
        _ read: (_ type: Int64, _ buffer: UnsafeMutableRawPointer?) throws -> Void
    ) throws -> [String] {
        func valid(_ index: Int, _ text: String?) throws -> String {
            if let text { return text }
            throw RDOError(.artefact, "cannot \(purpose): string \(index) is not UTF-8", at: path)
        }
        if try call(purpose, at: path, { H5Tis_variable_str(type) }) > 0 {
            return try with(purpose, at: path, open: { H5Tcopy(type) }, close: H5Tclose) { memory in
                var pointers = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
                // The library allocated the strings one by one with malloc, also where a later one failed.
                defer { for pointer in pointers { H5free_memory(pointer) } }
                try read(memory, &pointers)
                return try pointers.enumerated().map { index, pointer in
                    try pointer.map { try valid(index, String(validatingCString: $0)) } ?? ""
                }
            }
        }
        let size = H5Tget_size(type)
        let isSpacePadded = H5Tget_strpad(type) == H5T_STR_SPACEPAD
        var bytes = [UInt8](repeating: 0, count: size * count)
        try read(type, &bytes)
        return try (0..<count).map { index in
            var text = bytes[index * size..<(index + 1) * size].prefix { $0 != 0 }
            while isSpacePadded, text.last == UInt8(ascii: " ") { text.removeLast() }
            return try valid(index, String(validating: text, as: UTF8.self))
        }
    }
}

extension String {
    /// HDF5 strings end at the first NUL, so a NUL inside a text is stored as U+FFFD.
    var withoutNUL: String { utf8.contains(0) ? replacing("\0", with: "\u{FFFD}") : self }
}

extension HDF5Location {
    /// Creates a one-dimensional dataset of variable-length UTF-8 strings. A NUL inside a text is stored as U+FFFD.
    ///
    /// It has no checksum: HDF5 cannot filter data of variable length. See `SealedFile`.
    package func createStrings(_ name: String, _ strings: some RandomAccessCollection<String>) throws {
        try HDF5.withUTF8Type(at: file.filePath) { type in
            let dataset = try createDataset(
                name, type: type, shape: [strings.count], layout: .contiguous, prepare: { _ in 0 })
            try strings.forEachBlock { try dataset.write($0, type: type, rows: $1) }
        }
    }
}

extension HDF5Dataset {
    fileprivate func write(_ strings: [String], type: Int64, rows: Range<Int>) throws {
        var text: [CChar] = []
        var starts: [Int] = []
        for string in strings {
            starts.append(text.count)
            string.withoutNUL.withCString { text += UnsafeBufferPointer(start: $0, count: strlen($0) + 1) }
        }
        try text.withUnsafeBufferPointer { text in
            guard let base = text.baseAddress else { return }
            let pointers: [UnsafePointer<CChar>] = starts.map { base + $0 }
            try transfer("write \(path)", [rows], count: pointers.count) { memory, space in
                H5Dwrite(id, type, memory, space, rdo_h5_default(), pointers)
            }
        }
    }

    /// Reads strings of variable or fixed length.
    ///
    /// - Throws: `RDOError(.artefact)` when the dataset does not hold strings or one is not UTF-8.
    package func readStrings(rows: Range<Int>? = nil) throws -> [String] {
        guard element == .string, shape.count == 1 else {
            throw RDOError(.artefact, "\(path) is not a list of strings", at: place)
        }
        let rows = rows ?? 0..<self.rows
        _ = try elementCount([rows])
        return try HDF5.with("read \(path)", at: place, open: { H5Dget_type(id) }, close: H5Tclose) { type in
            var result: [String] = []
            result.reserveCapacity(rows.count)
            try rows.forEachBlock { _, places in
                let block = rows.lowerBound + places.lowerBound..<rows.lowerBound + places.upperBound
                result += try HDF5.readStrings(type, count: block.count, at: place, "read \(path)") {
                    memoryType, buffer in
                    try transfer("read \(path)", [block], count: block.count) { memory, space in
                        H5Dread(id, memoryType, memory, space, rdo_h5_default(), buffer)
                    }
                }
            }
            return result
        }
    }

    /// Strings that are read when they are asked for, some at once. One that cannot be read then ends the process.
    ///
    /// - Throws: `RDOError(.artefact)` when the dataset does not hold strings, or the first are not UTF-8.
    func strings() throws -> Rows<String> {
        var block = (start: 0, values: try readStrings(rows: 0..<min(rows, Self.stringBlock)))
        return Rows(count: rows) { [self] index in
            let start = index / Self.stringBlock * Self.stringBlock
            if start != block.start {
                do {
                    block = (start, try readStrings(rows: start..<min(rows, start + Self.stringBlock)))
                } catch { RDOError.end(with: error) }
            }
            return block.values[index - start]
        }
    }

    private static var stringBlock: Int { 256 }
}
