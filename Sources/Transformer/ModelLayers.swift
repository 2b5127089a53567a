import Tensors

// The one description of a model's parameters. Each structure visits its parameters in the order of layouts and makes
// of them what the caller needs: specifications, the matrices to compute with, or the gradients to add to.

/// - Parameters:
///   - name: below the group's prefix.
///   - shape: one or two dimensions.
typealias LayerVisitor<Element> = (_ name: String, _ shape: [Int], _ role: ParameterRole) -> Element

extension Embedding {
    init(_ c: ModelConfiguration, _ visit: LayerVisitor<Element>) {
        weight = visit("embed_tokens.weight", [c.vocabularySize, c.hiddenSize], .embedding)
        scale = c.family.scalesEmbedding ? Float(c.hiddenSize).squareRoot() : nil
    }
}

/// The layers of one block.
struct BlockLayers<Element> {
    /// Norms of what attention reads and of what it adds to the stream.
    let inputNorm, attentionNorm: Norm<Element>?
    private(set) var query, key, value, output: Linear<Element>
    let queryNorm, keyNorm: Norm<Element>?
    /// Norms of what the MLP reads and of what it adds to the stream.
    let middleNorm, outputNorm: Norm<Element>?
    private(set) var gate, up, down: Linear<Element>

    init(_ c: ModelConfiguration, _ adaptation: LowRankAdaptation?, _ visit: LayerVisitor<Element>) {
        func norm(_ name: String, _ size: Int? = nil, if exists: Bool) -> Norm<Element>? {
            guard exists else { return nil }
            return Norm(
                weight: visit(name + ".weight", [size ?? c.hiddenSize], .norm), epsilon: c.normEpsilon,
                isCentered: c.family.hasCenteredNorms)
        }
        func linear(_ name: Projection) -> Linear<Element> {
            Linear(weight: visit(name.path + ".weight", name.shape(c), .weight(name)))
        }
        func bias(_ name: Projection) -> Element { visit(name.path + ".bias", [name.shape(c)[0]], .bias(name)) }

        let (norms, queryKeyNorm) = (c.family.norms, c.family.queryKeyNorm)
        inputNorm = norm("input_layernorm", if: norms != .after)
        (query, key, value) = (linear(.query), linear(.key), linear(.value))
        if c.queryKeyValueBias { (query.bias, key.bias, value.bias) = (bias(.query), bias(.key), bias(.value)) }
        output = linear(.output)
        if c.outputBias { output.bias = bias(.output) }
        func width(_ name: Projection) -> Int { queryKeyNorm == .heads ? c.headSize : name.shape(c)[0] }
        queryNorm = norm("self_attn.q_norm", width(.query), if: queryKeyNorm != .none)
        keyNorm = norm("self_attn.k_norm", width(.key), if: queryKeyNorm != .none)
        // Where attention's sum has a norm, that one has the name.
        attentionNorm = norm("post_attention_layernorm", if: norms != .before)
        middleNorm = norm(
            norms == .before ? "post_attention_layernorm" : "pre_feedforward_layernorm", if: norms != .after)
        (gate, up, down) = (linear(.gate), linear(.up), linear(.down))
        outputNorm = norm("post_feedforward_layernorm", if: norms != .before)
        guard let adaptation else { return }
        for target in adaptation.targets {
            let (module, shape) = (target.path, target.shape(c))
            self[target].adapter = LowRankTerm(
                a: visit(module + ".lora_A.weight", [adaptation.rank, shape[1]], .adapterA(target)),
                b: visit(module + ".lora_B.weight", [shape[0], adaptation.rank], .adapterB(target)),
                scale: adaptation.scale)
        }
    }

    private(set) subscript(_ name: Projection) -> Linear<Element> {
        get { self[keyPath: Self.place(of: name)] }
        set { self[keyPath: Self.place(of: name)] = newValue }
    }

