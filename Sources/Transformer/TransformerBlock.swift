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
struct TransformerBlock {
    let configuration: ModelConfiguration
    let parameters: BlockParameters<Matrix>

    init(_ configuration: ModelConfiguration, _ matrices: [Matrix]) {
        self.configuration = configuration
        parameters = BlockParameters(configuration, matrices)
    }

    private var attention: TreeAttention { TreeAttention(configuration) }

    func forward(_ input: Matrix, forest: TokenForest, rotary: RotaryTable) -> (Matrix, BlockActivations) {
        let tokens = input.rows
        let p = parameters

        let inputInverseRMS = FloatBuffer(count: tokens)
        let normed = normalize(input, p.inputNorm, inverseRMS: inputInverseRMS)
        let qkv = Matrix(rows: tokens, columns: attention.width)
        for (part, weight, bias) in projections(of: qkv) {
            GEMM.multiply(normed, weight, into: part, transposeB: true)
            if let bias { Vectors.addBias(bias, to: part) }
        }
        rotary.rotate(attention.queriesAndKeys(qkv), headSize: configuration.headSize)
        let attended = Matrix(rows: tokens, columns: attention.queryWidth)
        let logSumExp = Matrix(rows: tokens, columns: configuration.headCount)
        attention.forward(qkv, forest: forest, into: attended, logSumExp: logSumExp)

        let middle = Matrix(rows: tokens, columns: input.columns)
        middle.copy(from: input)
        GEMM.multiply(attended, p.output, into: middle, transposeB: true, accumulate: true)
        if let bias = p.outputBias { Vectors.addBias(bias, to: middle) }

        let middleInverseRMS = FloatBuffer(count: tokens)
        let middleNormed = normalize(middle, p.middleNorm, inverseRMS: middleInverseRMS)
        let gate = Matrix(rows: tokens, columns: configuration.intermediateSize)
        let up = Matrix(rows: tokens, columns: configuration.intermediateSize)
        GEMM.multiply(middleNormed, p.gate, into: gate, transposeB: true)
        GEMM.multiply(middleNormed, p.up, into: up, transposeB: true)
        let product = Matrix(rows: tokens, columns: configuration.intermediateSize)
        SwiGLU.forward(gate: gate, up: up, into: product)
        let output = Matrix(rows: tokens, columns: input.columns)
        output.copy(from: middle)
        GEMM.multiply(product, p.down, into: output, transposeB: true, accumulate: true)

        let activations = BlockActivations(
            input: input, inputInverseRMS: inputInverseRMS, queriesKeysValues: qkv, attention: attended,
            logSumExp: logSumExp, middle: middle, middleInverseRMS: middleInverseRMS, gate: gate, up: up)
        return (output, activations)
    }

    /// - Parameter gradient: `[tokens, hidden]`; on entry at the block's output, on return at its input.
    func backward(
        _ saved: BlockActivations, gradient: Matrix, forest: TokenForest, rotary: RotaryTable,
        parameterGradients: [Matrix]
    ) {
        let tokens = gradient.rows
        let p = parameters
        let g = BlockParameters(configuration, parameterGradients)

        // MLP: output = middle + product · downᵀ
        let product = Matrix(rows: tokens, columns: configuration.intermediateSize)
        SwiGLU.forward(gate: saved.gate, up: saved.up, into: product)
        GEMM.multiply(gradient, product, into: g.down, transposeA: true, accumulate: true)
        let productGradient = product
        GEMM.multiply(gradient, p.down, into: productGradient)
        let gateGradient = Matrix(rows: tokens, columns: configuration.intermediateSize)
        let upGradient = Matrix(rows: tokens, columns: configuration.intermediateSize)
        SwiGLU.backward(
            productGradient, gate: saved.gate, up: saved.up, gateGradient: gateGradient, upGradient: upGradient)
        let normed = normalize(saved.middle, p.middleNorm, inverseRMS: saved.middleInverseRMS)
        GEMM.multiply(gateGradient, normed, into: g.gate, transposeA: true, accumulate: true)
        GEMM.multiply(upGradient, normed, into: g.up, transposeA: true, accumulate: true)
        let normedGradient = Matrix(rows: tokens, columns: gradient.columns)
        GEMM.multiply(gateGradient, p.gate, into: normedGradient)
        GEMM.multiply(upGradient, p.up, into: normedGradient, accumulate: true)
        RMSNorm.backward(
            normedGradient, x: saved.middle, weight: p.middleNorm, inverseRMS: saved.middleInverseRMS,
            addingTo: gradient, weightGradient: g.middleNorm)

        // Attention: middle = input + attention · outputᵀ
        GEMM.multiply(gradient, saved.attention, into: g.output, transposeA: true, accumulate: true)
        if let bias = g.outputBias { Vectors.addColumnSums(of: gradient, to: bias) }
        let attentionGradient = Matrix(rows: tokens, columns: attention.queryWidth)
        GEMM.multiply(gradient, p.output, into: attentionGradient)
        let qkvGradient = Matrix(rows: tokens, columns: attention.width)
        attention.backward(
            saved.queriesKeysValues, output: saved.attention, logSumExp: saved.logSumExp,
            outputGradient: attentionGradient, forest: forest, addingTo: qkvGradient)
        rotary.rotate(attention.queriesAndKeys(qkvGradient), headSize: configuration.headSize, inverse: true)
        let inputNormed = normalize(saved.input, p.inputNorm, inverseRMS: saved.inputInverseRMS)
        normedGradient.fill(0)
        for ((part, weight, _), (_, weightGradient, biasGradient)) in zip(
            projections(of: qkvGradient),
            TransformerBlock(configuration, parameterGradients).projections(of: qkvGradient))
        {
            GEMM.multiply(part, inputNormed, into: weightGradient, transposeA: true, accumulate: true)
            if let biasGradient { Vectors.addColumnSums(of: part, to: biasGradient) }
            GEMM.multiply(part, weight, into: normedGradient, accumulate: true)
        }
        RMSNorm.backward(
            normedGradient, x: saved.input, weight: p.inputNorm, inverseRMS: saved.inputInverseRMS,
            addingTo: gradient, weightGradient: g.inputNorm)
    }

    private func normalize(_ x: Matrix, _ weight: Matrix, inverseRMS: FloatBuffer) -> Matrix {
        let y = Matrix(rows: x.rows, columns: x.columns)
        RMSNorm.forward(x, weight: weight, epsilon: configuration.normEpsilon, into: y, inverseRMS: inverseRMS)
        return y
    }

    /// The query, key and value columns of `qkv` with the weight and bias that make each.
    private func projections(of qkv: Matrix) -> [(Matrix, Matrix, Matrix?)] {
        let p = parameters
        return [
            (attention.queries(qkv), p.query, p.queryBias), (attention.keys(qkv), p.key, p.keyBias),
            (attention.values(qkv), p.value, p.valueBias),
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
