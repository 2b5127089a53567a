import Transformer

/// The names that tensors of a model go by in files of other programs, and those that they have here.
enum TensorNames {
    private static let prefix = "model."
    /// Of a scalar head: what OpenRLHF, TRL and others call `score`.
    private static let scalarHeads = [
        "value_head.weight", "v_head.weight", "v_head.summary.weight", "reward_head.weight", "rm_head.weight",
    ]

    /// Names here, by names in the files; those that stay are left out.
    ///
    /// A body that was saved without its head has no `model.` before its names.
    static func own(of names: Set<String>) -> [String: String] {
        var own: [String: String] = [:]
        let heads = Set(HeadKind.allCases.map(\.weightName))
        if names.contains("embed_tokens.weight"), !names.contains(where: { $0.hasPrefix(prefix) }) {
            for name in names where !heads.contains(name) && !scalarHeads.contains(name) { own[name] = prefix + name }
        }
        let found = scalarHeads.filter(names.contains)
        if found.count == 1, !names.contains(HeadKind.scalar.weightName) { own[found[0]] = HeadKind.scalar.weightName }
        return own
    }
}
