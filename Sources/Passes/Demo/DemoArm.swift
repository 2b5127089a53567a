import Configuration

/// A way in which the demo trains the policy.
struct DemoArm: Sendable {
    enum Weights: String, Sendable { case none, difference, reward }

    let pass: PassName
    let weights: Weights

    static let all = [
        DemoArm(pass: .dpo, weights: .none), DemoArm(pass: .dpo, weights: .difference),
        DemoArm(pass: .dpo, weights: .reward), DemoArm(pass: .rrhf, weights: .none),
        DemoArm(pass: .rrhf, weights: .difference), DemoArm(pass: .kto, weights: .none),
        DemoArm(pass: .kto, weights: .difference),
    ]

    var title: String {
        let method = "\(pass)".uppercased()
        return weights == .none ? method : "\(method) + coefficients (\(weights) model)"
    }

    func directory(in output: String, seed: Int) -> String {
        output + "/\(pass)" + (weights == .none ? "" : "-rc-\(weights)") + "-seed-\(seed)"
    }

    static func rewardCoefficients(in output: String) -> String { output + "/coefficients-reward.h5" }

    /// What the arm sets beside the demo's configuration.
    func settings(in output: String, seed: Int) -> [String] {
        let scores = weights == .reward ? Self.rewardCoefficients(in: output) : output + "/coefficients.h5"
        var settings = [
            "output=\(directory(in: output, seed: seed))", "seed=\(seed)", "\(pass).model=\(output)/sft/model",
            "score.file=\(scores)", "\(pass).coefficients.use=\(weights != .none)",
        ]
        switch pass {
        case .kto:
            // KTO's baseline wants the reference of combinations that the seed draws.
            settings += ["passes=[reference, kto]", "reference.file=\(output)/reference-seed-\(seed).h5"]
        default: settings += ["passes=[\(pass)]", "reference.file=\(output)/reference.h5"]
        }
        return settings
    }
}
