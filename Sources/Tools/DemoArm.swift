import Methods
import Passes
import Settings

/// A way in which the demo trains the policy.
struct DemoArm: Sendable {
    enum Weights: String, Sendable { case none, difference, reward }

    let pass: PassName
    let weights: Weights

    static let all = [
        (PairwiseMethod.name, Weights.none), (PairwiseMethod.name, .difference), (PairwiseMethod.name, .reward),
        (RRHFMethod.name, .none), (RRHFMethod.name, .difference), (KTOMethod.name, .none),
        (KTOMethod.name, .difference),
    ].map { DemoArm(pass: $0, weights: $1) }

    var title: String {
        let method = "\(pass)".uppercased()
        return weights == .none ? method : "\(method) + coefficients (\(weights) model)"
    }

    func directory(in output: String, seed: Int) -> String {
        output + "/\(pass)" + (weights == .none ? "" : "-rc-\(weights)") + "-seed-\(seed)"
    }

    static func rewardCoefficients(in output: String) -> String { output + "/coefficients-reward.h5" }

    /// The demo's configuration for this arm alone.
    func configuration(_ shared: Configuration, seed: Int) -> Configuration {
        var own = shared
        let output = shared.output
        own.output = directory(in: output, seed: seed)
        own.seed = seed
        own.score.file = weights == .reward ? Self.rewardCoefficients(in: output) : output + "/coefficients.h5"
        own.dpo.coefficients.use = weights != .none
        own.rrhf.coefficients.use = weights != .none
        own.kto.coefficients.use = weights != .none
        let supervised = output + "/\(SupervisedMethod.name)/model"
        for stage in Configuration.trainingPasses where stage.name == pass { stage.start(from: supervised, in: &own) }
        // KTO's baseline wants the reference of combinations that the seed draws.
        let isKTO = pass == KTOMethod.name
        own.passes = isKTO ? [ReferencePass.name, pass] : [pass]
        own.reference.file = output + (isKTO ? "/reference-seed-\(seed).h5" : "/reference.h5")
        return own
    }
}
