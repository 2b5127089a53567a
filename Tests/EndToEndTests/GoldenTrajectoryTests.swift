import Foundation
import TestSupport
import Testing

/// Twelve steps of every method on a real model against PyTorch in double precision: loss, gradient norm and learning rate
/// of each step, and the weights that the updates leave. `Tests/scripts/golden_trajectories.py` says where the figures and
/// tolerances come from.
@Suite(.serialized, .enabled(if: Assets.has("models/stories260K"), "no assets: RDO_ASSETS names their directory"))
struct GoldenTrajectoryTests {
    private static let methods = [
        "sft", "reward", "difference", "difference+both", "dpo", "dpo+rc", "rrhf", "rrhf+rc", "kto", "kto+rc",
    ]

    private func expectGolden(_ method: String, ranks: Int) throws {
        let run = try GoldenRun(method, ranks: ranks)
        if let draws = run.golden.draws {
            let areDrawsKept = run.draws == draws
            try #require(areDrawsKept, "the seed draws something else now: write the goldens again")
        }
        let deviations = try run.deviations()
        // Three figures of a step, three of a parameter and eight of its entries.
        #expect(deviations.count == 3 * 12 + (3 + 8) * run.golden.weights.count)
        for deviation in deviations where !deviation.isWithinTolerance { Issue.record("\(deviation)") }
    }

    @Test func allMethodsAreStored() throws {
        #expect(try GoldenTrajectories.read().methods.keys.sorted() == Self.methods.sorted())
    }

    @Test(arguments: methods) func methodFollowsPyTorch(method: String) throws {
        try expectGolden(method, ranks: 0)
    }

    @Test func twoRanksFollowPyTorch() throws {
        try expectGolden("dpo+rc", ranks: 2)
    }

    /// One setting is another than the golden's, and the comparison notices.
    @Test(arguments: [
        ("sft", "sft.warmup_steps=2"), ("sft", "sft.schedule=linear"), ("sft", "sft.minimum_learning_rate_ratio=0"),
        ("sft", "sft.beta2=0.96"), ("reward", "reward.head_learning_rate=2e-4"), ("difference", "difference.beta1=0.9"),
        ("difference+both", "difference.both_orders=false"),
        ("dpo", "dpo.weight_decay=0"), ("dpo", "dpo.max_grad_norm=0"), ("dpo+rc", "dpo.epsilon=1e-8"),
        ("dpo+rc", "dpo.coefficients.symmetric=false"), ("rrhf+rc", "rrhf.coefficients.disagreement=absolute"),
        ("kto+rc", "kto.coefficients.denominator=pairs"),
    ])
    func anotherSettingIsSeen(method: String, setting: String) throws {
        let deviations = try GoldenRun(method, set: [setting]).deviations()
        #expect(deviations.contains { !$0.isWithinTolerance }, "\(setting) changes nothing that is compared")
    }
}
