import CHDF5
import Diagnostics

/// The value of an attribute.
package enum HDF5Value: Sendable, Equatable {
    case text(String)
    case integer(Int64)
    case unsigned(UInt64)
    case real(Double)
    case bytes([UInt8])
    case integers([Int64])
}

extension HDF5Value: CustomStringConvertible {
    package var description: String {
        switch self {
        case .text(let text): text
        case .integer(let value): String(value)
        case .unsigned(let value): String(value)
        case .real(let value): String(value)
        case .bytes(let bytes): bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        case .integers(let values): values.map(String.init).joined(separator: " ")
        }
    }
}

extension HDF5Object {
    /// Creates an attribute.
    ///
    /// - Parameter inline: stores text as a string of fixed length beside the other bookkeeping, where it has a checksum
    ///   (`bytes` in h5py), instead of a variable-length string in a heap that has none (`str` in h5py).
    /// - Throws: `RDOError(.artefact)` when it exists or cannot be written.
    package func setAttribute(_ name: String, _ value: HDF5Value, inline: Bool = false) throws {
        switch value {
        case .text(let text) where inline:
            let bytes = Array(text.withoutNUL.utf8) + [0]
            try HDF5.withUTF8Type(length: bytes.count, at: file.filePath) { type in
                try writeAttribute(name, type, count: nil) { H5Awrite($0, type, bytes) }
            }
        case .text(let text):
            try HDF5.withUTF8Type(at: file.filePath) { type in
                try writeAttribute(name, type, count: nil) { attribute in
                    text.withoutNUL.withCString { pointer in
                        withUnsafePointer(to: pointer) { H5Awrite(attribute, type, $0) }
                    }
                }
            }
        case .integer(let value): try writeAttribute(name, [value], count: nil)
        case .unsigned(let value): try writeAttribute(name, [value], count: nil)
        case .real(let value): try writeAttribute(name, [value], count: nil)
        case .bytes(let bytes): try writeAttribute(name, bytes, count: bytes.count)
        case .integers(let values): try writeAttribute(name, values, count: values.count)
        }
    }

    /// Removes an attribute; none is fine.
    func removeAttribute(_ name: String) throws {
        let place = file.filePath
        let found = try HDF5.call("look for attribute \(name)", at: place) { H5Aexists(id, name) }
        if found > 0 { try HDF5.call("remove attribute \(name) of \(path)", at: place) { H5Adelete(id, name) } }
    }

    private func writeAttribute<T: HDF5Number>(_ name: String, _ values: [T], count: Int?) throws {
        try writeAttribute(name, T.hdf5Types.file, count: count) { attribute in
            values.withUnsafeBytes { H5Awrite(attribute, T.hdf5Types.memory, $0.baseAddress) }
        }
    }

    /// Creates a scalar (`count` nil) or one-dimensional attribute and lets `write` fill it.
    private func writeAttribute(_ name: String, _ type: Int64, count: Int?, _ write: (Int64) -> Int32) throws {
        let purpose = "write attribute \(name) of \(path)"
        let space = {
            guard let count else { return H5Screate(H5S_SCALAR) }
            var extent = hsize_t(count)
            return H5Screate_simple(1, &extent, nil)
        }
        try HDF5.with(purpose, at: file.filePath, open: space, close: H5Sclose) { space in
            let create = { H5Acreate2(self.id, name, type, space, rdo_h5_default(), rdo_h5_default()) }
            try HDF5.with(purpose, at: file.filePath, open: create, close: H5Aclose) { attribute in
                _ = try HDF5.call(purpose, at: file.filePath) { write(attribute) }
            }
        }
    }

