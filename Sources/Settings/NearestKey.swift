/// Every dotted key of a configuration, sections included.
struct KnownKeys {
    private let all: [String]

    init(of configuration: some ConfigurationSection) {
        let values = configuration.rows.map(\.key)
        let sections = values.flatMap { key in
            let parts = key.split(separator: ".")
            return (1..<parts.count).map { parts.prefix($0).joined(separator: ".") }
        }
        all = values + sections
    }

    /// The known key that an unknown one was most likely meant to be.
    ///
    /// Keys of the same section come first: one that the unknown key begins, else the one that fewest edits make of it. A
    /// key of another section is meant only when it has exactly this name and nothing here is as near as one edit: `beta` at
    /// the top is `dpo.beta`. Below the unknown key's own section the last one counts: a pass's own keys stand after those
    /// that all passes share.
    func nearest(to name: String, in section: String) -> String {
        let prefix = section.isEmpty ? "" : section + "."
        let own = all.filter { $0.hasPrefix(prefix) && !$0.dropFirst(prefix.count).contains(".") }
        func distance(_ key: String) -> (Int, Int) {
            let known = String(key.dropFirst(prefix.count))
            return (!name.isEmpty && known.hasPrefix(name) ? 0 : 1, EditDistance.between(name, known))
        }
        let nearest = own.min { distance($0) < distance($1) } ?? ""
        guard distance(nearest) > (1, 1) else { return nearest }
        let named = all.filter { $0.hasSuffix("." + name) }
        return (section.isEmpty ? nil : named.last { $0.hasPrefix(prefix) }) ?? named.first ?? nearest
    }
}

/// Levenshtein's distance, for "the nearest known key".
enum EditDistance {
    static func between(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a), Array(b))
        var previous = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var current = [i + 1]
            for (j, y) in b.enumerated() {
                current.append(min(previous[j + 1] + 1, current[j] + 1, previous[j] + (x == y ? 0 : 1)))
            }
            previous = current
        }
        return previous[b.count]
    }
}
