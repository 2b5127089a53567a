import Tensors

/// The linear maps of a block, by their names in Hugging Face files.
package enum Projection: String, Sendable, CaseIterable {
    case query = "q_proj"
    case key = "k_proj"
    case value = "v_proj"
    case output = "o_proj"
    case gate = "gate_proj"
    case up = "up_proj"
    case down = "down_proj"

    /// The module's name below its block.
    var path: String {
        switch self {
        case .query, .key, .value, .output: "self_attn." + rawValue
        case .gate, .up, .down: "mlp." + rawValue
        }
    }

    /// Shape of its weight: `[out, in]`.
    func shape(_ c: ModelConfiguration) -> [Int] {
        switch self {
        case .query: [c.headCount * c.headSize, c.hiddenSize]
        case .key, .value: [c.keyValueHeadCount * c.headSize, c.hiddenSize]
        case .output: [c.hiddenSize, c.headCount * c.headSize]
        case .gate, .up: [c.intermediateSize, c.hiddenSize]
        case .down: [c.hiddenSize, c.intermediateSize]
        }
    }
}

/// Low-rank adaptation (Hu et al. 2021): chosen projections become `x Wᵀ + (alpha / rank) (x Aᵀ) Bᵀ`; only A, B and a
/// scalar head are trained.
package struct LowRankAdaptation: Sendable, Equatable {
    package let rank: Int
    package let alpha: Double
    /// In the order of `Projection.allCases`, each once.
    package let targets: [Projection]

    /// - Precondition: `rank` is at least 1 and there is a target.
    package init(rank: Int, alpha: Double, targets: some Collection<Projection>) {
        precondition(rank >= 1 && !targets.isEmpty, "an adaptation needs a rank and a target")
        (self.rank, self.alpha) = (rank, alpha)
        self.targets = Projection.allCases.filter(targets.contains)
    }

    var scale: Float { Float(alpha / Double(rank)) }

    /// Whether a parameter changes: the model's own are frozen, but for a scalar head.
    func trains(_ role: ParameterRole) -> Bool { role.isAdapter || role == .scalarHead }

    /// `W + (alpha / rank) B A` in a matrix of its own.
    ///
    /// - Parameters:
    ///   - weight: W, `[out, in]`.
    ///   - a: `[rank, in]`; `b`: `[out, rank]`.
    package func merged(_ weight: Matrix, a: Matrix, b: Matrix) -> Matrix {
        let sum = Matrix(rows: weight.rows, columns: weight.columns)
        sum.copy(from: weight)
        GEMM.multiply(b, a, into: sum, alpha: scale, accumulate: true)
        return sum
    }
}

extension ParameterLayout {
    /// The specifications of A and B beside a weight, in a layout of what is trained; nil when it is not adapted.
    package func adapter(of weight: ParameterSpec) -> (a: ParameterSpec, b: ParameterSpec)? {
        guard case .weight(let target) = weight.role,
            let a = specs(of: weight.group).first(where: { $0.role == .adapterA(target) }),
            let b = specs(of: weight.group).first(where: { $0.role == .adapterB(target) })
        else { return nil }
        return (a, b)
    }
}

/// A frozen model's parameters with the trained ones: a block is its base matrices, then the adapters'; a trained scalar
/// head takes the place of the frozen one.
package final class AdaptedParameters: ParameterSource {
    private let base: any ParameterSource
    private let adapters: any ParameterSource
    private let layout: ParameterLayout

    /// - Parameter layout: of `adapters`.
    package init(base: any ParameterSource, adapters: any ParameterSource, layout: ParameterLayout) {
        (self.base, self.adapters, self.layout) = (base, adapters, layout)
    }

    package func acquire(group: ParameterGroup) throws -> [Matrix] {
        let matrices = try base.acquire(group: group)
        guard isTrained(group) else { return matrices }
        return try (group == .head ? matrices.dropLast() : matrices) + adapters.acquire(group: group)
    }

    package func release(group: ParameterGroup) {
        base.release(group: group)
        if isTrained(group) { adapters.release(group: group) }
    }

    package func prefetch(group: ParameterGroup) {
        base.prefetch(group: group)
        if isTrained(group) { adapters.prefetch(group: group) }
    }

    private func isTrained(_ group: ParameterGroup) -> Bool { layout.place(of: group) != nil }
}

extension TransformerModel {
    /// A group as a model without adapters holds it, for the same outputs.
    ///
    /// - Parameter matrices: the group as `AdaptedParameters` gives it; not changed.
    package func merged(_ matrices: [Matrix], group: ParameterGroup) -> [Matrix] {
        guard let adaptation, group.isBlock else { return matrices }
        let layers = block(matrices)
        return zip(layout.specs(of: group), matrices).map { spec, matrix in
            guard case .weight(let target) = spec.role, let term = layers[target].adapter else { return matrix }
            return adaptation.merged(matrix, a: term.a, b: term.b)
        }
    }
}
