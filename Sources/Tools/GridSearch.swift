import Diagnostics
import Foundation
import Methods
import Passes
import Settings
import Training

/// `rdo grid`: one training pass for every combination of some settings' values, and which of them did best.
///
/// Every combination is a run of its own below `OUTPUT/grid/PASS/`, so a search that was stopped continues where it was
/// and combinations can be added later.
package struct GridSearch {
    /// A key of the pass and the values to try, as texts for `--set`.
    package struct Axis: Sendable, Equatable {
        package let key: String
        package let values: [String]

        package init(key: String, values: [String]) { (self.key, self.values) = (key, values) }
    }

    private let session: Session
    private let stage: any TrainingStage
    private let axes: [Axis]

    /// - Parameter axes: empty means both λ of the difference model over 0, 0.25, 0.5 and 1.
    /// - Throws: `RDOError.usage` when a key is not one of the pass, or there is nothing to vary.
    package init(_ session: Session, _ stage: any TrainingStage, axes: [Axis]) throws {
        let pass = stage.name
        let axes = axes.isEmpty && pass == DifferenceMethod.name ? Self.penalties : axes
        guard !axes.isEmpty, axes.allSatisfy({ !$0.values.isEmpty }) else {
            throw RDOError(
                .usage, "there is nothing to vary", remedy: "give --vary \(pass).learning_rate=1e-6,1e-5, for example")
        }
        if let other = axes.first(where: { !$0.key.hasPrefix("\(pass).") && $0.key != "seed" }) {
            throw RDOError(
                .usage, "--vary \(other.key): only seed and keys of \(pass) can be varied",
                remedy: "change \(other.key) with --set, for all combinations")
        }
        (self.session, self.stage, self.axes) = (session, stage, axes)
    }

    private static let penalties = ["lambda_duplication", "lambda_reverse"].map {
        Axis(key: "\(DifferenceMethod.name).\($0)", values: ["0", "0.25", "0.5", "1"])
    }

    /// Collective. Rank 0 prints the table and writes it to `grid/PASS/grid.json` too.
    /// - Throws: the first pass's error.
    package func run() throws {
        let world = session.world
        try session.materializeInitialModel()
        let combinations: [[String]] = axes.reduce([[]]) { found, axis in
            found.flatMap { settings in axis.values.map { settings + ["\(axis.key)=\($0)"] } }
        }
        // All settings are checked before the first hour is spent.
        let arms = try world.collectively { try combinations.map(arm) }
        for (index, arm) in arms.enumerated() {
            session.log.info("grid \(index + 1) of \(arms.count): \(combinations[index].joined(separator: ", "))")
            try Pipeline(Session(arm, world: world, resume: session.resume, tracePath: nil)).run()
        }
        try world.onRankZero {
            let report = GridReport(
                pass: pass,
                arms: try zip(combinations, arms).map { settings, arm in
                    try GridReport.Arm(settings: settings, directory: "\(arm.output)/\(pass)")
                })
            try StandardOutput.write(report.text, terminator: "")
            try report.json().write(to: URL(ofFile: root + "/grid.json"))
        }
    }

    private var pass: PassName { stage.name }

    /// The configuration of one combination: a run of this pass alone, on what the session's earlier passes left.
    private func arm(_ settings: [String]) throws -> Configuration {
        var arm = session.configuration
        arm.passes = [pass]
        arm.output = directory(of: settings)
        arm.score.file = session.configuration.coefficientFile.path
        arm.reference.file = session.configuration.referenceFile.path
        arm.reference.model = session.configuration.referenceModel
        stage.start(from: session.configuration.startModel(of: pass), in: &arm)
        try arm.apply(settings)
        try arm.validate("--vary \(settings.joined(separator: " "))")
        return arm
    }

    private var root: String { session.configuration.output + "/grid/\(pass)" }

    /// Named by the settings, so that a combination keeps its directory when others are added.
    private func directory(of settings: [String]) -> String {
        let names = settings.map { $0.hasPrefix("\(pass).") ? $0.dropFirst("\(pass).".count) : $0[...] }
        let name = names.joined(separator: ",")
        // Characters that mean something in a path are replaced.
        return root + "/" + String(name.map { $0.isLetter || $0.isNumber || "=,._-+".contains($0) ? $0 : "_" })
    }
}

/// What a grid search found.
struct GridReport {
    struct Arm {
        let settings: [String]
        /// The training pass's.
        let directory: String
        /// Mean over the last epoch of training.
        let trainingLoss: Double
        /// The preference term alone for the difference model; for other methods the training loss again.
        let preferenceLoss: Double
        let heldOutLoss, heldOutAccuracy: Double?

        init(settings: [String], directory: String) throws {
            (self.settings, self.directory) = (settings, directory)
            let figures = RecordedFigures(directory)
            let training = try figures.lastEpoch()
            func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
            trainingLoss = mean(training.map { $0.loss ?? .nan })
            let preference = training.compactMap(\.lossMain)
            preferenceLoss = preference.isEmpty ? trainingLoss : mean(preference)
            let heldOut = try figures.lastEvaluation()
            heldOutLoss = heldOut?.testLossMain ?? heldOut?.testLoss
            heldOutAccuracy = heldOut?.testAccuracy
        }
    }

    let pass: PassName
    let arms: [Arm]

    /// The paper's rule. The whole loss of a difference model has the λ in it: only its preference term can be compared.
    private var bestByTraining: Arm? { arms.min { $0.preferenceLoss < $1.preferenceLoss } }

    private var bestByHeldOut: Arm? {
        arms.filter { $0.heldOutAccuracy != nil }.max { a, b in
            // Equal accuracies are common on few rows; then the loss decides.
            (a.heldOutAccuracy ?? 0, -(a.heldOutLoss ?? 0)) < (b.heldOutAccuracy ?? 0, -(b.heldOutLoss ?? 0))
        }
    }

    /// Markdown.
    var text: String {
        var lines = [
            "| \(pass) with | training loss | of it preference | held-out preference loss | held-out accuracy |",
            "|---|---:|---:|---:|---:|",
        ]
        for arm in arms {
            let figures = [arm.trainingLoss, arm.preferenceLoss, arm.heldOutLoss, arm.heldOutAccuracy]
                .map { $0.map { String(format: "%.4f", $0) } ?? "–" }
            lines.append("| " + ([arm.settings.joined(separator: " ")] + figures).joined(separator: " | ") + " |")
        }
        lines.append("")
        for (rule, arm) in [("training loss (preference term)", bestByTraining), ("held-out accuracy", bestByHeldOut)] {
            guard let arm else { continue }
            lines.append("best by \(rule): \(arm.settings.joined(separator: " ")), model in \(arm.directory)/model")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    func json() throws -> Data {
        let objects = arms.map { arm -> [String: Any] in
            let figures = [
                "training_loss": arm.trainingLoss, "training_preference_loss": arm.preferenceLoss,
                "held_out_preference_loss": arm.heldOutLoss, "held_out_accuracy": arm.heldOutAccuracy,
            ]
            // JSON has no NaN.
            let known: [String: Any] = figures.compactMapValues { $0.flatMap { $0.isFinite ? $0 : nil } }
            return known.merging(["settings": arm.settings, "directory": arm.directory]) { $1 }
        }
        var report: [String: Any] = ["pass": pass.rawValue, "combinations": objects]
        report["best_by_training_loss"] = bestByTraining?.settings
        report["best_by_held_out_accuracy"] = bestByHeldOut?.settings
        return try JSONSerialization.data(
            withJSONObject: report, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    }
}
