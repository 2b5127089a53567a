/// The program's version, as written into every artefact.
public enum Version {
    public static let number = "0.1.0"
    /// The `software` attribute of HDF5 files.
    public static let software = "rdo \(number)"
}
