import Tensors

/// What a block's backward pass needs of its forward pass. Norm outputs and the SwiGLU product are recomputed instead.
struct BlockActivations {
    /// `[tokens, hidden]`: the block's input.
    let input: Matrix
    let inputInverseRMS: FloatBuffer
    /// `[tokens, (heads + 2 * kvHeads) * headSize]`: rotated queries, rotated keys, values.
    let queriesKeysValues: Matrix
    /// `[tokens, heads * headSize]`
    let attention: Matrix
    /// `[tokens, heads]`
    let logSumExp: Matrix
    /// `[tokens, hidden]`: the residual stream between attention and the MLP.
    let middle: Matrix
    let middleInverseRMS: FloatBuffer
    /// `[tokens, intermediate]` each.
    let gate: Matrix
    let up: Matrix
}

/// One block: `x + O(attention(norm(x)))`, then `x + down(silu(gate(norm(x))) * up(norm(x)))`.
/// Weights are `[out, in]` as in Hugging Face files, so a projection is `x · Wᵀ`.
///
/// Where the model is adapted, low-rank terms stand beside chosen projections, and theirs are the only gradients.
struct TransformerBlock {
    let configuration: ModelConfiguration
    let parameters: BlockParameters<Matrix>
    let adaptation: LowRankAdaptation?
    let adapters: [Projection: LowRankTerm]

    /// - Parameter matrices: the block's parameters in layout order, then those of the adapters.
    init(_ configuration: ModelConfiguration, _ adaptation: LowRankAdaptation?, _ matrices: [Matrix]) {
        self.configuration = configuration
        self.adaptation = adaptation
        let own = matrices.count - 2 * (adaptation?.targets.count ?? 0)
        parameters = BlockParameters(configuration, Array(matrices[..<own]))
        adapters = Self.terms(adaptation, matrices[own...])
    }

    private static func terms(
        _ adaptation: LowRankAdaptation?, _ matrices: ArraySlice<Matrix>
    ) -> [Projection: LowRankTerm] {
        guard let adaptation else { return [:] }
        var rest = matrices
        return adaptation.targets.reduce(into: [:]) { terms, target in
            let (a, b) = (rest.removeFirst(), rest.removeFirst())
            terms[target] = LowRankTerm(a: a, b: b, scale: adaptation.scale)
        }
    }

    private var attention: TreeAttention { TreeAttention(configuration) }

    func forward(_ input: Matrix, forest: TokenForest, rotary: RotaryTable) -> (Matrix, BlockActivations) {
        let tokens = input.rows
        let p = parameters

        let inputInverseRMS = FloatBuffer(count: tokens)
        let normed = normalize(input, p.inputNorm, inverseRMS: inputInverseRMS)
        let qkv = Matrix(rows: tokens, columns: attention.width)
        for (name, part, weight, bias) in projections(of: qkv) {
            project(normed, name, weight, into: part)
            if let bias { Vectors.addBias(bias, to: part) }
        }
        rotary.rotate(attention.queriesAndKeys(qkv), headSize: configuration.headSize)
        let attended = Matrix(rows: tokens, columns: attention.queryWidth)
        let logSumExp = Matrix(rows: tokens, columns: configuration.headCount)
        attention.forward(qkv, forest: forest, into: attended, logSumExp: logSumExp)

        let middle = Matrix(rows: tokens, columns: input.columns)
        middle.copy(from: input)
        project(attended, .output, p.output, into: middle, accumulate: true)
        if let bias = p.outputBias { Vectors.addBias(bias, to: middle) }

        let middleInverseRMS = FloatBuffer(count: tokens)
        let middleNormed = normalize(middle, p.middleNorm, inverseRMS: middleInverseRMS)
        let gate = Matrix(rows: tokens, columns: configuration.intermediateSize)
        let up = Matrix(rows: tokens, columns: configuration.intermediateSize)
        project(middleNormed, .gate, p.gate, into: gate)
        project(middleNormed, .up, p.up, into: up)
        let product = Matrix(rows: tokens, columns: configuration.intermediateSize)
        SwiGLU.forward(gate: gate, up: up, into: product)
        let output = Matrix(rows: tokens, columns: input.columns)
        output.copy(from: middle)
        project(product, .down, p.down, into: output, accumulate: true)

        let activations = BlockActivations(
            input: input, inputInverseRMS: inputInverseRMS, queriesKeysValues: qkv, attention: attended,
            logSumExp: logSumExp, middle: middle, middleInverseRMS: middleInverseRMS, gate: gate, up: up)
        return (output, activations)
    }

