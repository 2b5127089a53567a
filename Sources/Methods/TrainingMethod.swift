import Coding
import Columns
import Costs
import Diagnostics
import Parallel
import Preferences
import Settings
import Training
import Transformer

/// One way to train: its settings, the data it needs, the model's head, and the task that it makes of them. Everything
/// that sets a method apart stands in its one file of this folder; `TrainingPass` runs any of them.
package protocol TrainingMethod {
    associatedtype Settings: MethodSettings
    associatedtype Task: TrainingTask

    static var name: PassName { get }
    static var head: HeadKind { get }
    static var purpose: MethodPurpose { get }
    /// It reads both responses of a pair in one input, as its scorer will.
    static var readsDifferences: Bool { get }
    /// It needs reference log-probabilities of responses beside queries that they do not answer.
    static var readsMismatched: Bool { get }

    init(_ settings: Settings)

    /// The data as this method reads it.
    /// - Throws: `RDOError.data` when it cannot learn from them.
    func prepare(_ data: PassData, _ context: MethodContext) throws -> PassData

    /// Collective.
    /// - Throws: `RDOError` when an artefact that the method reads is missing or does not fit.
    func task(
        for part: DataSet, _ role: DataRole, of start: StartModel, _ context: MethodContext
    ) throws -> PreparedTask<Task>

    /// The same trees as training's, made from the data alone, to plan with.
    func planned(_ part: DataSet, costs: CostModel) -> any TrainingTask

    /// Queries with responses beside the data's own whose reference log-probabilities training needs.
    ///
    /// - Parameter part: one of `data`, which are as they were read.
    /// - Throws: as `prepare`.
    func mismatched(
        _ part: DataSet, _ role: DataRole, of data: PassData, _ context: MethodContext
    ) throws -> Rows<TokenizedExample>
}

extension TrainingMethod {
    /// The trees of every objective on log-probabilities: a prompt and its responses.
    package func planned(_ part: DataSet, costs: CostModel) -> any TrainingTask {
        SupervisedTask(examples: part.examples, costs: costs)
    }

    package static var purpose: MethodPurpose { .alignsPolicy }
    package static var readsDifferences: Bool { false }
    package static var readsMismatched: Bool { false }

    package func mismatched(
        _ part: DataSet, _ role: DataRole, of data: PassData, _ context: MethodContext
    ) throws -> Rows<TokenizedExample> { Rows([]) }
}

/// A method whose task follows from the data alone: nothing is read beside them.
package protocol PlainMethod: TrainingMethod {
    /// - Parameter context: nil to plan with.
    func task(_ part: DataSet, costs: CostModel, _ context: MethodContext?) -> Task
}

extension PlainMethod {
    package func task(
        for part: DataSet, _ role: DataRole, of start: StartModel, _ context: MethodContext
    ) throws -> PreparedTask<Task> { PreparedTask(task: task(part, costs: start.costs, context)) }

    package func planned(_ part: DataSet, costs: CostModel) -> any TrainingTask { task(part, costs: costs, nil) }
}

/// What the trained model is for.
package enum MethodPurpose: Sendable { case preparesModel, trainsScorer, alignsPolicy }

/// A method's section of the configuration.
package protocol MethodSettings: ConfigurationSection {
    var training: TrainingSettings { get set }
    /// Makes the pass start from this directory, whatever named it before.
    mutating func start(from model: String)
    /// Other files than `data.train`.
    var trainFiles: [String]? { get }
    var scalarHead: ScalarHeadSettings? { get }
    var ledger: Bool { get }
    /// What the method's coefficients are made with, where it takes any.
    var weighting: CoefficientSettings? { get }
    /// Training reads coefficient files, to weight by them or otherwise.
    var readsCoefficients: Bool { get }
    /// What no single key can tell.
    /// - Throws: what `fail` makes of it.
    func validate(_ fail: (_ what: String, _ remedy: String) -> RDOError) throws
}

extension MethodSettings {
    package mutating func start(from model: String) { training.model = model }
    package var trainFiles: [String]? { nil }
    package var scalarHead: ScalarHeadSettings? { nil }
    package var ledger: Bool { false }
    package var weighting: CoefficientSettings? { nil }
    package var readsCoefficients: Bool { weighting.map { $0.use && $0.readsFiles } ?? false }
    package func validate(_ fail: (_ what: String, _ remedy: String) -> RDOError) throws {}

    // Said of the same key in several sections.
    static var otherData: String { "Other files than data.train." }
    static var ledgerHelp: String { "Note what every step does with every pair in ledger.h5 (docs/ledger.md)." }
}

/// Whose model a scorer starts from.
package enum ScorerStart: String, SettingChoice {
    case base, sft, reward, difference

    /// Its `score.weight` scores something else than that of the scorer which starts from it.
    var isScorer: Bool { self == .reward || self == .difference }
}