    private static func place(of name: Projection) -> WritableKeyPath<Self, Linear<Element>> {
        switch name {
        case .query: \.query
        case .key: \.key
        case .value: \.value
        case .output: \.output
        case .gate: \.gate
        case .up: \.up
        case .down: \.down
        }
    }
}

/// The final norm and what stands on it.
struct HeadLayers<Element> {
    let norm: Norm<Element>
    /// `[vocabulary, hidden]`; nil where the embedding serves, or beside a scalar head.
    let vocabulary: Element?
    /// `[1, hidden]`
    let scalar: Element?

    init(_ c: ModelConfiguration, _ head: HeadKind, _ visit: LayerVisitor<Element>) {
        norm = Norm(
            weight: visit("model.norm.weight", [c.hiddenSize], .norm), epsilon: c.normEpsilon,
            isCentered: c.family.hasCenteredNorms)
        vocabulary =
            head == .languageModel && !c.tiesEmbeddings
            ? visit(HeadKind.languageModel.weightName, [c.vocabularySize, c.hiddenSize], .vocabularyHead) : nil
        scalar = head == .scalar ? visit(HeadKind.scalar.weightName, [1, c.hiddenSize], .scalarHead) : nil
    }
}

extension ParameterLayout {
    /// The parameters of a model under their Hugging Face names.
    package init(_ configuration: ModelConfiguration, head: HeadKind) {
        self.init(specs: Self.specs(configuration, head, nil))
    }

    /// What is trained beside a frozen model: A and B of every target, and a scalar head whole.
    package init(_ adaptation: LowRankAdaptation, _ configuration: ModelConfiguration, head: HeadKind) {
        self.init(specs: Self.specs(configuration, head, adaptation).filter { adaptation.trains($0.role) })
    }

    private static func specs(_ c: ModelConfiguration, _ head: HeadKind, _ adaptation: LowRankAdaptation?)
        -> [ParameterSpec]
    {
        var specs: [ParameterSpec] = []
        func list(_ prefix: String, _ group: ParameterGroup) -> LayerVisitor<Void> {
            { specs.append(ParameterSpec(name: prefix + $0, shape: $1, role: $2, group: group)) }
        }
        _ = Embedding<Void>(c, list("model.", .embedding))
        for layer in 0..<c.layerCount {
            _ = BlockLayers<Void>(c, adaptation, list("model.layers.\(layer).", .block(layer)))
        }
        _ = HeadLayers<Void>(c, head, list("", .head))
        return specs
    }
}

extension TransformerModel {
    func embedding(_ matrices: [Matrix]) -> Embedding<Matrix> { Embedding(configuration, Self.reading(matrices)) }
    func block(_ matrices: [Matrix]) -> BlockLayers<Matrix> {
        BlockLayers(configuration, adaptation, Self.reading(matrices))
    }
    func headLayers(_ matrices: [Matrix]) -> HeadLayers<Matrix> {
        HeadLayers(configuration, head, Self.reading(matrices))
    }

    func embedding(gradients: [Matrix]) -> Embedding<Matrix?> { Embedding(configuration, learning(gradients)) }
    func block(gradients: [Matrix]) -> BlockLayers<Matrix?> {
        BlockLayers(configuration, adaptation, learning(gradients))
    }
    func headLayers(gradients: [Matrix]) -> HeadLayers<Matrix?> { HeadLayers(configuration, head, learning(gradients)) }

    /// Hands out a group's matrices in the order of the layout.
    private static func reading(_ matrices: [Matrix]) -> LayerVisitor<Matrix> {
        var rest = matrices[...]
        return { name, shape, _ in
            let matrix = rest.removeFirst()
            precondition(
                matrix.rows * matrix.columns == shape.reduce(1, *), "\(name) is not of the shape that it has here")
            return matrix
        }
    }

    /// The same for the gradients, which only trained parameters have.
    private func learning(_ gradients: [Matrix]) -> LayerVisitor<Matrix?> {
        let read = Self.reading(gradients)
        return { [adaptation] name, shape, role in adaptation?.trains(role) ?? true ? read(name, shape, role) : nil }
    }
}
