/// Bradley–Terry: `−log σ(r(x, y_w) − r(x, y_l))` (Ouyang et al. 2022, eq. 1).
package enum RewardObjective {
    package struct Result: Sendable, Equatable {
        package let loss: Double
        /// dLoss / d(reward) of each response.
        package let gradientChosen: Double
        package let gradientRejected: Double
    }

    package static func evaluate(chosen: Double, rejected: Double) -> Result {
        let slope = -sigmoid(rejected - chosen)
        return Result(loss: -logSigmoid(chosen - rejected), gradientChosen: slope, gradientRejected: -slope)
    }
}
