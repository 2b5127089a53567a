import Tensors

/// What a block's backward pass needs of its forward pass. What norms and the MLP's product give is formed again instead,
/// but for what only families with more norms have.
struct BlockActivations {
    /// `[tokens, hidden]`: the block's input.
    let input: Matrix
    /// What the norms of queries and keys read.
    let rawQueries: NormInput?
    let rawKeys: NormInput?
    /// `[tokens, (heads + 2 * kvHeads) * headSize]`: rotated queries, rotated keys, values.
    let queriesKeysValues: Matrix
    /// `[tokens, heads * headSize]`
    let attention: Matrix
    /// `[tokens, heads]`
    let logSumExp: Matrix
    /// What the norm of attention's sum reads.
    let attentionSum: NormInput?
    /// `[tokens, hidden]`: the residual stream between attention and the MLP.
    let middle: Matrix
    /// `[tokens, intermediate]` each.
    let gate: Matrix
    let up: Matrix
    /// What the norm of the MLP's sum reads.
    let outputSum: NormInput?
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

    func forward(_ input: Matrix, forest: TokenForest, rotary: RotaryTables) -> (Matrix, BlockActivations) {
        let tokens = input.rows

        let normed = Self.read(input, layers.inputNorm).x
        let qkv = Matrix(rows: tokens, columns: attention.width)
        layers.query.forward(normed, into: attention.queries(qkv))
        layers.key.forward(normed, into: attention.keys(qkv))
        layers.value.forward(normed, into: attention.values(qkv))
        let rawQueries = Self.normalize(attention.queries(qkv), layers.queryNorm)
        let rawKeys = Self.normalize(attention.keys(qkv), layers.keyNorm)
        rotary.table(ofLayer: layer)?.rotate(attention.queriesAndKeys(qkv), headSize: configuration.headSize)
        let attended = Matrix(rows: tokens, columns: attention.queryWidth)
        let logSumExp = Matrix(rows: tokens, columns: configuration.headCount)
        attention.forward(qkv, forest: forest, into: attended, logSumExp: logSumExp)
        let (middle, attentionSum) = Self.add(attended, through: layers.output, layers.attentionNorm, to: input)

        let middleNormed = Self.read(middle, layers.middleNorm).x
        let gate = layers.gate.forward(middleNormed)
        let up = layers.up.forward(middleNormed)
        let product = configuration.family.activation.forward(gate: gate, up: up)
        let (output, outputSum) = Self.add(product, through: layers.down, layers.outputNorm, to: middle)

        let activations = BlockActivations(
            input: input, rawQueries: rawQueries, rawKeys: rawKeys, queriesKeysValues: qkv, attention: attended,
            logSumExp: logSumExp, attentionSum: attentionSum, middle: middle, gate: gate, up: up,
            outputSum: outputSum)
        return (output, activations)
    }

    /// - Parameters:
    ///   - gradient: `[tokens, hidden]`; on entry at the block's output, on return at its input.
    ///   - gradients: of the block's trained parameters.
    func backward(
        _ saved: BlockActivations, gradient: Matrix, forest: TokenForest, rotary: RotaryTables,
        into gradients: BlockLayers<Matrix?>
    ) {
        let tokens = gradient.rows
        let activation = configuration.family.activation

        // MLP: output = middle + product · downᵀ
        let product = activation.forward(gate: saved.gate, up: saved.up)
        let sumGradient = Self.carry(gradient, through: layers.outputNorm, saved.outputSum, into: gradients.outputNorm)
        layers.down.learn(sumGradient, input: product, into: gradients.down)
        let productGradient = product
        layers.down.carry(sumGradient, into: productGradient)
        let (gateGradient, upGradient) = activation.backward(productGradient, gate: saved.gate, up: saved.up)
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
            gradient, through: layers.attentionNorm, saved.attentionSum, into: gradients.attentionNorm)
        layers.output.learn(attentionSumGradient, input: saved.attention, into: gradients.output)
        let attentionGradient = Matrix(rows: tokens, columns: attention.queryWidth)
        layers.output.carry(attentionSumGradient, into: attentionGradient)
        let qkvGradient = Matrix(rows: tokens, columns: attention.width)
        attention.backward(
            saved.queriesKeysValues, output: saved.attention, logSumExp: saved.logSumExp,
            outputGradient: attentionGradient, forest: forest, addingTo: qkvGradient)
        rotary.table(ofLayer: layer)?.rotate(
            attention.queriesAndKeys(qkvGradient), headSize: configuration.headSize, inverse: true)
        let parts = [
            (
                layers.query, gradients.query,
                Self.carry(
                    attention.queries(qkvGradient), through: layers.queryNorm, saved.rawQueries,
                    into: gradients.queryNorm)
            ),
            (
                layers.key, gradients.key,
                Self.carry(
                    attention.keys(qkvGradient), through: layers.keyNorm, saved.rawKeys, into: gradients.keyNorm)
            ),
            (layers.value, gradients.value, attention.values(qkvGradient)),
        ]
        let inputNormed = Self.read(saved.input, layers.inputNorm)
        normedGradient.fill(0)
        for (layer, own, part) in parts {
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
