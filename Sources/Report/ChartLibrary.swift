import Coding
import Diagnostics
import Foundation

/// Chart.js, read from where the system has it: no copy of it belongs to this program.
package struct ChartLibrary {
    /// Where Debian's package `libjs-chart.js` puts it.
    package static let systemFiles = [
        "/usr/share/javascript/chart.js/chart.min.js", "/usr/share/nodejs/chart.js/dist/chart.min.js",
    ]
    private static let remedy =
        "install Debian's libjs-chart.js, or give --chart-library the file chart.min.js (version 3) or chart.umd.js "
        + "(version 4) of https://www.chartjs.org"

    /// As the file's first comment says.
    package let version: String
    /// With what would end or hide the rest of a script element escaped.
    let script: String

    /// - Parameter path: nil for the system's own.
    /// - Throws: `RDOError.usage` when there is none, or it is no Chart.js that a page can load.
    package init(_ path: String?) throws {
        let candidates = path.map { [$0] } ?? Self.systemFiles
        guard let file = try candidates.first(where: { try InputFile.exists($0, .usage) }),
            let text = try InputFile.text(of: file, .usage)
        else {
            throw RDOError(
                .usage, "the chart library is not there", at: candidates.joined(separator: ", "), remedy: Self.remedy)
        }
        guard let banner = text.prefix(500).firstMatch(of: /Chart\.js v(([34])\.[0-9.]+)/) else {
            throw RDOError(.usage, "this is not Chart.js 3 or 4", at: file, remedy: Self.remedy)
        }
        // A module cannot be loaded from within a page that comes from a disk.
        guard !text.contains("export{"), !text.contains("export {") else {
            throw RDOError(
                .usage, "this is the module form of Chart.js, which a page of its own cannot load", at: file,
                remedy: Self.remedy)
        }
        version = String(banner.1)
        script = Self.contained(text)
    }

    /// `</script` would end the element, and after `<!--` a `<script` would keep it from ending: a backslash changes
    /// nothing within JavaScript strings, and outside of strings neither can stand.
    static func contained(_ script: String) -> String {
        script.replacingOccurrences(of: "(?i)</(?=script)", with: #"<\\/"#, options: .regularExpression)
            .replacing("<!--", with: #"<\!--"#)
    }
}
