import Methods
import Preferences
import Settings
import Training
import Transformer

/// One resumable stage of `rdo run`: it turns files into files, and does nothing where they are there and fit.
package protocol Pass: Sendable {
    var name: PassName { get }
    /// Collective.
    /// - Throws: its first error; `RDOError.stopped` when a signal came and everything is saved.
    func run(_ session: Session) throws
}

/// A pass with a command of its own: `rdo NAME CONFIG`. (Training passes share `rdo train`.)
package protocol CommandPass: Pass {
    static var name: PassName { get }
    /// One sentence for the command line.
    static var summary: String { get }
    init()
}

extension CommandPass {
    package var name: PassName { Self.name }
}

/// A pass that trains a model.
package protocol TrainingStage: Pass {
    associatedtype Method: TrainingMethod
    func settings(in configuration: Configuration) -> Method.Settings
    /// Makes the pass start from this directory.
    func start(from model: String, in configuration: inout Configuration)
}

extension TrainingStage {
    package var name: PassName { Method.name }
    var purpose: MethodPurpose { Method.purpose }

    func method(in configuration: Configuration) -> Method { Method(settings(in: configuration)) }
    func anyMethod(in configuration: Configuration) -> any TrainingMethod { method(in: configuration) }

    package var head: HeadKind { Method.head }

    /// Who reads the rows beside the model: the scorer that this pass trains, or the one whose judgements it learns from.
    func scorer(_ session: Session, start: String) throws -> ScorerReading? {
        if Method.readsDifferences { return ScorerReading(model: start, form: .differences) }
        let settings = settings(in: session.configuration)
        let isOwn = settings.weighting?.file == nil && session.configuration.score.file == nil
        // Otherwise a row that the scorer cannot use has ended the scoring pass.
        guard settings.readsCoefficients, isOwn, session.configuration.data.onError == .skip else { return nil }
        return try session.scorerReading()
    }

    /// The data as the method reads them, for the model that it starts from.
    package func data(_ session: Session) throws -> (data: PassData, context: MethodContext, start: String) {
        let start = session.configuration.startModel(of: name)
        let data = try rows(session, start: start)
        let context = session.context(data.conventions)
        return (try method(in: session.configuration).prepare(data, context), context, start)
    }

    /// The rows before the method chooses among them.
    func rows(_ session: Session, start: String) throws -> PassData {
        try session.dataSets(
            model: start, trainFiles: settings(in: session.configuration).trainFiles,
            scorer: scorer(session, start: start))
    }
}
