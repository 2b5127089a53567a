import Diagnostics
import Foundation
import Inspection
import Methods
import Objectives
import Settings
import Training

/// What the demo found, as one table: a column for each source of weights, from the scorers to the policies.
struct DemoReport {
    /// How the text begins.
    static let heading = "# Demo: "

    private let configuration: DemoConfiguration
    private let scorers: [DemoArm.Weights: DemoScorer]
    /// Share of the held-out pairs that a policy orders rightly, for each seed.
    private let policies: [PassName: [DemoArm.Weights: [Double]]]

    /// - Throws: `RDOError.artefact` when something that the demo leaves is missing.
    init(of configuration: DemoConfiguration) throws {
        self.configuration = configuration
        let shared = configuration.shared
        let rule = CoefficientRule(shared.dpo.coefficients)
        var scorers: [DemoArm.Weights: DemoScorer] = [:]
        for weights in DemoArm.Weights.allCases where weights != .none {
            scorers[weights] = try DemoScorer(
                ArtefactPath(weights.file(in: shared.output)), of: configuration.demo.labels, rule: rule)
        }
        var policies: [PassName: [DemoArm.Weights: [Double]]] = [:]
        for arm in DemoArm.all(configuration.demo.methods) {
            policies[arm.method, default: [:]][arm.weights] = try configuration.demo.seeds.map { seed in
                let directory = arm.directory(in: shared.output, seed: seed) + "/\(arm.method)"
                guard let evaluation = try RecordedFigures(directory).lastEvaluation() else {
                    throw RDOError(.artefact, "no evaluation is recorded", at: directory + "/evaluation.jsonl")
                }
                return evaluation.testAccuracy ?? .nan
            }
        }
        (self.scorers, self.policies) = (scorers, policies)
    }

    /// Markdown.
    func text() -> String {
        let output = configuration.shared.output
        let seeds = configuration.demo.seeds
        let alpha = configuration.shared.dpo.coefficients.alpha
        var lines = [Self.heading + title, "", explanation, ""]
        lines += [
            "| | " + DemoArm.Weights.allCases.map(\.title).joined(separator: " | ") + " |",
            "|---|" + String(repeating: "---|", count: DemoArm.Weights.allCases.count),
        ]
        lines += [
            row("**The scorer on held-out pairs**") { _ in nil },
            row("ordered rightly") { Self.short($0.accuracy?.share) },
            row("Pearson correlation of R with the true difference") { Self.short($0.pearson) },
            row("Spearman correlation") { Self.short($0.spearman) },
            row("cross-entropy with a label's probability, at least \(Self.short(anyScorer?.leastCrossEntropy))") {
                Self.short($0.crossEntropy)
            },
            row("distance of σ(∣R∣) and that probability (calibration)") { Self.short($0.calibrationError) },
        ]
        lines += [(0, "0 to 1"), (1, "1 to 2"), (2, "2 to 3"), (3, "from 3")].map { from, title in
            row("ordered rightly where ∣R∣ is \(title)") { scorer in
                scorer.ranges.first { $0.from == from }.map {
                    Self.short($0.accuracy.share) + " of \($0.accuracy.count)"
                }
            }
        }
        lines += [
            row("**The weights of training pairs**, α = \(alpha)", none: "") { _ in nil },
            row("mean where the label is right", none: "1") { Self.short($0.rightWeight) },
            row("mean where the label is wrong", none: "1") { Self.short($0.wrongWeight) },
        ]
        if !configuration.demo.methods.isEmpty {
            lines.append(row("**The policy on held-out pairs**, ordered rightly") { _ in nil })
            lines += configuration.demo.methods.map { method in
                let cells = DemoArm.Weights.allCases.map { Self.spread(policies[method]?[$0] ?? []) }
                return "| \("\(method)".uppercased()) | " + cells.joined(separator: " | ") + " |"
            }
            lines += [
                "",
                seeds.count > 1
                    ? "Policies: mean ± standard deviation over the seeds "
                        + "\(seeds.map(String.init).joined(separator: ", "))."
                    : "Policies: seed \(seeds.map(String.init).joined()).",
            ]
        }
        lines += [
            "",
            "Files in \(output): coefficients.h5 and coefficients-reward.h5 (and -test.h5 of each), reference.h5, "
                + "difference/model, reward/model, data/*.jsonl, "
                + (configuration.demo.methods.isEmpty ? "" : "a directory for every method and seed, ")
                + "metrics.jsonl beside each model.",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    private var anyScorer: DemoScorer? { scorers[.difference] }

    private var title: String {
        let counts = anyScorer.map { scorer in
            let wrong = String(format: "%.1f", 100 * scorer.wrongShare)
            return ", \(scorer.trainingCount) training pairs, \(wrong) % of their labels wrong, "
                + "\(scorer.heldOutCount) held-out pairs with true labels"
        }
        return configuration.demo.corpus.rawValue + (counts ?? "")
    }

    private var explanation: String {
        let bradleyTerry =
            "a label prefers the better response with probability σ(difference / "
            + "\(Int(DemoLabels.temperature))): close pairs are noisy, clear ones are not."
        switch configuration.demo.corpus {
        case .bradleyTerry: return "A response's quality is the sum of its words' values; " + bradleyTerry
        case .flips:
            return "A response's quality is the sum of its words' values; a label is wrong with probability "
                + "\(configuration.demo.labels.flipShare), whatever the difference."
        case .comparative:
            let ceiling = PointwiseCeiling.comparative
            return "Responses make claims that outdo each other in a circle, like stone, paper and scissors; "
                + bradleyTerry
                + " A score of single responses, which a reward model and a policy are, orders at most "
                + "\(Self.short(ceiling.accuracy)) of all such pairs rightly."
        }
    }

    /// - Parameter none: the cell of no weights.
    private func row(_ name: String, none: String = "", _ figure: (DemoScorer) -> String?) -> String {
        let cells = DemoArm.Weights.allCases.map { $0 == .none ? none : scorers[$0].flatMap(figure) ?? "" }
        return "| \(name) | " + cells.joined(separator: " | ") + " |"
    }

    private static func short(_ value: Double?) -> String { value.map { String(format: "%.3f", $0) } ?? "none" }

    private static func spread(_ values: [Double]) -> String {
        guard let mean = values.mean, values.count > 1 else { return short(values.mean) }
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)
        return "\(short(mean)) ± \(short(variance.squareRoot()))"
    }
}

extension DemoArm.Weights {
    fileprivate var title: String { self == .none ? "no coefficients" : "\(rawValue) model" }
}
