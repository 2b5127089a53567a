import CHDF5
import Diagnostics

extension HDF5Location {
    /// Creates a dataset of f32 whose rows lie in datasets of the same path in other files.
    ///
    /// HDF5 reads rows of a missing source as fill values without an error, hence NaN.
    /// - Parameter sources: names of the files, relative to this one, and the rows that each holds, nothing else.
    @discardableResult
    package func createVirtual(
        _ name: String, shape: [Int], sources: [(fileName: String, rows: Range<Int>)]
    ) throws -> HDF5Dataset {
        let (path, place) = (absolute(name), file.filePath)
        let purpose = "create virtual dataset \(path)"
        return try createDataset(name, type: Float.hdf5Types.file, shape: shape, layout: nil) { list in
            var nan = Float.nan
            try HDF5.call(purpose, at: place) { H5Pset_fill_value(list, Float.hdf5Types.memory, &nan) }
            for source in sources {
                let extents = shape.map { hsize_t($0) }
                let part = [hsize_t(source.rows.count)] + extents.dropFirst()
                let start = [hsize_t(source.rows.lowerBound)] + extents.dropFirst().map { _ in 0 }
                let rank = Int32(extents.count)
                try HDF5.with(purpose, at: place, open: { H5Screate_simple(rank, extents, nil) }, close: H5Sclose) {
                    whole in
                    try HDF5.with(purpose, at: place, open: { H5Screate_simple(rank, part, nil) }, close: H5Sclose) {
                        own in
                        try HDF5.call(purpose, at: place) {
                            H5Sselect_hyperslab(whole, H5S_SELECT_SET, start, nil, part, nil)
                        }
                        // A source name is a format string to the library.
                        let (from, of) = (source.fileName.percentEscaped, path.percentEscaped)
                        _ = try HDF5.call(purpose, at: place) { H5Pset_virtual(list, whole, from, of, own) }
                    }
                }
            }
            return 0
        }
    }
}

extension String {
    fileprivate var percentEscaped: String { replacing("%", with: "%%") }
}
