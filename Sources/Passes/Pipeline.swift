import Configuration
import Diagnostics

/// `rdo run`: the passes of a configuration in order. What is complete and unchanged is skipped.
public struct Pipeline {
    private let session: Session

    public init(_ session: Session) { self.session = session }

    /// Collective.
    /// - Parameter passes: these alone; nil means the configuration's.
    /// - Throws: the first pass's error; `RDOError.stopped` when a signal came and everything is saved.
    public func run(_ passes: [PassName]? = nil) throws {
        try session.materializeInitialModel()
        for pass in passes ?? session.configuration.passes {
            switch pass {
            case .sft, .reward, .difference, .dpo: try TrainingPass(pass: pass, session: session).run()
            case .score: try ScorePass(session: session).run()
            case .reference: try ReferencePass(session: session).run()
            }
        }
    }
}
