/// The difference model's loss for one comparison (arXiv 2408.09385, section 3):
/// `BCE(σ(d(x, y1, y2)), 1[y1 ≻ y2]) + λ_dup d(x, y, y)² + λ_rev (d(x, y1, y2) + d(x, y2, y1))²`.
///
/// The paper names the two rules (equal responses differ by 0; swapping negates) without the exact penalty; the squares
/// are this project's reading.
///
/// With `bothOrders` the main term is the mean over the orders, `½ (BCE(σ(d(x, y1, y2)), l) + BCE(σ(−d(x, y2, y1)), l))`:
/// both predictions are there anyway, and each is taught the label itself and not the other one alone.
package struct DifferenceObjective: Sendable, Equatable {
    package let lambdaDuplication: Double
    package let lambdaReverse: Double
    package let bothOrders: Bool

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

    package init(lambdaDuplication: Double, lambdaReverse: Double, bothOrders: Bool = false) {
        (self.lambdaDuplication, self.lambdaReverse) = (lambdaDuplication, lambdaReverse)
        self.bothOrders = bothOrders
    }

    /// - Parameters:
    ///   - main: d(x, y1, y2); `duplication`: d(x, y, y); `reverse`: d(x, y2, y1).
    ///   - firstIsPreferred: y1 ≻ y2.
    package func evaluate(main: Double, duplication: Double, reverse: Double, firstIsPreferred: Bool) -> Result {
        let sign: Double = firstIsPreferred ? 1 : -1
        let sum = main + reverse
        var lossMain = -logSigmoid(sign * main)
        var slopes = (main: -sign * sigmoid(-sign * main), reverse: 0.0)
        if bothOrders {
            lossMain = (lossMain - logSigmoid(-sign * reverse)) / 2
            slopes = (slopes.main / 2, sign * sigmoid(sign * reverse) / 2)
        }
        return Result(
            loss: lossMain + lambdaDuplication * duplication * duplication + lambdaReverse * sum * sum,
            lossMain: lossMain, lossDuplication: duplication * duplication, lossReverse: sum * sum,
            gradientMain: slopes.main + 2 * lambdaReverse * sum,
            gradientDuplication: 2 * lambdaDuplication * duplication,
            gradientReverse: slopes.reverse + 2 * lambdaReverse * sum)
    }
}
