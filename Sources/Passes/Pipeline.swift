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
        for pass in passes { try run(Configuration.pass(pass)) }
    }

    /// Passes over a pass that was complete with the same inputs, and remembers what it is made from otherwise.
    private func run(_ pass: any Pass) throws {
        let (world, configuration) = (session.world, session.configuration)
        var recipe: [String: String] = [:]
        let isComplete = try world.isTrueOnRankZero {
            guard !pass.artefacts(in: configuration).isEmpty else { return false }
            let current = try pass.recipe(configuration, session.knownDigests)
            recipe = current.parts
            switch try PassState(of: pass, current) {
            case .complete where session.resume.policy(of: pass.name) == .auto: return true
            case .changed(let differences):
                session.log.info(
                    "\(pass.name): looking again, because "
                        + differences.map(\.description).joined(separator: ", "))
            default: break
            }
            return false
        }
        if isComplete {
            session.log.info("\(pass.name): complete and unchanged")
            try world.onRankZero { try pass.showComplete(in: configuration) }
            return
        }
        func remember(isComplete: Bool) throws {
            try world.onRankZero {
                guard !recipe.isEmpty else { return }
                let artefacts = isComplete ? try PassRecord.stamps(of: pass.artefacts(in: configuration)) : nil
                try PassRecord(recipe: recipe, artefacts: artefacts).write(pass, in: configuration)
            }
        }
        try remember(isComplete: false)
        try session.blamingWeights { try pass.run(session) }
        try remember(isComplete: true)
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