/// How a scorer's model and its scalar head start, and how the head learns.
package struct ScalarHeadSettings: ConfigurationSection {
    /// `head` for one that is drawn, whatever the start model has.
    package static let newHead = "new"

    package var headLearningRate = 1e-4
    package var head: String?
    package var start: ScorerStart?

    package init() {}

    /// The file that the head starts from.
    package var headFile: String? { head == Self.newHead ? nil : head }

    /// The head is drawn from the seed though the start model may have one: the head of another scorer reads other states
    /// (one response's end there, the end of the second of two here) and would begin with opinions that mean nothing.
    package var drawsHead: Bool { head == Self.newHead || head == nil && start?.isScorer == true }

    /// The same start with the model named by its path, so that `start` need not be known.
    mutating func resolveStart() {
        if drawsHead { head = Self.newHead }
        start = nil
    }

    func validate(
        _ pass: PassName, _ training: TrainingSettings, _ fail: (_ what: String, _ remedy: String) -> RDOError
    ) throws {
        guard let start else { return }
        if start.rawValue == pass.rawValue {
            throw fail("\(pass).start is the pass itself", "name another one, or a directory in \(pass).model")
        }
        if training.model != nil {
            throw fail("\(pass).start and \(pass).model are both given", "keep one of them")
        }
    }

    package static var fields: [Field<Self>] {
        [
            .value(\.headLearningRate, "head_learning_rate", .above(0), "Peak learning rate of score.weight."),
            .value(
                \.head, "head",
                "Safetensors file with score.weight, [1, hidden], or `new` to draw it from the seed. By default the start "
                    + "model's, where it has one and `start` names no other scorer; else new."
            ).neutral,
            .value(
                \.start, "start",
                "Instead of model: the base, or what that pass left in output (docs/scorers.md)."
            ).neutral,
        ]
    }
}

/// What a part of the data is for.
package enum DataRole: Sendable { case training, heldOut }

/// What training starts from.
package struct StartModel {
    package let costs: CostModel
    /// Digest of the directory's configuration and weights; nil when training does not start as that model.
    package let digest: String?

    package init(costs: CostModel, digest: String?) { (self.costs, self.digest) = (costs, digest) }
}

/// A task, and digests of what it reads beside the data.
package struct PreparedTask<Task> {
    package let task: Task
    package var inputs: [RunIdentity.Input: String?] = [:]

    /// Digest of the data, given theirs, and of what is read beside them.
    package func digest(with data: String) -> String {
        let stream = DigestStream()
        stream.update(data)
        for (input, digest) in inputs.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            stream.update("\(input)=\(digest ?? "")")
        }
        return stream.digest.hex
    }
}

/// What a model made for training, in a file that names it.
package enum MadeArtefact: Sendable {
    case reference, coefficients

    package var head: HeadKind { self == .reference ? .languageModel : .scalar }

    /// - Parameter digest: of the model that the file says it was made by; a file of another program need not say.
    /// - Throws: `RDOError.artefact` when that is not the model which this configuration would make it with.
    func require(_ digest: String?, at path: String, _ context: MethodContext) throws {
        guard let digest, let expected = try context.digests(self), digest != expected else { return }
        let (what, pass, key) =
            self == .reference
            ? ("log-probabilities", "reference", "reference.model") : ("coefficients", "score", "score.model")
        throw RDOError(
            .artefact, "the \(what) are of another model than this configuration's", at: path,
            remedy: "run `rdo \(pass)` again, or set \(key) to the model that made them")
    }
}

/// What a method may know of the run that it is part of.
package struct MethodContext {
    package let seed: UInt64
    package let shuffle: Bool
    /// `data.pairs_per_list`.
    package let pairsPerList: Int?
    package let conventions: PassConventions
    package let coefficientFile: ArtefactPath
    package let referenceFile: ArtefactPath
    package let world: Communicator
    package let log: Log
    /// Collective: digest of the model that an artefact must be of; nil when that cannot be known.
    package let digests: (MadeArtefact) throws -> String?

    package init(
        seed: UInt64, shuffle: Bool, pairsPerList: Int?, conventions: PassConventions, coefficientFile: ArtefactPath,
        referenceFile: ArtefactPath, world: Communicator, log: Log,
        digests: @escaping (MadeArtefact) throws -> String? = { _ in nil }
    ) {
        (self.seed, self.shuffle, self.pairsPerList, self.conventions) = (seed, shuffle, pairsPerList, conventions)
        (self.coefficientFile, self.referenceFile) = (coefficientFile, referenceFile)
        (self.world, self.log, self.digests) = (world, log, digests)
    }
}