    /// The attribute's value; nil when there is none or its type is one that `HDF5Value` does not cover.
    ///
    /// - Throws: `RDOError(.artefact)` when it exists but cannot be read or is not UTF-8.
    package func attribute(_ name: String) throws -> HDF5Value? {
        let found = try HDF5.call("look for attribute \(name)", at: file.filePath) { H5Aexists(id, name) }
        guard found > 0 else { return nil }
        let purpose = "read attribute \(name) of \(path)"
        return try HDF5.with(
            purpose, at: file.filePath, open: { H5Aopen(id, name, rdo_h5_default()) }, close: H5Aclose
        ) { attribute in
            try readAttribute(attribute, purpose)
        }
    }

    private func readAttribute(_ attribute: Int64, _ purpose: String) throws -> HDF5Value? {
        let place = file.filePath
        let (count, dimensions) = try HDF5.with(
            purpose, at: place, open: { H5Aget_space(attribute) }, close: H5Sclose
        ) { space in
            (
                Int(try HDF5.call(purpose, at: place) { H5Sget_simple_extent_npoints(space) }),
                Int(try HDF5.call(purpose, at: place) { H5Sget_simple_extent_ndims(space) })
            )
        }
        // A null space: there is an attribute, and no value.
        guard count > 0 || dimensions > 0 else { return nil }
        guard count <= 1 << 24 else { throw RDOError(.artefact, "cannot \(purpose): it is damaged", at: place) }
        func numbers<T: HDF5Number>(_ zero: T) throws -> [T] {
            var values = [T](repeating: zero, count: count)
            try values.withUnsafeMutableBytes { bytes in
                _ = try HDF5.call(purpose, at: place) { H5Aread(attribute, T.hdf5Types.memory, bytes.baseAddress) }
            }
            return values
        }
        return try HDF5.with(purpose, at: place, open: { H5Aget_type(attribute) }, close: H5Tclose) { type in
            switch H5Tget_class(type) {
            case H5T_STRING where count == 1:
                let strings = try HDF5.readStrings(type, count: 1, at: place, purpose) { type, buffer in
                    try HDF5.call(purpose, at: place) { H5Aread(attribute, type, buffer) }
                }
                return .text(strings[0])
            case H5T_FLOAT where count == 1: return .real(try numbers(0.0)[0])
            case H5T_INTEGER where dimensions == 0,
                H5T_ENUM where count == 1:  // h5py writes a Bool as an enumeration.
                return H5Tget_class(type) == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_NONE && H5Tget_size(type) == 8
                    ? .unsigned(try numbers(UInt64(0))[0]) : .integer(try numbers(Int64(0))[0])
            case H5T_INTEGER:
                return H5Tget_size(type) == 1 ? .bytes(try numbers(UInt8(0))) : .integers(try numbers(Int64(0)))
            default: return nil
            }
        }
    }

    /// All attributes whose types `HDF5Value` covers.
    package func attributes() throws -> [String: HDF5Value] {
        let purpose = "list attributes of \(path)"
        let count = try HDF5.call(purpose, at: file.filePath) { H5Aget_num_attrs(id) }
        var result: [String: HDF5Value] = [:]
        for index in 0..<hsize_t(count) {
            let name = try HDF5.name(purpose, at: file.filePath) {
                H5Aget_name_by_idx(id, ".", H5_INDEX_NAME, H5_ITER_INC, index, $0, $1, rdo_h5_default())
            }
            result[name] = try attribute(name)
        }
        return result
    }

    /// The text of an attribute; nil when there is none.
    package func text(_ name: String) throws -> String? {
        if case .text(let text)? = try attribute(name) { text } else { nil }
    }

    /// The number in an attribute; nil when there is none.
    package func real(_ name: String) throws -> Double? {
        switch try attribute(name) {
        case .real(let value)?: value
        case .integer(let value)?: Double(value)
        default: nil
        }
    }

    /// The whole number in an attribute; nil when there is none.
    package func integer(_ name: String) throws -> Int? {
        switch try attribute(name) {
        case .integer(let value)?: Int(value)
        case .unsigned(let value)?: Int(exactly: value)
        case .integers(let values)? where values.count == 1: Int(values[0])
        default: nil
        }
    }
}
