import CHDF5
import Diagnostics

/// How a new dataset lies in its file.
package enum HDF5Layout: Sendable {
    /// One piece, allocated when it is created: later writes change data only, never the file's bookkeeping. No checksum.
    case contiguous
    /// Pieces of `rows` rows, each with a Fletcher32 checksum.
    case chunked(rows: Int)

    /// Chunks of about 1 MiB: the size of the library's chunk cache.
    package static func checked(rowBytes: Int) -> HDF5Layout { .chunked(rows: max(1, (1 << 20) / max(1, rowBytes))) }
}

/// An open dataset: an array of one or more dimensions. A row is an index of dimension 0.
package final class HDF5Dataset: HDF5Object {
    /// What the elements are, whatever their size and byte order.
    package enum Element: Sendable, Equatable {
        case integer, float, string, opaque(bytes: Int), other
    }

    package let file: HDF5File
    package let path: String
    package let id: Int64
    package let shape: [Int]
    package let element: Element
    /// Bytes of one element in the file.
    package let elementSize: Int

    package var rows: Int { shape.first ?? 1 }
    /// Known to lie in the file itself.
    var isOwn = false
    /// Known to be no larger than a file of its size can hold.
    private var isPlausible = false

    /// Where the data of a contiguous dataset begin in the file, in bytes, so that they can be read without the library;
    /// nil when they have no place of their own.
    package func fileOffset() -> Int? {
        let offset = HDF5.alone(at: place) { H5Dget_offset(id) }
        return offset == .max ? nil : Int(offset)
    }

    var place: String { file.filePath }

    init(_ file: HDF5File, _ path: String, id: Int64) throws {
        (self.file, self.path, self.id) = (file, path, id)
        let place = file.filePath
        shape = try HDF5.with("read the shape of \(path)", at: place, open: { H5Dget_space(id) }, close: H5Sclose) {
            space in
            let count = try HDF5.call("read the shape of \(path)", at: place) { H5Sget_simple_extent_ndims(space) }
            var extents = [hsize_t](repeating: 0, count: Int(count))
            try HDF5.call("read the shape of \(path)", at: place) { H5Sget_simple_extent_dims(space, &extents, nil) }
            return extents.map { Int(clamping: $0) }
        }
        (element, elementSize) = try HDF5.with(
            "read the type of \(path)", at: place, open: { H5Dget_type(id) }, close: H5Tclose
        ) { type in
            let size = H5Tget_size(type)
            switch H5Tget_class(type) {
            case H5T_INTEGER: return (.integer, size)
            case H5T_FLOAT: return (.float, size)
            case H5T_STRING: return (.string, size)
            case H5T_OPAQUE: return (.opaque(bytes: size), size)
            default: return (.other, size)
            }
        }
    }

    deinit { if file.isOpen { HDF5.alone(at: place) { _ = H5Dclose(id) } } }

    /// Reads the part of the array inside `selection`, one range per dimension, in row-major order.
    ///
    /// - Precondition: the selection lies inside the array and `values` has its size.
    /// - Throws: `RDOError(.artefact)` when the elements are not numbers that fit `T`, or a checksum is wrong.
    package func read<T: HDF5Number>(_ selection: [Range<Int>], into values: UnsafeMutableBufferPointer<T>) throws {
        guard element == .float && T.isHDF5Float || element == .integer && !T.isHDF5Float else {
            throw RDOError(
                .artefact, "\(path) holds \(element), not \(T.isHDF5Float ? "float" : "integer") values", at: place)
        }
        try transfer("read \(path)", selection, count: values.count) { memory, space in
            H5Dread(id, T.hdf5Types.memory, memory, space, rdo_h5_default(), values.baseAddress)
        }
    }

    /// Reads `rows` (all when nil), in row-major order.
    package func read<T: HDF5Number>(_ type: T.Type, rows: Range<Int>? = nil) throws -> [T] {
        let selection = self.selection(rows)
        let count = try elementCount(selection)
        return try [T](unsafeUninitializedCapacity: count) { buffer, initialized in
            try read(selection, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
            initialized = count
        }
    }

    /// Writes the part of the array inside `selection`, one range per dimension, in row-major order.
    package func write<T: HDF5Number>(_ values: UnsafeBufferPointer<T>, _ selection: [Range<Int>]) throws {
        try transfer("write \(path)", selection, count: values.count) { memory, space in
            H5Dwrite(id, T.hdf5Types.memory, memory, space, rdo_h5_default(), values.baseAddress)
        }
    }

    /// Writes `rows` (all when nil), in row-major order.
    package func write<T: HDF5Number>(_ values: [T], rows: Range<Int>? = nil) throws {
        try values.withUnsafeBufferPointer { try write($0, selection(rows)) }
    }

    /// Only bytes of the file itself are its content: a dataset may also name other files, which were never meant.
    ///
    /// - Throws: `RDOError(.artefact)` for external and virtual storage.
    private func requireOwnStorage() throws {
        guard !isOwn else { return }
        let isElsewhere = try HDF5.with(
            "read \(path)", at: place, open: { H5Dget_create_plist(id) }, close: H5Pclose
        ) { H5Pget_layout($0) == H5D_VIRTUAL || H5Pget_external_count($0) > 0 }
        guard !isElsewhere else {
            throw RDOError(
                .artefact, "\(path) keeps its data outside the file", at: place,
                remedy: "copy the data into the file (h5repack)")
        }
        isOwn = true
    }

    /// Reads elements of an opaque type in a list, as bytes.
    func readOpaque(rows: Range<Int>) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: try elementCount([rows]) * elementSize)
        try HDF5.with("read \(path)", at: place, open: { H5Dget_type(id) }, close: H5Tclose) { type in
            try transfer("read \(path)", [rows], count: rows.count) { memory, space in
                H5Dread(id, type, memory, space, rdo_h5_default(), &bytes)
            }
        }
        return bytes
    }

    /// How many elements to make room for. A damaged shape must not become an attempt to allocate petabytes, nor to read
    /// them piece by piece: nothing is more than 1032 times as large as its compressed form, beside rows that were never
    /// written.
    func elementCount(_ selection: [Range<Int>]) throws -> Int {
        if !isPlausible {
            let bytes = shape.reduce(Double(elementSize)) { $0 * Double($1) }
            guard bytes <= Double(64 << 20) + 1100 * Double(try file.byteCount()) else {
                throw RDOError(.artefact, "\(path) has the impossible shape \(shape): the file is damaged", at: place)
            }
            isPlausible = true
        }
        return selection.reduce(1) { $0 * $1.count }
    }

    func selection(_ rows: Range<Int>?) -> [Range<Int>] {
        guard let first = shape.first else { return [] }
        return [rows ?? 0..<first] + shape.dropFirst().map { 0..<$0 }
    }

    /// Calls `body` with dataspaces of the selection in memory and in the file.
    func transfer(
        _ purpose: String, _ selection: [Range<Int>], count: Int, _ body: (_ memory: Int64, _ file: Int64) -> Int32
    ) throws {
        precondition(
            selection.count == shape.count
                && zip(selection, shape).allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= $1 },
            "the selection must lie inside the dataset")
        precondition(selection.reduce(1) { $0 * $1.count } == count, "the values must fill the selection")
        if count == 0 { return }
        try requireOwnStorage()
        // Memory has the selection's shape: the library then copies rows, not element by element.
        let counts = selection.map { hsize_t($0.count) }
        let rank = Int32(counts.count)
        try HDF5.with(purpose, at: place, open: { H5Screate_simple(rank, counts, nil) }, close: H5Sclose) { memory in
            try HDF5.with(purpose, at: place, open: { H5Dget_space(id) }, close: H5Sclose) { space in
                if !shape.isEmpty {
                    let start = selection.map { hsize_t($0.lowerBound) }
                    try HDF5.call(purpose, at: place) {
                        H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nil, counts, nil)
                    }
                }
                _ = try HDF5.call(purpose, at: place) { body(memory, space) }
            }
        }
    }
}

