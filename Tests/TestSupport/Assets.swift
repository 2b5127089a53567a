import Foundation

/// Real models and data that tests use when they are there: the directory in `RDO_ASSETS`, by default
/// `../shared/assets` beside the package.
package enum Assets {
    package static let root: URL? = {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let path =
            ProcessInfo.processInfo.environment["RDO_ASSETS"] ?? package.appendingPathComponent("../shared/assets").path
        return FileManager.default.fileExists(atPath: path) ? URL(fileURLWithPath: path).standardizedFileURL : nil
    }()

    /// The file or directory at `path` below the assets; nil, with a line that says so, when there are none.
    package static func find(_ path: String) -> String? {
        if let url = root?.appendingPathComponent(path), FileManager.default.fileExists(atPath: url.path) {
            return url.path
        }
        print("skipped: no assets (\(path))")
        return nil
    }
}
