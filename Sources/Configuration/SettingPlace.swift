import Diagnostics

/// Where a value was given, for messages.
struct SettingPlace {
    static let commandLine = SettingPlace(source: "--set", key: "")

    /// The name of the file, or `--set`.
    let source: String
    /// Dotted; empty for the whole configuration.
    let key: String

    /// A line number within one `--set` says nothing and is left out.
    func error(_ what: String, line: Int?, remedy: String? = nil) -> RDOError {
        let hasLines = source != Self.commandLine.source
        return RDOError(.usage, what, at: source + (line.map { hasLines ? ":\($0)" : "" } ?? ""), remedy: remedy)
    }

    func child(_ name: String) -> SettingPlace {
        SettingPlace(source: source, key: key.isEmpty ? name : key + "." + name)
    }
}