extension HDF5Location {
    /// Opens a dataset.
    ///
    /// - Throws: `RDOError(.artefact)` when there is none.
    package func dataset(_ name: String) throws -> HDF5Dataset {
        let path = absolute(name)
        guard try exists(path) else { throw RDOError(.artefact, "dataset \(path) is missing", at: file.filePath) }
        let opened = try HDF5.call("open dataset \(path)", at: file.filePath) { H5Dopen2(id, path, rdo_h5_default()) }
        return try HDF5Dataset(file, path, id: opened)
    }

    /// Creates a dataset of numbers, and the groups on the way to it. Floats start as NaN, integers as 0.
    @discardableResult
    package func createDataset<T: HDF5Number>(
        _ name: String, of type: T.Type, shape: [Int], layout: HDF5Layout
    ) throws -> HDF5Dataset {
        try createDataset(name, type: T.hdf5Types.file, shape: shape, layout: layout) { list in
            guard T.isHDF5Float else { return 0 }
            var nan = Double.nan
            return H5Pset_fill_value(list, Double.hdf5Types.memory, &nan)
        }
    }

    /// Creates a dataset whose property list `prepare` completes.
    func createDataset(
        _ name: String, type: Int64, shape: [Int], layout: HDF5Layout?, prepare: (Int64) throws -> Int32
    ) throws -> HDF5Dataset {
        let (path, place) = (absolute(name), file.filePath)
        let purpose = "create dataset \(path)"
        let extents = shape.map { hsize_t($0) }
        let created = try HDF5.with(
            purpose, at: place, open: { H5Screate_simple(Int32(extents.count), extents, nil) }, close: H5Sclose
        ) { space in
            try HDF5.with(purpose, at: place, open: { H5Pcreate(rdo_h5_dataset_create()) }, close: H5Pclose) { list in
                if let layout { try apply(layout, to: list, shape: shape, purpose) }
                let prepared = try prepare(list)
                try HDF5.call(purpose, at: place) { prepared }
                try createGroups(onTheWayTo: path)
                try HDF5.call(purpose, at: place) { H5Pset_obj_track_times(list, false) }
                return try HDF5.call(purpose, at: place) {
                    H5Dcreate2(id, path, type, space, rdo_h5_default(), list, rdo_h5_default())
                }
            }
        }
        return try HDF5Dataset(file, path, id: created)
    }

    private func apply(_ layout: HDF5Layout, to list: Int64, shape: [Int], _ purpose: String) throws {
        let place = file.filePath
        switch layout {
        case .chunked(let rows) where !shape.isEmpty && !shape.contains(0):
            var chunk = shape.map { hsize_t($0) }
            chunk[0] = hsize_t(max(1, min(rows, shape[0])))
            try HDF5.call(purpose, at: place) { H5Pset_chunk(list, Int32(chunk.count), chunk) }
            try HDF5.call(purpose, at: place) { H5Pset_fletcher32(list) }
        case .contiguous, .chunked:  // An empty array cannot be chunked.
            try HDF5.call(purpose, at: place) { H5Pset_layout(list, H5D_CONTIGUOUS) }
            try HDF5.call(purpose, at: place) { H5Pset_alloc_time(list, H5D_ALLOC_TIME_EARLY) }
        }
    }
}
