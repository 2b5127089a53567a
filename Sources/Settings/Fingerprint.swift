extension ConfigurationSection {
    /// The values of the section `name` that a resumed run must share with the run that it continues: dotted key → value.
    ///
    /// Left out are the fields declared `neutral`: what changes how long a run is or what it writes, not what a step
    /// computes, and what is compared by content elsewhere (models, data, weights).
    package func fingerprint(of name: String) -> [String: String] {
        let rows = Self.fields.first { $0.key == name }?.rows(self, "") ?? []
        return Dictionary(uniqueKeysWithValues: rows.filter { !$0.isNeutral }.map { ($0.key, $0.value) })
    }
}
