/// The program's version, as written into every artefact.
package enum Version {
    package static let number = "0.1.0"
    /// The `software` attribute of HDF5 files.
    package static let software = "rdo \(number)"
    /// Another one where the same inputs give other numbers: what was computed before is then computed again.
    package static let numerics = "1"
}
