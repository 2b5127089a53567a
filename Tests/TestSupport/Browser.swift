import Foundation

/// A Chromium without a window, where one is installed.
package enum Browser {
    package static let path: String? = {
        let directories = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":")
        let names = ["chromium", "chromium-browser", "google-chrome"]
        return names.flatMap { name in directories.map { "\($0)/\(name)" } }.first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
    }()

    /// What a page looks like to its reader.
    package struct Page {
        /// The document after its scripts have run.
        package let document: String
        /// What the page wrote to the console, warnings and errors included.
        package let console: [String]
    }

    /// Opens a file, lets its scripts run, and reads the document.
    /// - Parameter fragment: what stands after `#` in the address.
    package static func open(_ path: String, fragment: String = "", in browser: String) throws -> Page {
        let profile = try TemporaryDirectory()
        var address = URL(fileURLWithPath: path).absoluteString
        if !fragment.isEmpty { address += "#" + fragment }
        // Without a sandbox it runs as root and in containers.
        let result = try CommandRunner.run(
            browser,
            [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--user-data-dir=\(profile.path)", "--no-first-run", "--virtual-time-budget=20000",
                "--enable-logging=stderr", "--dump-dom", address,
            ], timeout: 120)
        guard result.status == 0 else { throw BrowserFailure(text: result.error) }
        let console = result.error.split(separator: "\n").map(String.init).filter { $0.contains(":CONSOLE") }
        return Page(document: result.output, console: console)
    }

    package struct BrowserFailure: Error { package let text: String }
}