    /// - Parameters:
    ///   - gradient: `[tokens, hidden]`; on entry at the block's output, on return at its input.
    ///   - parameterGradients: of the block's parameters, or of its adapters where the model is adapted.
    func backward(
        _ saved: BlockActivations, gradient: Matrix, forest: TokenForest, rotary: RotaryTable,
        parameterGradients: [Matrix]
    ) {
        let tokens = gradient.rows
        let p = parameters
        let g = adaptation == nil ? BlockParameters(configuration, parameterGradients) : nil
        let low = Self.terms(adaptation, parameterGradients[...])

        // MLP: output = middle + product · downᵀ
        let product = Matrix(rows: tokens, columns: configuration.intermediateSize)
        SwiGLU.forward(gate: saved.gate, up: saved.up, into: product)
        learn(.down, from: gradient, input: product, weight: g?.down, low)
        let productGradient = product
        carry(gradient, through: .down, p.down, to: productGradient)
        let gateGradient = Matrix(rows: tokens, columns: configuration.intermediateSize)
        let upGradient = Matrix(rows: tokens, columns: configuration.intermediateSize)
        SwiGLU.backward(
            productGradient, gate: saved.gate, up: saved.up, gateGradient: gateGradient, upGradient: upGradient)
        let normed = normalize(saved.middle, p.middleNorm, inverseRMS: saved.middleInverseRMS)
        learn(.gate, from: gateGradient, input: normed, weight: g?.gate, low)
        learn(.up, from: upGradient, input: normed, weight: g?.up, low)
        let normedGradient = Matrix(rows: tokens, columns: gradient.columns)
        carry(gateGradient, through: .gate, p.gate, to: normedGradient)
        carry(upGradient, through: .up, p.up, to: normedGradient, accumulate: true)
        RMSNorm.backward(
            normedGradient, x: saved.middle, weight: p.middleNorm, inverseRMS: saved.middleInverseRMS,
            addingTo: gradient, weightGradient: g?.middleNorm)

        // Attention: middle = input + attention · outputᵀ
        learn(.output, from: gradient, input: saved.attention, weight: g?.output, low)
        if let bias = g?.outputBias { Vectors.addColumnSums(of: gradient, to: bias) }
        let attentionGradient = Matrix(rows: tokens, columns: attention.queryWidth)
        carry(gradient, through: .output, p.output, to: attentionGradient)
        let qkvGradient = Matrix(rows: tokens, columns: attention.width)
        attention.backward(
            saved.queriesKeysValues, output: saved.attention, logSumExp: saved.logSumExp,
            outputGradient: attentionGradient, forest: forest, addingTo: qkvGradient)
        rotary.rotate(attention.queriesAndKeys(qkvGradient), headSize: configuration.headSize, inverse: true)
        let inputNormed = normalize(saved.input, p.inputNorm, inverseRMS: saved.inputInverseRMS)
        normedGradient.fill(0)
        let qkvParameterGradients = [(g?.query, g?.queryBias), (g?.key, g?.keyBias), (g?.value, g?.valueBias)]
        for ((name, part, weight, _), own) in zip(projections(of: qkvGradient), qkvParameterGradients) {
            learn(name, from: part, input: inputNormed, weight: own.0, low)
            if let bias = own.1 { Vectors.addColumnSums(of: part, to: bias) }
            carry(part, through: name, weight, to: normedGradient, accumulate: true)
        }
        RMSNorm.backward(
            normedGradient, x: saved.input, weight: p.inputNorm, inverseRMS: saved.inputInverseRMS,
            addingTo: gradient, weightGradient: g?.inputNorm)
    }

    /// `x · Wᵀ` and the projection's low-rank term.
    private func project(_ x: Matrix, _ name: Projection, _ weight: Matrix, into y: Matrix, accumulate: Bool = false) {
        GEMM.multiply(x, weight, into: y, transposeB: true, accumulate: accumulate)
        adapters[name]?.add(x, to: y)
    }

    /// Adds what the gradient at a projection's output says about its weight, or about its low-rank term.
    private func learn(
        _ name: Projection, from yGradient: Matrix, input x: Matrix, weight: Matrix?, _ low: [Projection: LowRankTerm]
    ) {
        if let weight { GEMM.multiply(yGradient, x, into: weight, transposeA: true, accumulate: true) }
        if let term = adapters[name], let gradients = low[name] { term.addGradients(yGradient, x: x, to: gradients) }
    }

    /// The gradient at a projection's input from that at its output.
    private func carry(
        _ yGradient: Matrix, through name: Projection, _ weight: Matrix, to xGradient: Matrix, accumulate: Bool = false
    ) {
        GEMM.multiply(yGradient, weight, into: xGradient, accumulate: accumulate)
        adapters[name]?.addInputGradient(yGradient, to: xGradient)
    }

    private func normalize(_ x: Matrix, _ weight: Matrix, inverseRMS: FloatBuffer) -> Matrix {
        let y = Matrix(rows: x.rows, columns: x.columns)
        RMSNorm.forward(x, weight: weight, epsilon: configuration.normEpsilon, into: y, inverseRMS: inverseRMS)
        return y
    }

    /// The query, key and value columns of `qkv` with the weight and bias that make each.
    private func projections(of qkv: Matrix) -> [(name: Projection, part: Matrix, weight: Matrix, bias: Matrix?)] {
        let p = parameters
        return [
            (.query, attention.queries(qkv), p.query, p.queryBias), (.key, attention.keys(qkv), p.key, p.keyBias),
            (.value, attention.values(qkv), p.value, p.valueBias),
        ]
    }
}

/// A block's parameters (or their gradients) by name, in the order of `ParameterLayout`.
struct BlockParameters<Element> {
    let inputNorm: Element
    let query: Element
    let key: Element
    let value: Element
    let queryBias: Element?
    let keyBias: Element?
    let valueBias: Element?
    let output: Element
    let outputBias: Element?
    let middleNorm: Element
    let gate: Element
    let up: Element
    let down: Element

    init(_ configuration: ModelConfiguration, _ elements: [Element]) {
        var rest = elements[...]
        inputNorm = rest.removeFirst()
        query = rest.removeFirst()
        key = rest.removeFirst()
        value = rest.removeFirst()
        queryBias = configuration.queryKeyValueBias ? rest.removeFirst() : nil
        keyBias = configuration.queryKeyValueBias ? rest.removeFirst() : nil
        valueBias = configuration.queryKeyValueBias ? rest.removeFirst() : nil
        output = rest.removeFirst()
        outputBias = configuration.outputBias ? rest.removeFirst() : nil
        middleNorm = rest.removeFirst()
        gate = rest.removeFirst()
        up = rest.removeFirst()
        down = rest.removeFirst()
        precondition(rest.isEmpty, "a block has more parameters than its configuration names")
    }
}
