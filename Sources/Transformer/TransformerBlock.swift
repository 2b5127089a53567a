import Tensors

/// What a block's backward pass needs of its forward pass. What norms and the MLP's product give is formed again instead,
/// but for what only families with more norms have.
struct BlockActivations {
    /// `[tokens, hidden]`: the block's input.
    let input: Matrix
    let attended: AttentionActivations
    /// `[tokens, hidden]`: the residual stream between attention and the MLP.
    let middle: Matrix
    /// `[tokens, intermediate]` each.
    let gate, up: Matrix
    /// What the norm of the MLP's sum reads.
    let outputSum: NormInput?
}

/// The part of them that attention makes.
struct AttentionActivations {
    /// What the norms of queries and keys read.
    let rawQueries, rawKeys: NormInput?
    /// `[tokens, (heads + 2 * kvHeads) * headSize]`: rotated queries, rotated keys, values.
    let queriesKeysValues: Matrix
    /// `[tokens, heads * headSize]`
    let output: Matrix
    /// `[tokens, heads]`
    let logSumExp: Matrix
    /// What the norm of attention's sum reads.
    let sum: NormInput?
}

struct NormInput {
    let x: Matrix
    let inverseRMS: InverseRMS
}

/// One block: `x + O(attention(norm(x)))`, then `x + down(silu(gate(norm(x))) * up(norm(x)))`, with the norms and the
/// activation that the family has (`ModelFamily`).
struct TransformerBlock {
    private let layers: BlockLayers<Matrix>
    private let configuration: ModelConfiguration
    private let attention: TreeAttention
    private let layer: Int

    /// - Parameter matrices: the parameters of block `layer`.
    init(_ model: TransformerModel, _ layer: Int, _ matrices: [Matrix]) {
        (configuration, self.layer) = (model.configuration, layer)
        layers = model.block(matrices)
        attention = TreeAttention(configuration, layer: layer)
    }

    /// - Parameter keepingActivations: without it, what attention made is freed before the MLP needs room of its own.
    func forward(
        _ input: Matrix, seeing context: any AttentionContext, rotary: RotaryTables, keepingActivations: Bool
    ) -> (Matrix, BlockActivations?) {
        let (middle, attended) = attend(input, context, rotary: rotary, keepingActivations: keepingActivations)

        let middleNormed = Self.read(middle, layers.middleNorm).x
        let gate = layers.gate.forward(middleNormed)
        let up = layers.up.forward(middleNormed)
        let product = keepingActivations ? Matrix(rows: gate.rows, columns: gate.columns) : gate
        configuration.family.activation.forward(gate: gate, up: up, into: product)
        let (output, outputSum) = Self.add(product, through: layers.down, layers.outputNorm, to: middle)
        guard let attended else { return (output, nil) }
        let activations = BlockActivations(
            input: input, attended: attended, middle: middle, gate: gate, up: up, outputSum: outputSum)
        return (output, activations)
    }

    /// The first half of a block: `x + O(attention(norm(x)))`.
    private func attend(
        _ input: Matrix, _ context: any AttentionContext, rotary: RotaryTables, keepingActivations: Bool
    ) -> (Matrix, AttentionActivations?) {
        let normed = Self.read(input, layers.inputNorm).x
        let qkv = Matrix(rows: input.rows, columns: attention.width)
        layers.query.forward(normed, into: attention.queries(qkv))
        layers.key.forward(normed, into: attention.keys(qkv))
        layers.value.forward(normed, into: attention.values(qkv))
        let rawQueries = Self.normalize(attention.queries(qkv), layers.queryNorm)
        let rawKeys = Self.normalize(attention.keys(qkv), layers.keyNorm)
        rotary.table(ofLayer: layer)?.rotate(attention.queriesAndKeys(qkv), headSize: configuration.headSize)
        let output = Matrix(rows: input.rows, columns: attention.queryWidth)
        let logSumExp = Matrix(rows: input.rows, columns: configuration.headCount)
        context.attend(attention, qkv, layer: layer, into: output, logSumExp: logSumExp)
        let (middle, sum) = Self.add(output, through: layers.output, layers.attentionNorm, to: input)
        guard keepingActivations else { return (middle, nil) }
        let attended = AttentionActivations(
            rawQueries: rawQueries, rawKeys: rawKeys, queriesKeysValues: qkv, output: output, logSumExp: logSumExp,
            sum: sum)
        return (middle, attended)
    }

