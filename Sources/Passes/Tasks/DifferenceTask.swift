import Objectives
import Preferences
import Tensors
import Training
import Transformer

/// The difference model: main, duplication and reverse terms of a pair from one token tree.
struct DifferenceTask: TrainingTask {
    let examples: [DifferenceExample]
    let objective: DifferenceObjective
    let eosTokenID: Int32
    let seed: UInt64
    let costs: CostModel

    /// What is drawn anew for each comparison and epoch.
    struct Draw {
        /// The rejected response is Response 1.
        let isSwapped: Bool
        /// Response index (0 chosen, 1 rejected) that is compared with itself.
        let duplicated: Int
    }

    /// A stateless function of (seed, sample number): the same on every rank and after every resume.
    func draw(_ sample: Sample) -> Draw {
        let bits = KeyedRandom(seed: seed, stream: 0xD1FF).bits(at: UInt64(sample.number))
        return Draw(isSwapped: bits & 1 == 1, duplicated: Int(bits >> 1 & 1))
    }

    var exampleCount: Int { examples.count }

    func dataRow(of sample: Sample) -> Int { examples[sample.row].row }

    func cost(of sample: Sample) -> Double {
        costs.cost(of: examples[sample.row])
    }

    func denominator(of samples: [Sample]) -> Double { Double(samples.count) }

    func request(_ samples: [Sample]) -> LeafRequest {
        var forest = TokenForest()
        var rows: [Int] = []
        for sample in samples {
            let draw = draw(sample)
            let ends = DifferenceTree.append(
                examples[sample.row], swap: draw.isSwapped, duplicated: draw.duplicated, eos: eosTokenID, to: &forest)
            rows += [ends.main, ends.duplication, ends.reverse]
        }
        return LeafRequest(forest: forest, outputs: .scalars(rows))
    }

    func outputCount(of sample: Sample) -> Int { 3 }

    let sumNames = ["loss", "loss_main", "loss_duplication", "loss_reverse", "correct", "bias", "difference"]

    func loss(_ samples: [Sample], outputs: [Double], denominator: Double) -> LeafLoss {
        var gradients = [Double](repeating: 0, count: outputs.count)
        var sums = [Double](repeating: 0, count: sumNames.count)
        for (index, sample) in samples.enumerated() {
            let (main, duplication, reverse) = (outputs[3 * index], outputs[3 * index + 1], outputs[3 * index + 2])
            let isSwapped = draw(sample).isSwapped
            let result = objective.evaluate(
                main: main, duplication: duplication, reverse: reverse, firstIsPreferred: !isSwapped)
            gradients[3 * index] = result.gradientMain / denominator
            gradients[3 * index + 1] = result.gradientDuplication / denominator
            gradients[3 * index + 2] = result.gradientReverse / denominator
            let towardsChosen = isSwapped ? -main : main
            let figures = [
                result.loss, result.lossMain, result.lossDuplication, result.lossReverse, towardsChosen > 0 ? 1 : 0,
                (main + reverse) / 2, towardsChosen,
            ]
            for (position, figure) in figures.enumerated() { sums[position] += figure }
        }
        return LeafLoss(gradients: gradients, sums: sums)
    }

    func metrics(sums: [String: Double], count: Int, denominator: Double) -> [Metric] {
        func mean(_ name: String) -> Double { sums[name, default: .nan] / denominator }
        return [
            Metric("loss", mean("loss")), Metric("loss_main", mean("loss_main")),
            Metric("loss_duplication", mean("loss_duplication")), Metric("loss_reverse", mean("loss_reverse")),
            Metric("accuracy", mean("correct")), Metric("difference", mean("difference")),
            Metric("position_bias", mean("bias")),
        ]
    }

    func trace(_ samples: [Sample], outputs: [[Double]]) -> [String: Any] {
        let draws = samples.map(draw)
        return [
            "first": draws.map { $0.isSwapped ? "rejected" : "chosen" },
            "duplicated": draws.map { $0.duplicated == 0 ? "chosen" : "rejected" },
            "difference_main": outputs.map { $0[0] }, "difference_duplication": outputs.map { $0[1] },
            "difference_reverse": outputs.map { $0[2] },
        ]
    }
}
