import Configuration
import Diagnostics

/// `rdo run`: the passes of a configuration in order. What is complete and unchanged is skipped.
package struct Pipeline {
    private let session: Session

    package init(_ session: Session) { self.session = session }

    /// Collective.
    /// - Parameter passes: these alone; nil means the configuration's.
    /// - Throws: the first pass's error; `RDOError.stopped` when a signal came and everything is saved.
    package func run(_ passes: [PassName]? = nil) throws {
        let passes = passes ?? session.configuration.passes
        for pass in passes { try checkLeaves(pass) }
        try session.materializeInitialModel()
        for pass in passes {
            switch pass {
            case .sft, .reward, .difference, .dpo, .rrhf, .kto: try TrainingPass(pass: pass, session: session).run()
            case .score: try ScorePass(session: session).run()
            case .reference: try ReferencePass(session: session).run()
            }
        }
    }

    /// Every rank needs a leaf; said before hours are spent on an earlier pass.
    private func checkLeaves(_ pass: PassName) throws {
        let ranks = session.world.size
        guard let settings = session.configuration.training(of: pass), settings.microBatches < ranks else { return }
        throw Self.tooFewLeaves(pass, settings, ranks)
    }

    static func tooFewLeaves(_ pass: PassName, _ settings: TrainingSettings, _ ranks: Int) -> RDOError {
        RDOError(
            .usage, "\(pass).micro_batches is \(settings.microBatches) but there are \(ranks) ranks",
            remedy: "set it to \(ranks) or a multiple of it")
    }
}
