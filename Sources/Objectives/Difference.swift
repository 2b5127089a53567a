/// The difference model's loss for one comparison (arXiv 2408.09385, section 3):
/// `BCE(σ(d(x, y1, y2)), 1[y1 ≻ y2]) + λ_dup d(x, y, y)² + λ_rev (d(x, y1, y2) + d(x, y2, y1))²`.
///
/// The paper names the two rules (equal responses differ by 0; swapping negates) without the exact penalty; the squares
/// are this project's reading.
package struct DifferenceObjective: Sendable, Equatable {
    package let lambdaDuplication: Double
    package let lambdaReverse: Double

    package struct Result: Sendable, Equatable {
        package let loss: Double
        /// The terms without their λ.
        package let lossMain: Double
        package let lossDuplication: Double
        package let lossReverse: Double
        /// dLoss / d(d) of the three predictions.
        package let gradientMain: Double
        package let gradientDuplication: Double
        package let gradientReverse: Double
    }

    package init(lambdaDuplication: Double, lambdaReverse: Double) {
        (self.lambdaDuplication, self.lambdaReverse) = (lambdaDuplication, lambdaReverse)
    }

    /// - Parameters:
    ///   - main: d(x, y1, y2); `duplication`: d(x, y, y); `reverse`: d(x, y2, y1).
    ///   - firstIsPreferred: y1 ≻ y2.
    package func evaluate(main: Double, duplication: Double, reverse: Double, firstIsPreferred: Bool) -> Result {
        let sign: Double = firstIsPreferred ? 1 : -1
        let sum = main + reverse
        let lossMain = -logSigmoid(sign * main)
        return Result(
            loss: lossMain + lambdaDuplication * duplication * duplication + lambdaReverse * sum * sum,
            lossMain: lossMain, lossDuplication: duplication * duplication, lossReverse: sum * sum,
            gradientMain: -sign * sigmoid(-sign * main) + 2 * lambdaReverse * sum,
            gradientDuplication: 2 * lambdaDuplication * duplication, gradientReverse: 2 * lambdaReverse * sum)
    }
}
