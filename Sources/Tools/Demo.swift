import Diagnostics
import Foundation
import Methods
import Parallel
import Passes
import Settings
import Training

/// `rdo run` without a configuration: the whole method on a small model and data whose truth is known.
///
/// A byte-level model is prepared by SFT; a reward model and a difference model learn from noisy labels and score the
/// pairs; then the policy is trained from the same start by every method without and with coefficients, over several seeds.
package struct Demo {
    private let configuration: DemoConfiguration
    private let resume: ResumeChoice
    private let world: Communicator

    /// Collective.
    /// - Throws: `RDOError.usage` when the settings are not the demo's.
    package init(settings: [String], resume: ResumeChoice, on world: Communicator) throws {
        configuration = try world.collectively { try DemoConfiguration(settings) }
        (self.resume, self.world) = (resume, world)
    }

    /// Collective. Rank 0 prints the table and writes it to `results.md`.
    package func run() throws {
        let shared = configuration.shared
        let table = DemoFile(shared.output + "/results.md") { $0.hasPrefix(DemoReport.heading) }
        try world.onRankZero {
            try table.requireOwn()
            try Session.makeDirectory(shared.output)
            try configuration.corpus.write(to: configuration.data)
        }
        try run(shared)
        try run(scoring(shared))
        for seed in configuration.demo.seeds {
            for arm in DemoArm.all(configuration.demo.methods) { try run(arm.configuration(shared, seed: seed)) }
        }
        try world.onRankZero {
            let report = try DemoReport(of: configuration).text()
            try table.write(report)
            try StandardOutput.write(report)
        }
    }

    private func run(_ configuration: Configuration) throws {
        try world.collectively { try configuration.validate(DemoConfiguration.source) }
        try Pipeline(Session(configuration, world: world, resume: resume, tracePath: nil)).run()
    }

    /// The reward model's scoring pass; the difference model's is among the demo's first passes.
    private func scoring(_ shared: Configuration) -> Configuration {
        var own = shared
        own.passes = [ScorePass.name]
        own.score.scorer = .reward
        own.score.model = shared.output + "/\(RewardMethod.name)/model"
        own.score.file = DemoArm.Weights.reward.file(in: shared.output)
        own.dpo.training.model = shared.output + "/\(SupervisedMethod.name)/model"
        return own
    }
}

/// A way in which the demo trains the policy.
struct DemoArm: Sendable {
    enum Weights: String, Sendable, CaseIterable {
        case none, reward, difference

        /// The coefficients that training reads; without weights those that would be there, for losses that read R.
        func file(in output: String) -> String {
            output + (self == .reward ? "/coefficients-reward.h5" : "/coefficients.h5")
        }
    }

    let method: PassName
    let weights: Weights

    static let methods = [PairwiseMethod.name, RRHFMethod.name, KTOMethod.name]

    static func all(_ methods: [PassName] = methods) -> [DemoArm] {
        methods.flatMap { method in Weights.allCases.map { DemoArm(method: method, weights: $0) } }
    }

    func directory(in output: String, seed: Int) -> String {
        output + "/\(method)" + (weights == .none ? "" : "-rc-\(weights)") + "-seed-\(seed)"
    }

    /// The demo's configuration for this arm alone.
    func configuration(_ shared: Configuration, seed: Int) -> Configuration {
        var own = shared
        let output = shared.output
        own.output = directory(in: output, seed: seed)
        own.seed = seed
        own.score.file = weights.file(in: output)
        own.dpo.coefficients.use = weights != .none
        own.rrhf.coefficients.use = weights != .none
        own.kto.coefficients.use = weights != .none
        let supervised = output + "/\(SupervisedMethod.name)/model"
        for stage in Configuration.trainingPasses where stage.name == method { stage.start(from: supervised, in: &own) }
        // KTO's baseline wants the reference of combinations that the seed draws, whatever the weights.
        let isKTO = method == KTOMethod.name
        own.passes = isKTO ? [ReferencePass.name, method] : [method]
        let reference = isKTO ? DemoArm(method: method, weights: .none).directory(in: output, seed: seed) : output
        own.reference.file = reference + "/reference.h5"
        return own
    }
}