    /// - Parameters:
    ///   - gradient: `[tokens, hidden]`; on entry at the block's output, on return at its input.
    ///   - gradients: of the block's trained parameters.
    func backward(
        _ saved: BlockActivations, gradient: Matrix, forest: TokenForest, rotary: RotaryTables,
        into gradients: BlockLayers<Matrix?>
    ) {
        let tokens = gradient.rows
        let attended = saved.attended
        let activation = configuration.family.activation

        // MLP: output = middle + product · downᵀ
        let product = Matrix(rows: tokens, columns: saved.gate.columns)
        activation.forward(gate: saved.gate, up: saved.up, into: product)
        let sumGradient = Self.carry(gradient, through: layers.outputNorm, saved.outputSum, into: gradients.outputNorm)
        layers.down.learn(sumGradient, input: product, into: gradients.down)
        let productGradient = product
        layers.down.carry(sumGradient, into: productGradient)
        let gateGradient = Matrix(rows: tokens, columns: product.columns)
        let upGradient = Matrix(rows: tokens, columns: product.columns)
        activation.backward(
            productGradient, gate: saved.gate, up: saved.up, gateGradient: gateGradient, upGradient: upGradient)
        let normed = Self.read(saved.middle, layers.middleNorm)
        layers.gate.learn(gateGradient, input: normed.x, into: gradients.gate)
        layers.up.learn(upGradient, input: normed.x, into: gradients.up)
        let normedGradient = Matrix(rows: tokens, columns: gradient.columns)
        layers.gate.carry(gateGradient, into: normedGradient)
        layers.up.carry(upGradient, into: normedGradient, accumulate: true)
        Self.add(
            normedGradient, through: layers.middleNorm, of: saved.middle, normed.inverseRMS, to: gradient,
            into: gradients.middleNorm)

        // Attention: middle = input + attention · outputᵀ
        let attentionSumGradient = Self.carry(
            gradient, through: layers.attentionNorm, attended.sum, into: gradients.attentionNorm)
        layers.output.learn(attentionSumGradient, input: attended.output, into: gradients.output)
        let attentionGradient = Matrix(rows: tokens, columns: attention.queryWidth)
        layers.output.carry(attentionSumGradient, into: attentionGradient)
        let qkvGradient = Matrix(rows: tokens, columns: attention.width)
        attention.backward(
            attended.queriesKeysValues, output: attended.output, logSumExp: attended.logSumExp,
            outputGradient: attentionGradient, forest: forest, addingTo: qkvGradient)
        rotary.table(ofLayer: layer)?.rotate(
            attention.queriesAndKeys(qkvGradient), headSize: configuration.headSize, inverse: true)
        let queryGradient = Self.carry(
            attention.queries(qkvGradient), through: layers.queryNorm, attended.rawQueries, into: gradients.queryNorm)
        let keyGradient = Self.carry(
            attention.keys(qkvGradient), through: layers.keyNorm, attended.rawKeys, into: gradients.keyNorm)
        let inputNormed = Self.read(saved.input, layers.inputNorm)
        normedGradient.fill(0)
        for (layer, own, part) in [
            (layers.query, gradients.query, queryGradient), (layers.key, gradients.key, keyGradient),
            (layers.value, gradients.value, attention.values(qkvGradient)),
        ] {
            layer.learn(part, input: inputNormed.x, into: own)
            layer.carry(part, into: normedGradient, accumulate: true)
        }
        Self.add(
            normedGradient, through: layers.inputNorm, of: saved.input, inputNormed.inverseRMS, to: gradient,
            into: gradients.inputNorm)
    }

    // MARK: - Norms that a family may have or not, forward and backward

    /// What attention or the MLP reads of the stream.
    private static func read(_ stream: Matrix, _ norm: Norm<Matrix>?) -> NormInput {
        guard let norm else { return NormInput(x: stream, inverseRMS: []) }
        let (y, inverseRMS) = norm.forward(stream)
        return NormInput(x: y, inverseRMS: inverseRMS)
    }

    /// The backward pass of `read`: adds to the stream's gradient.
    private static func add(
        _ gradient: Matrix, through norm: Norm<Matrix>?, of stream: Matrix, _ inverseRMS: InverseRMS,
        to streamGradient: Matrix, into gradients: Norm<Matrix?>?
    ) {
        guard let norm else { return Vectors.add(gradient, to: streamGradient) }
        norm.backward(gradient, input: stream, inverseRMS, addingTo: streamGradient, into: gradients)
    }

    /// `stream + norm(x Wᵀ)`, and what the norm read.
    private static func add(
        _ x: Matrix, through layer: Linear<Matrix>, _ norm: Norm<Matrix>?, to stream: Matrix
    ) -> (Matrix, NormInput?) {
        guard let norm else {
            let sum = Matrix(rows: stream.rows, columns: stream.columns)
            sum.copy(from: stream)
            layer.forward(x, into: sum, accumulate: true)
            return (sum, nil)
        }
        let y = layer.forward(x)
        let (sum, inverseRMS) = norm.forward(y)
        Vectors.add(stream, to: sum)
        return (sum, NormInput(x: y, inverseRMS: inverseRMS))
    }

    /// Normalizes in place and returns what was there.
    private static func normalize(_ x: Matrix, _ norm: Norm<Matrix>?) -> NormInput? {
        guard let norm else { return nil }
        let raw = Matrix(rows: x.rows, columns: x.columns)
        raw.copy(from: x)
        return NormInput(x: raw, inverseRMS: norm.forward(raw, into: x))
    }

    /// The gradient before a norm from that behind it: the same where there is none.
    private static func carry(
        _ gradient: Matrix, through norm: Norm<Matrix>?, _ saved: NormInput?, into gradients: Norm<Matrix?>?
    ) -> Matrix {
        guard let norm, let saved else { return gradient }
        let carried = Matrix(rows: gradient.rows, columns: gradient.columns)
        norm.backward(gradient, input: saved.x, saved.inverseRMS, addingTo: carried, into: gradients)
        return carried
    }
}
