import Diagnostics

/// Where a value was given, for messages.
package struct SettingPlace {
    /// The source that `--set` is.
    static let commandLine = "--set"

    /// The name of the file, or `--set`.
    let source: String
    /// Dotted; empty for the whole configuration.
    let key: String
    let keys: KnownKeys

    /// A line number within one `--set` says nothing and is left out.
    func error(_ what: String, line: Int? = nil, remedy: String? = nil) -> RDOError {
        let hasLines = source != Self.commandLine
        return RDOError(.usage, what, at: source + (line.map { hasLines ? ":\($0)" : "" } ?? ""), remedy: remedy)
    }

    func child(_ name: String) -> SettingPlace {
        SettingPlace(source: source, key: key.isEmpty ? name : key + "." + name, keys: keys)
    }
}
