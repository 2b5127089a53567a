import CHDF5
import Diagnostics
import Foundation
import Testing

@testable import Storage

/// What other programs may write into HDF5 files.
@Suite("HDF5 of other programs") struct ForeignHDF5Tests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func file(_ name: String, _ body: (Int64) -> Void) throws -> HDF5File {
        let path = scratch.file(name)
        HDF5.alone {
            let file = H5Fcreate(path, rdo_h5_exclusive(), rdo_h5_default(), rdo_h5_default())
            body(file)
            H5Fclose(file)
        }
        return try HDF5File(opening: path)
    }

    /// An attribute with a null space has a name and no value.
    @Test func attributesWithoutAValue() throws {
        let file = try file("null.h5") { file in
            for (name, type) in [("text", H5Tcopy(rdo_h5_c_string())), ("number", H5Tcopy(rdo_h5_file_i64()))] {
                let space = H5Screate(H5S_NULL)
                let attribute = H5Acreate2(file, name, type, space, rdo_h5_default(), rdo_h5_default())
                #expect(attribute >= 0)
                H5Aclose(attribute)
                H5Sclose(space)
                H5Tclose(type)
            }
        }
        for name in ["text", "number"] { #expect(try file.attribute(name) == nil) }
        #expect(try file.text("text") == nil && file.integer("number") == nil)
        #expect(try file.group("/").attributes().isEmpty)
    }

    /// Bytes of another file, which the file's maker chose and nobody meant to read.
    @Test func dataOutsideTheFile() throws {
        let secret = try scratch.write(Data(repeating: 0x3F, count: 16), to: "secret")
        let file = try file("external.h5") { file in
            let list = H5Pcreate(rdo_h5_dataset_create())
            H5Pset_external(list, secret, 0, 16)
            var count: hsize_t = 4
            let space = H5Screate_simple(1, &count, nil)
            let dataset = H5Dcreate2(
                file, "x", rdo_h5_file_f32(), space, rdo_h5_default(), list, rdo_h5_default())
            #expect(dataset >= 0)
            H5Dclose(dataset)
            H5Sclose(space)
            H5Pclose(list)
        }
        let error = artefactError { _ = try file.dataset("x").read(Float.self) }
        #expect(error?.what == "/x keeps its data outside the file" && error?.place == scratch.file("external.h5"))
    }

    /// Rows by the million million of which none was written: neither made room for nor read piece by piece.
    @Test func shapesThatNoFileOfThatSizeCanHold() throws {
        let file = try file("sparse.h5") { file in
            for (name, rows) in [("few", hsize_t(1 << 16)), ("many", 1 << 40)] {
                var (extent, chunk) = (rows, hsize_t(1024))
                let list = H5Pcreate(rdo_h5_dataset_create())
                H5Pset_chunk(list, 1, &chunk)
                let space = H5Screate_simple(1, &extent, nil)
                let dataset = H5Dcreate2(
                    file, name, rdo_h5_file_i32(), space, rdo_h5_default(), list, rdo_h5_default())
                #expect(dataset >= 0)
                H5Dclose(dataset)
                H5Sclose(space)
                H5Pclose(list)
            }
        }
        #expect(try file.dataset("few").read(Int32.self, rows: 9..<12) == [0, 0, 0])
        let error = artefactError { _ = try file.dataset("many").read(Int32.self, rows: 9..<12) }
        #expect(error?.what == "/many has the impossible shape [1099511627776]: the file is damaged")
    }

    /// A pipe would be waited for.
    @Test(.timeLimit(.minutes(1))) func pipes() throws {
        let path = scratch.file("pipe")
        #expect(mkfifo(path, 0o600) == 0)
        let refusals = [
            artefactError { _ = try HDF5File(opening: path) }, artefactError { _ = try CoefficientFile.read(path) },
            artefactError { _ = try Artefacts.verify(path) },
            artefactError { _ = try Artefacts.statedDigest(of: path) },
        ]
        for refusal in refusals { #expect(refusal?.what == "a pipe, not a regular file" && refusal?.place == path) }
        #expect(FileStamp(path) == nil && FileStamp("/dev/zero") == nil && FileStamp(scratch.path) != nil)
    }
}
