import Costs
import Diagnostics
import Foundation
import Parallel
import Tensors
import Transformer

/// Measures a `MachineProfile` on all ranks at once, so that the rates are those under load. About 20 seconds.
package struct MachineBenchmark {
    private let world: Communicator
    private let software: String

    package init(_ world: Communicator, software: String) { (self.world, self.software) = (world, software) }

    /// Collective.
    ///
    /// - Parameter models: shapes to measure beside the usual widths.
    /// - Throws: `RDOError.peers`.
    package func run(models: [ModelConfiguration], log: Log) throws -> MachineProfile {
        let base = Double(try world.allReduceMax(ResidentMemory.peak()))
        let (perNode, _) = try world.ranksPerNode()
        var profile = MachineProfile(
            ranksPerNode: perNode, software: software, gemmPeak: try gemmPeak(), blocks: [], attention: [], head: [],
            streamBandwidth: try streamBandwidth(), optimizerRate: try optimizerRate(), reduceBandwidth: 1e12,
            reduceLatency: 0, baseBytes: base)
        for shape in models + [64, 256, 1024].map(Self.usualShape)
        where !profile.blocks.contains(where: { $0.size == shape.hiddenSize }) {
            let (block, attention) = try trunk(shape)
            profile.blocks.append(block)
            if !profile.attention.contains(where: { $0.size == attention.size }) { profile.attention.append(attention) }
            profile.head.append(try head(shape))
            log.info("bench: measured width \(shape.hiddenSize)")
        }
        if world.size > 1 {
            let timings = CollectiveTimings(world)
            let (few, many) = (1 << 12, 1 << 23)
            profile.reduceLatency = try timings.treeReduceScatter(count: few)
            let seconds = try timings.treeReduceScatter(count: many)
            profile.reduceBandwidth = Double(4 * many) / max(seconds - profile.reduceLatency, 1e-9)
        }
        return profile
    }

    // MARK: - Parts of a model

    /// One block's rate, and attention's, from two forests of as many tokens that differ in what tokens see.
    private func trunk(
        _ shape: ModelConfiguration
    ) throws -> (block: MachineProfile.Rate, attention: MachineProfile.Rate) {
        let model = Self.model(shape, vocabulary: 64)
        let parameters = Self.randomParameters(model)
        let (short, long) = (Self.forest(roots: 8, tokens: 32), Self.forest(roots: 1, tokens: 256))
        func seconds(_ forest: TokenForest, training: Bool) throws -> Double {
            try median {
                let pass = try model.forward(forest, parameters: parameters, keepingActivations: training)
                guard training else { return }
                let gradient = Matrix(rows: forest.tokens.count, columns: shape.hiddenSize)
                gradient.copy(from: pass.output)
                try model.backward(pass, outputGradient: gradient, parameters: parameters, gradients: parameters)
            }
        }
        func rates(training: Bool) throws -> (block: Double, attention: Double) {
            let (a, b) = (try seconds(short, training: training), try seconds(long, training: training))
            let counts = (OperationCounts(short, headRows: 0), OperationCounts(long, headRows: 0))
            let (blockFactor, attentionFactor) = training ? CostModel.trainingFactors() : (1, 1)
            // Too short a difference to measure is as good as none: such attention costs next to nothing.
            let perPair = max(b - a, 0.02 * b) / Double(counts.1.attentionPairs - counts.0.attentionPairs)
            let perToken = max(a - perPair * Double(counts.0.attentionPairs), 0.5 * a) / Double(counts.0.tokens)
            let costs = CostModel(model.configuration, head: .scalar)
            return (blockFactor * costs.perToken / perToken, attentionFactor * costs.perAttentionPair / perPair)
        }
        let (forward, training) = (try rates(training: false), try rates(training: true))
        return (
            .init(size: shape.hiddenSize, forward: forward.block, training: training.block),
            .init(size: shape.headSize, forward: forward.attention, training: training.attention)
        )
    }

    /// The vocabulary head's rate: forward, and with backward, which forms the logits again.
    private func head(_ shape: ModelConfiguration) throws -> MachineProfile.Rate {
        let model = Self.model(shape, vocabulary: shape.vocabularySize)
        let parameters = Self.randomParameters(model)
        let forest = Self.forest(roots: 1, tokens: 129)
        let predictions = forest.predictions(of: 0)
        let pass = try model.forward(forest, parameters: parameters, keepingActivations: true)
        let output = try model.logProbabilities(of: predictions, in: pass, parameters: parameters)
        let weights = [Float](repeating: 1e-3, count: predictions.count)
        let gradient = Matrix(rows: forest.tokens.count, columns: shape.hiddenSize)
        let forward = try median { _ = try model.logProbabilities(of: predictions, in: pass, parameters: parameters) }
        let both = try median {
            try model.backward(output, weights: weights, pass: pass, parameters: parameters, gradients: parameters)
        }
        let trunk = try median {
            try model.backward(pass, outputGradient: gradient, parameters: parameters, gradients: parameters)
        }
        let operations = CostModel(model.configuration, head: .languageModel).perHeadRow * Double(predictions.count)
        return .init(
            size: shape.hiddenSize, forward: operations / forward,
            training: CostModel.trainingFactors().weights * operations / (forward + max(both - trunk, forward)))
    }

    private static func usualShape(hidden: Int) -> ModelConfiguration {
        let headSize = min(64, hidden / 4)
        return ModelConfiguration(
            hiddenSize: hidden, intermediateSize: hidden * 8 / 3 / 8 * 8, layerCount: 1, headCount: hidden / headSize,
            keyValueHeadCount: hidden / headSize, headSize: headSize, vocabularySize: 16384, maxPositions: 1024,
            normEpsilon: 1e-5, tiesEmbeddings: true)
    }

    /// One plain block of these sizes and a head.
    private static func model(_ shape: ModelConfiguration, vocabulary: Int) -> TransformerModel {
        TransformerModel(
            ModelConfiguration(
                hiddenSize: shape.hiddenSize, intermediateSize: shape.intermediateSize, layerCount: 1,
                headCount: shape.headCount, keyValueHeadCount: shape.keyValueHeadCount, headSize: shape.headSize,
                vocabularySize: vocabulary, maxPositions: 1024, normEpsilon: 1e-5, tiesEmbeddings: true),
            head: .languageModel)
    }

    private static func randomParameters(_ model: TransformerModel) -> LocalParameters {
        let parameters = LocalParameters(model.layout)
        for (spec, values) in zip(model.layout.specs, parameters.values) {
            initialValues(for: spec, rows: 0..<spec.rows, seed: 1, range: 0.02, into: values.pointer)
        }
        return parameters
    }

    private static func forest(roots: Int, tokens: Int) -> TokenForest {
        var forest = TokenForest()
        for root in 0..<roots { forest.append((0..<tokens).map { Int32(($0 * 7 + root) % 64) }) }
        return forest
    }

    // MARK: - The machine

    private func gemmPeak() throws -> Double {
        let size = 768
        let matrices = (0..<3).map { _ in Matrix(rows: size, columns: size) }
        // The best of several: a peak is what the machine can do, not what it did while something else ran.
        let best = try (0..<3).map { _ in
            try median { GEMM.multiply(matrices[0], matrices[1], into: matrices[2]) }
        }.min()
        return 2 * pow(Double(size), 3) / (best ?? 1)
    }

    private func streamBandwidth() throws -> Double {
        let count = 1 << 23
        let buffers = (0..<3).map { _ in FloatBuffer(count: count) }
        let seconds = try median {
            Vectors.sum(buffers[0].pointer, buffers[1].pointer, into: buffers[2].pointer, count: count)
        }
        return Double(12 * count) / seconds
    }

    private func optimizerRate() throws -> Double {
        let count = 1 << 22
        let buffers = (0..<4).map { _ in FloatBuffer(count: count) }
        let seconds = try median {
            AdamW.step(
                parameters: buffers[0].pointer, gradients: buffers[1].pointer, firstMoment: buffers[2].pointer,
                secondMoment: buffers[3].pointer, count: count,
                AdamWParameters(
                    beta1: 0.9, beta2: 0.999, epsilon: 1e-8, learningRate: 1e-5, weightDecay: 0, step: 1,
                    gradientScale: 1))
        }
        return Double(count) / seconds
    }

    /// The mean rank's median, all ranks working at the same time.
    private func median(_ body: () throws -> Void) throws -> Double {
        var seconds: [Double] = []
        try body()
        for _ in 0..<5 {
            try world.barrier()
            let began = ContinuousClock.now
            try body()
            let nanoseconds = Int64(began.duration(to: .now) / .nanoseconds(1))
            seconds.append(Double(try world.allReduceSum([nanoseconds])[0]) * 1e-9 / Double(world.size))
        }
        return seconds.sorted()[2]
    }
}
