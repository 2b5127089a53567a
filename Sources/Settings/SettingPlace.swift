import Diagnostics

/// Where a value was given, for messages.
package struct SettingPlace {
    /// The source that `--set` is.
    static let commandLine = "--set"

    /// The name of the file, or `--set`.
    let source: String
    /// Dotted; empty for the whole configuration.
    let key: String
    /// The key as the documentation has it: with a placeholder for a name of the user's own.
    let known: String
    let keys: KnownKeys

    /// Of the whole configuration.
    init(source: String, keys: KnownKeys) { self.init(source: source, key: "", known: "", keys: keys) }

    private init(source: String, key: String, known: String, keys: KnownKeys) {
        (self.source, self.key, self.known, self.keys) = (source, key, known, keys)
    }

    /// A line number within one `--set` says nothing and is left out.
    func error(_ what: String, line: Int? = nil, remedy: String? = nil) -> RDOError {
        let hasLines = source != Self.commandLine
        return RDOError(.usage, what, at: source + (line.map { hasLines ? ":\($0)" : "" } ?? ""), remedy: remedy)
    }

    /// - Parameter known: the name that the documentation has in its place; nil for the same.
    func child(_ name: String, known documented: String? = nil) -> SettingPlace {
        func below(_ key: String, _ name: String) -> String { key.isEmpty ? name : key + "." + name }
        return SettingPlace(
            source: source, key: below(key, name), known: below(known, documented ?? name), keys: keys)
    }
}
