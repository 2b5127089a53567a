import CHDF5
import Diagnostics

/// A file (its root group), a group or a dataset: anything that has attributes.
package protocol HDF5Object: AnyObject {
    var file: HDF5File { get }
    /// Where in the file, from the root.
    var path: String { get }
    var id: Int64 { get }
}

/// A file (its root group) or a group: anything that has children. Names may be paths, relative or from the root.
package protocol HDF5Location: HDF5Object {}

/// An open group.
package final class HDF5Group: HDF5Location {
    package let file: HDF5File
    package let path: String
    package let id: Int64

    fileprivate init(_ file: HDF5File, _ path: String, id: Int64) {
        (self.file, self.path, self.id) = (file, path, id)
    }

    deinit { if file.isOpen { HDF5.alone(at: file.filePath) { _ = H5Gclose(id) } } }
}

extension HDF5Location {
    func absolute(_ name: String) -> String {
        name.hasPrefix("/") ? name : (path == "/" ? "" : path) + "/" + name
    }

    /// True when `name`, and every group on the way to it, exists.
    package func exists(_ name: String) throws -> Bool {
        var partial = ""
        for component in absolute(name).split(separator: "/") {
            partial += "/" + component
            let found = try HDF5.call("look for \(partial)", at: file.filePath) {
                H5Lexists(id, partial, rdo_h5_default())
            }
            if found == 0 { return false }
        }
        return true
    }

    /// Opens a group.
    ///
    /// - Throws: `RDOError(.artefact)` when there is none.
    package func group(_ name: String) throws -> HDF5Group {
        let path = absolute(name)
        guard try exists(path) else { throw RDOError(.artefact, "group \(path) is missing", at: file.filePath) }
        let group = try HDF5.call("open group \(path)", at: file.filePath) { H5Gopen2(id, path, rdo_h5_default()) }
        return HDF5Group(file, path, id: group)
    }

    /// Creates a group, and the groups on the way to it.
    package func createGroup(_ name: String) throws -> HDF5Group {
        let path = absolute(name)
        try createGroups(onTheWayTo: path + "/.")
        return try group(name)
    }

    /// Names of the children in alphabetical order; empty when the group does not exist.
    package func children(of name: String = "") throws -> [String] {
        guard try exists(name) else { return [] }
        let path = absolute(name)
        return try HDF5.alone(at: file.filePath) {
            var info = H5G_info_t()
            try HDF5.call("list \(path)", at: file.filePath) {
                H5Gget_info_by_name(id, path, &info, rdo_h5_default())
            }
            return try (0..<info.nlinks).map { index in
                try HDF5.name("list \(path)", at: file.filePath) {
                    H5Lget_name_by_idx(id, path, H5_INDEX_NAME, H5_ITER_INC, index, $0, $1, rdo_h5_default())
                }
            }
        }
    }

    /// Creates the groups on the way to a new object, without the times that HDF5 would note by itself: what a file holds
    /// depends on its content alone.
    func createGroups(onTheWayTo path: String) throws {
        var prefix = ""
        for name in path.split(separator: "/").dropLast() {
            prefix += "/" + name
            guard try !exists(prefix) else { continue }
            let (group, place) = (prefix, file.filePath)
            let created = try HDF5.with(
                "create group", at: place, open: { H5Pcreate(rdo_h5_group_create()) }, close: H5Pclose
            ) { list in
                try HDF5.call("create group \(group)", at: place) { H5Pset_obj_track_times(list, false) }
                return try HDF5.call("create group \(group)", at: place) {
                    H5Gcreate2(id, group, rdo_h5_default(), list, rdo_h5_default())
                }
            }
            _ = HDF5Group(file, group, id: created)
        }
    }
}
