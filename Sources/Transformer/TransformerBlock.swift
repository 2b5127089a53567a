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
struct TransformerBlock {
    let layers: BlockLayers<Matrix>
    private let configuration: ModelConfiguration
    private let attention: TreeAttention

    init(_ configuration: ModelConfiguration, _ layers: BlockLayers<Matrix>) {
        (self.configuration, self.layers) = (configuration, layers)
        attention = TreeAttention(configuration)
    }

    func forward(_ input: Matrix, forest: TokenForest, rotary: RotaryTable) -> (Matrix, BlockActivations) {
        let tokens = input.rows

        let inputInverseRMS = FloatBuffer(count: tokens)
        let normed = layers.inputNorm.forward(input, inverseRMS: inputInverseRMS)
        let qkv = Matrix(rows: tokens, columns: attention.width)
        layers.query.forward(normed, into: attention.queries(qkv))
        layers.key.forward(normed, into: attention.keys(qkv))
        layers.value.forward(normed, into: attention.values(qkv))
        rotary.rotate(attention.queriesAndKeys(qkv), headSize: configuration.headSize)
        let attended = Matrix(rows: tokens, columns: attention.queryWidth)
        let logSumExp = Matrix(rows: tokens, columns: configuration.headCount)
        attention.forward(qkv, forest: forest, into: attended, logSumExp: logSumExp)
        let middle = Matrix(rows: tokens, columns: input.columns)
        middle.copy(from: input)
        layers.output.forward(attended, into: middle, accumulate: true)

        let middleInverseRMS = FloatBuffer(count: tokens)
        let middleNormed = layers.middleNorm.forward(middle, inverseRMS: middleInverseRMS)
        let gate = layers.gate.forward(middleNormed)
        let up = layers.up.forward(middleNormed)
        let product = Matrix(rows: tokens, columns: configuration.intermediateSize)
        SwiGLU.forward(gate: gate, up: up, into: product)
        let output = Matrix(rows: tokens, columns: input.columns)
        output.copy(from: middle)
        layers.down.forward(product, into: output, accumulate: true)

        let activations = BlockActivations(
            input: input, inputInverseRMS: inputInverseRMS, queriesKeysValues: qkv, attention: attended,
            logSumExp: logSumExp, middle: middle, middleInverseRMS: middleInverseRMS, gate: gate, up: up)
        return (output, activations)
    }

    /// - Parameters:
    ///   - gradient: `[tokens, hidden]`; on entry at the block's output, on return at its input.
    ///   - gradients: of the block's trained parameters.
    func backward(
        _ saved: BlockActivations, gradient: Matrix, forest: TokenForest, rotary: RotaryTable,
        into gradients: BlockLayers<Matrix?>
    ) {
        let tokens = gradient.rows

        // MLP: output = middle + product · downᵀ
        let product = Matrix(rows: tokens, columns: configuration.intermediateSize)
        SwiGLU.forward(gate: saved.gate, up: saved.up, into: product)
        layers.down.learn(gradient, input: product, into: gradients.down)
        let productGradient = product
        layers.down.carry(gradient, into: productGradient)
        let gateGradient = Matrix(rows: tokens, columns: configuration.intermediateSize)
        let upGradient = Matrix(rows: tokens, columns: configuration.intermediateSize)
        SwiGLU.backward(
            productGradient, gate: saved.gate, up: saved.up, gateGradient: gateGradient, upGradient: upGradient)
        let normed = layers.middleNorm.forward(saved.middle, inverseRMS: saved.middleInverseRMS)
        layers.gate.learn(gateGradient, input: normed, into: gradients.gate)
        layers.up.learn(upGradient, input: normed, into: gradients.up)
        let normedGradient = Matrix(rows: tokens, columns: gradient.columns)
        layers.gate.carry(gateGradient, into: normedGradient)
        layers.up.carry(upGradient, into: normedGradient, accumulate: true)
        layers.middleNorm.backward(
            normedGradient, input: saved.middle, inverseRMS: saved.middleInverseRMS, addingTo: gradient,
            into: gradients.middleNorm)

        // Attention: middle = input + attention · outputᵀ
        layers.output.learn(gradient, input: saved.attention, into: gradients.output)
        let attentionGradient = Matrix(rows: tokens, columns: attention.queryWidth)
        layers.output.carry(gradient, into: attentionGradient)
        let qkvGradient = Matrix(rows: tokens, columns: attention.width)
        attention.backward(
            saved.queriesKeysValues, output: saved.attention, logSumExp: saved.logSumExp,
            outputGradient: attentionGradient, forest: forest, addingTo: qkvGradient)
        rotary.rotate(attention.queriesAndKeys(qkvGradient), headSize: configuration.headSize, inverse: true)
        let inputNormed = layers.inputNorm.forward(saved.input, inverseRMS: saved.inputInverseRMS)
        normedGradient.fill(0)
        for (layer, part, own) in [
            (layers.query, attention.queries(qkvGradient), gradients.query),
            (layers.key, attention.keys(qkvGradient), gradients.key),
            (layers.value, attention.values(qkvGradient), gradients.value),
        ] {
            layer.learn(part, input: inputNormed, into: own)
            layer.carry(part, into: normedGradient, accumulate: true)
        }
        layers.inputNorm.backward(
            normedGradient, input: saved.input, inverseRMS: saved.inputInverseRMS, addingTo: gradient,
            into: gradients.inputNorm)
    }
}
