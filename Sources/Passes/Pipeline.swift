import Diagnostics
import Settings

/// `rdo run`: the passes of a configuration in order. What is complete and unchanged is skipped.
package struct Pipeline {
    private let session: Session

    package init(_ session: Session) { self.session = session }

    /// Collective.
    /// - Parameter passes: these alone; nil means the configuration's.
    /// - Throws: the first pass's error; `RDOError.stopped` when a signal came and everything is saved.
    package func run(_ passes: [PassName]? = nil) throws {
        let passes = passes ?? session.configuration.passes
        // Said before hours are spent on an earlier pass.
        for pass in passes { try Self.checkLeaves(of: pass, session.configuration, ranks: session.world.size) }
        try session.resume(among: passes)
        try session.materializeInitialModel()
        for pass in passes { try Configuration.pass(pass).run(session) }
    }

    /// Every rank needs a leaf.
    /// - Throws: `RDOError.usage`.
    package static func checkLeaves(of pass: PassName, _ configuration: Configuration, ranks: Int) throws {
        guard let settings = configuration.training(of: pass), settings.microBatches < ranks else { return }
        throw RDOError(
            .usage, "\(pass).micro_batches is \(settings.microBatches) but there are \(ranks) ranks",
            remedy: "set it to \(ranks) or a multiple of it")
    }
}
