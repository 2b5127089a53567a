import Tensors

/// A decoder: embedding, blocks of grouped-query attention and a gated MLP, final norm, head (`ModelFamily`).
///
/// Everything but attention sees a `[tokens, features]` matrix of packed token trees; only `TreeAttention` knows the
/// trees. Forward and backward stand side by side, block by block, in `TransformerBlock.swift`; the heads in
/// `LanguageModelHead.swift` and `ScalarHead.swift`.
package struct TransformerModel: Sendable {
    package let configuration: ModelConfiguration
    package let head: HeadKind
    /// The model's own parameters, without adapters.
    package let layout: ParameterLayout
    /// With it the model runs on `AdaptedParameters` and its gradients are those of `trainedLayout`.
    package let adaptation: LowRankAdaptation?
    /// What training changes: `layout`, or the adapters and a scalar head.
    package let trainedLayout: ParameterLayout
    /// The backward pass forms each block's activations again from the block's input instead of keeping them
    /// (activation checkpointing, Chen et al. 2016). The results are the same bits.
    package let recomputesBlocks: Bool

    package init(
        _ configuration: ModelConfiguration, head: HeadKind, adaptation: LowRankAdaptation? = nil,
        recomputesBlocks: Bool = false
    ) {
        (self.configuration, self.head) = (configuration, head)
        (self.adaptation, self.recomputesBlocks) = (adaptation, recomputesBlocks)
        let layout = ParameterLayout(configuration, head: head)
        self.layout = layout
        trainedLayout = adaptation.map { ParameterLayout($0, configuration, head: head) } ?? layout
    }

    /// Runs the trunk over `forest`.
    ///
    /// Collective over the ranks that share `parameters`; a rank without work passes an empty forest.
    /// - Parameter keepingActivations: what `backward` needs is kept only when true.
    /// - Throws: what `parameters` throws.
    package func forward(_ forest: TokenForest, parameters: any ParameterSource, keepingActivations: Bool) throws
        -> TrunkPass
    {
        let rotary = RotaryTables(positions: forest.positions, configuration)
        var blocks: [KeptBlock] = []
        let output = try trunk(
            forest.tokens, seeing: forest, rotary: rotary, parameters: parameters,
            keepingActivations: keepingActivations && !recomputesBlocks
        ) { block in if keepingActivations { blocks.append(block) } }
        return TrunkPass(forest: forest, output: output, rotary: rotary, blocks: blocks)
    }

    /// Embedding and blocks: `[tokens, hidden]`, the residual stream after the last block.
    ///
    /// - Parameter keep: gets each block's input, with its activations where they were asked for.
    func trunk(
        _ tokens: [Int32], seeing context: any AttentionContext, rotary: RotaryTables,
        parameters: any ParameterSource, keepingActivations: Bool = false, keep: (KeptBlock) -> Void = { _ in }
    ) throws -> Matrix {
        let embedding = embedding(try parameters.acquire(group: .embedding))
        parameters.prefetch(group: .block(0))
        var hidden = embedding.forward(tokens)
        parameters.release(group: .embedding)
        for layer in 0..<configuration.layerCount {
            let block = TransformerBlock(self, layer, try parameters.acquire(group: .block(layer)))
            parameters.prefetch(group: layer + 1 < configuration.layerCount ? .block(layer + 1) : .head)
            let (output, activations) = block.forward(
                hidden, seeing: context, rotary: rotary, keepingActivations: keepingActivations)
            parameters.release(group: .block(layer))
            keep((hidden, activations))
            hidden = output
        }
        return hidden
    }

    /// Carries the gradient at the trunk's output back to all trained parameters below the head.
    ///
    /// - Parameters:
    ///   - outputGradient: `[tokens, hidden]`, gradient at `pass.output`; overwritten.
    ///   - gradients: receives those of every trained parameter and is told when each group is complete.
    /// - Throws: what `parameters` and `gradients` throw.
    package func backward(
        _ pass: TrunkPass, outputGradient: Matrix, parameters: any ParameterSource, gradients: any GradientSink
    ) throws {
        precondition(pass.blocks.count == configuration.layerCount, "the forward pass kept no activations")
        for layer in stride(from: configuration.layerCount - 1, through: 0, by: -1) {
            let block = TransformerBlock(self, layer, try parameters.acquire(group: .block(layer)))
            if layer > 0 { parameters.prefetch(group: .block(layer - 1)) }
            let (input, kept) = pass.blocks[layer]
            guard
                let activations = kept
                    ?? block.forward(input, seeing: pass.forest, rotary: pass.rotary, keepingActivations: true).1
            else { preconditionFailure("the forward pass kept no activations") }
            block.backward(
                activations, gradient: outputGradient, forest: pass.forest, rotary: pass.rotary,
                into: self.block(gradients: gradients.gradients(group: .block(layer))))
            parameters.release(group: .block(layer))
            try gradients.finish(group: .block(layer))
        }
        embedding(gradients: gradients.gradients(group: .embedding)).learn(outputGradient, tokens: pass.forest.tokens)
        try gradients.finish(group: .embedding)
    }
}

/// What one forward pass over the trunk leaves behind.
package struct TrunkPass {
    package let forest: TokenForest
    /// `[tokens, hidden]`: the residual stream after the last block, before the final norm.
    package let output: Matrix
    let rotary: RotaryTables
    let blocks: [KeptBlock]
}

/// What the forward pass keeps of a block; nil where `recomputesBlocks`.
typealias KeptBlock = (input: Matrix, activations: BlockActivations?)
