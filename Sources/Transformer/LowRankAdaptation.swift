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
        self.rank = rank
        self.alpha = alpha
        self.targets = Projection.allCases.filter(targets.contains)
    }

    var scale: Float { Float(alpha / Double(rank)) }

    /// The name of a target's base weight in block `layer`.
    package static func weightName(_ target: Projection, layer: Int) -> String {
        "model.layers.\(layer).\(target.path).weight"
    }

    /// The names of A and B beside the base weight `name`.
    package static func adapterNames(ofWeight name: String) -> (a: String, b: String) {
        let module = name.dropLast(".weight".count)
        return ("\(module).lora_A.weight", "\(module).lora_B.weight")
    }

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

/// The low-rank term of one projection.
struct LowRankTerm {
    /// `[rank, in]`
    let a: Matrix
    /// `[out, rank]`
    let b: Matrix
    let scale: Float

    /// Adds `scale (x Aᵀ) Bᵀ` to `y`.
    func add(_ x: Matrix, to y: Matrix) {
        GEMM.multiply(narrow(x), b, into: y, transposeB: true, alpha: scale, accumulate: true)
    }

    /// Adds the gradients of A and B to those in `gradients`.
    func addGradients(_ yGradient: Matrix, x: Matrix, to gradients: LowRankTerm) {
        GEMM.multiply(yGradient, narrow(x), into: gradients.b, transposeA: true, alpha: scale, accumulate: true)
        GEMM.multiply(narrowGradient(yGradient), x, into: gradients.a, transposeA: true, accumulate: true)
    }

    func addInputGradient(_ yGradient: Matrix, to xGradient: Matrix) {
        GEMM.multiply(narrowGradient(yGradient), a, into: xGradient, accumulate: true)
    }

    /// `x Aᵀ`, `[tokens, rank]`: so small that it is formed again rather than kept.
    private func narrow(_ x: Matrix) -> Matrix {
        let narrow = Matrix(rows: x.rows, columns: a.rows)
        GEMM.multiply(x, a, into: narrow, transposeB: true)
        return narrow
    }

    private func narrowGradient(_ yGradient: Matrix) -> Matrix {
        let gradient = Matrix(rows: yGradient.rows, columns: a.rows)
        GEMM.multiply(yGradient, b, into: gradient, alpha: scale)
        return gradient
    }
}

extension ParameterLayout {
    /// What is trained beside a frozen model: A and B of every target, a group for each block; a scalar head whole, in a
    /// group after them.
    package init(_ adaptation: LowRankAdaptation, _ configuration: ModelConfiguration, head: HeadKind) {
        let base = ParameterLayout(configuration, head: head)
        var specs: [ParameterSpec] = []
        for layer in 0..<configuration.layerCount {
            for target in adaptation.targets {
                let name = LowRankAdaptation.weightName(target, layer: layer)
                guard let weight = base.specs.first(where: { $0.name == name }) else {
                    preconditionFailure("a block has no \(name)")
                }
                let (a, b) = LowRankAdaptation.adapterNames(ofWeight: name)
                specs.append(ParameterSpec(name: a, shape: [adaptation.rank, weight.columns], group: layer))
                specs.append(ParameterSpec(name: b, shape: [weight.rows, adaptation.rank], group: layer))
            }
        }
        for spec in base.specs where head == .scalar && spec.name == "score.weight" {
            specs.append(ParameterSpec(name: spec.name, shape: spec.shape, group: configuration.layerCount))
        }
        self.init(specs: specs)
    }
}

/// A frozen model's parameters with the trained ones beside them: a group is its base matrices, then the adapters'.
package final class AdaptedParameters: ParameterSource {
    private let base: any ParameterSource
    private let adapters: any ParameterSource
    private let groups: AdapterGroups

    /// - Parameter layout: of `adapters`.
    package init(base: any ParameterSource, adapters: any ParameterSource, layout: ParameterLayout) {
        self.base = base
        self.adapters = adapters
        groups = AdapterGroups(layout)
    }

    package func acquire(group: Int) throws -> [Matrix] {
        let matrices = try base.acquire(group: group)
        guard let own = groups[group] else { return matrices }
        return try matrices + adapters.acquire(group: own)
    }

    package func release(group: Int) {
        base.release(group: group)
        if let own = groups[group] { adapters.release(group: own) }
    }

    package func prefetch(group: Int) {
        base.prefetch(group: group)
        if let own = groups[group] { adapters.prefetch(group: own) }
    }
}

/// Takes the gradients of an adapted model: a group's are those of its trained parameters alone.
package final class AdapterGradients: GradientSink {
    private let sink: any GradientSink
    private let groups: AdapterGroups

    /// - Parameter layout: of the trained parameters, which `sink` takes.
    package init(_ sink: any GradientSink, layout: ParameterLayout) {
        self.sink = sink
        groups = AdapterGroups(layout)
    }

    package func gradients(group: Int) -> [Matrix] { groups[group].map { sink.gradients(group: $0) } ?? [] }
    package func finish(group: Int) throws { if let own = groups[group] { try sink.finish(group: own) } }
}

/// Which group of the trained parameters belongs to a group of the model: none to the embedding, and to the head only
/// when it is a scalar one.
private struct AdapterGroups {
    private let count: Int

    init(_ layout: ParameterLayout) { count = layout.groupCount }

    subscript(group: Int) -> Int? { (1...count).contains(group) ? group - 1 : nil }
}

extension TransformerModel {
    /// A group as a model without adapters holds it, for the same outputs.
    ///
    /// - Parameter matrices: the group as `AdaptedParameters` gives it; not changed.
    package func merged(_ matrices: [Matrix], group: Int) -> [Matrix] {
        let specs = layout.specs[layout.groups[group]]
        guard let adaptation, matrices.count > specs.count else { return matrices }
        let names = trainedLayout.specs[trainedLayout.groups[group - 1]].map(\.name)
        let trained = Dictionary(uniqueKeysWithValues: zip(names, matrices[specs.count...]))
        return zip(specs, matrices).map { spec, matrix in
            let (a, b) = LowRankAdaptation.adapterNames(ofWeight: spec.name)
            if let a = trained[a], let b = trained[b] { return adaptation.merged(matrix, a: a, b: b) }
            return trained[spec.name] ?? matrix
        }
    }
}
