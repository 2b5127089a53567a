extension Configuration {
    /// Keys of a training pass that change how long it runs or what it writes, not what a step computes; and those of
    /// the weights, which are compared by value.
    private static let neutralKeys: Set = [
        "model", "epochs", "steps", "checkpoint_every", "keep_checkpoints", "evaluate_every", "export", "head", "data",
        "ledger",
        "lora.start",
        "lora.export",
        "coefficients.use", "coefficients.file", "coefficients.alpha", "coefficients.symmetric",
        "coefficients.disagreement", "coefficients.combine", "coefficients.column",
    ]

    /// The settings that a resumed pass must share with the run that it continues: dotted key → value.
    ///
    /// Models, data and weights are compared by content elsewhere; the number of steps may grow.
    package func fingerprint(of pass: PassName) -> [String: String] {
        let prefix = pass.rawValue + "."
        let section = Self.fields.first { $0.key == pass.rawValue }?.rows(self, "") ?? []
        let own = section.filter { !Self.neutralKeys.contains(String($0.key.dropFirst(prefix.count))) }
        var result = Dictionary(uniqueKeysWithValues: own.map { ($0.key, $0.value) })
        result["data.shuffle"] = data.shuffle.yaml
        result["seed"] = seed.yaml
        return result
    }
}
