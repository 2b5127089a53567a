/// Bradley–Terry: `−log σ(r(x, y_w) − r(x, y_l))` (Ouyang et al. 2022, eq. 1).
public enum RewardObjective {
    public struct Result: Sendable, Equatable {
        public let loss: Double
        /// dLoss / d(reward) of each response.
        public let gradientChosen: Double
        public let gradientRejected: Double
    }

    public static func evaluate(chosen: Double, rejected: Double) -> Result {
        let slope = -sigmoid(rejected - chosen)
        return Result(loss: -logSigmoid(chosen - rejected), gradientChosen: slope, gradientRejected: -slope)
    }
}
