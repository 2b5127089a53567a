import Diagnostics
import Settings
import Storage
import Training

/// Where each training pass begins, as `--resume` says it.
package struct ResumeChoice: Sendable {
    /// Of the passes that nothing else is said of.
    private var general = ResumePolicy.auto
    private var own: [PassName: ResumePolicy] = [:]
    /// Checkpoints without a pass: each says itself which one wrote it.
    private var unassigned: [String] = []

    /// - Parameter arguments: `auto`, `never`, a checkpoint's directory, or one of these for a single pass: `dpo=never`.
    /// - Throws: `RDOError.usage` when a pass is named twice.
    package init(_ arguments: [String]) throws {
        for argument in arguments {
            let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
            if parts.count == 2, let pass = Configuration.trainingPasses.first(where: { $0.name.rawValue == parts[0] })
            {
                guard own.updateValue(Self.policy(parts[1]), forKey: pass.name) == nil else {
                    throw RDOError(.usage, "--resume says twice where \(pass.name) begins")
                }
            } else if case .path(let path) = Self.policy(argument) {
                unassigned.append(path)
            } else {
                general = Self.policy(argument)
            }
        }
    }

    private static func policy(_ text: String) -> ResumePolicy {
        switch text {
        case "auto": .auto
        case "never": .never
        default: .path(text)
        }
    }

    /// Gives every checkpoint to its pass. One rank reads.
    ///
    /// - Parameter passes: those that will run.
    /// - Throws: `RDOError.artefact` when a checkpoint cannot be opened, `.usage` when it is of none of the passes.
    func assigned(to passes: [PassName]) throws -> ResumeChoice {
        let training = Configuration.trainingPasses.map(\.name).filter(passes.contains)
        var choice = self
        choice.unassigned = []
        for path in unassigned {
            // With one pass alone there is no doubt which is meant; whether it fits is looked at there.
            let pass = training.count == 1 ? training[0] : PassName(rawValue: try Checkpoint.open(path).state.task)
            guard training.contains(pass) else {
                throw RDOError(
                    .usage, "the checkpoint is of the pass \(pass), which is not run now", at: path,
                    remedy: "the training passes here are \(training.map(\.rawValue).joined(separator: ", "))")
            }
            choice.own[pass] = .path(path)
        }
        return choice
    }

    func policy(of pass: PassName) -> ResumePolicy { own[pass] ?? general }
}
