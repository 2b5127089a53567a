import Foundation

/// Real models and data that tests use when they are there: the directory in `RDO_ASSETS`, by default
/// `../shared/assets` beside the package. Tests that need some say so with `.enabled(if: Assets.has(…))`.
package enum Assets {
    private static let root: URL = {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let path =
            ProcessInfo.processInfo.environment["RDO_ASSETS"] ?? package.appendingPathComponent("../shared/assets").path
        return URL(fileURLWithPath: path).standardizedFileURL
    }()

    /// The file or directory at `path` below the assets, there or not.
    package static func path(_ path: String) -> String { root.appendingPathComponent(path).path }

    package static func has(_ paths: String...) -> Bool {
        paths.allSatisfy { FileManager.default.fileExists(atPath: path($0)) }
    }
}
