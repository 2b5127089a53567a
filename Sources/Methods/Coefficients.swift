import Coding
import Columns
import Diagnostics
import Objectives
import Preferences
import Settings
import Storage

/// Where the weights of a training pass come from: coefficient files, joined by content key and never by row number, and
/// the rows' own `weight`.
struct CoefficientSources {
    private let files: [CoefficientFile]
    /// What each file's differences are corrected by; nil where that was not asked for.
    private let corrections: [ScoreCorrection?]
    private let settings: CoefficientSettings
    let rule: CoefficientRule

    /// - Parameters:
    ///   - role: the part of the data; held-out pairs stand in files of their own.
    ///   - needsFiles: read the files even where weights do not come from them.
    /// - Throws: `RDOError.artefact` when a file is missing, damaged or of another tokenizer.
    private init(
        _ settings: CoefficientSettings, _ context: MethodContext, _ role: DataRole, needsFiles: Bool
    ) throws {
        self.settings = settings
        rule = CoefficientRule(settings)
        let named = settings.file?.map { ArtefactPath($0) } ?? [context.coefficientFile]
        let isOwn = settings.column == .margin
        guard !isOwn || !settings.calibrated && !settings.lengthDebiased else {
            throw RDOError(
                .usage, "coefficients.calibrated and length_debiased are for files, not for the rows' own margins",
                remedy: "set them to false")
        }
        let readsFiles = needsFiles && !isOwn || settings.readsFiles
        let paths = readsFiles ? named.map { $0.of(role).path } : []
        guard !paths.isEmpty || !readsFiles else {
            throw RDOError(
                .usage, "coefficients.file names no file",
                remedy: "name one, remove the key, or set coefficients.use to false")
        }
        files = try paths.map { path in
            let file = try CoefficientFile.read(path)
            try requireTokenizer(context.conventions.tokenizer, made: file.provenance, path: path)
            return file
        }
        corrections = try files.map { try settings.correction(of: $0) }
    }

    /// Collective: as `init`, and the run's own file must be of the scorer that is here now.
    static func read(
        _ settings: CoefficientSettings, _ context: MethodContext, _ role: DataRole = .training,
        needsFiles: Bool = false
    ) throws -> CoefficientSources {
        let sources = try context.world.collectively {
            try CoefficientSources(settings, context, role, needsFiles: needsFiles)
        }
        if settings.file == nil, let own = sources.files.first {
            try MadeArtefact.coefficients.require(own.provenance.modelDigest, at: own.path, context)
        }
        sources.logCorrections(context.log)
        return sources
    }

    /// Says in the log what weights came of it.
    func log(_ weights: some Collection<Double>, _ context: MethodContext) {
        let names = files.map(\.path)
        let own = settings.column == .margin ? "the rows' own margins" : "the rows' own weights"
        let sources = settings.column == .ignore ? names : names + [own]
        context.log.info(
            "coefficients: \(weights.count) pairs, mean weight "
                + "\(weights.reduce(0, +) / Double(max(weights.count, 1))), "
                + "\(weights.count { $0 == 0 }) of weight 0 (\(sources.joined(separator: ", ")))")
        let isCommonFactor = files.count == 1 || settings.combine == .product
        if settings.calibrated, isCommonFactor, settings.denominator == .weights, settings.disagreement != .keep {
            context.log.warning(
                "coefficients.calibrated changes no weight under denominator: weights: a temperature is a common factor "
                    + "of all weights")
        }
    }

    /// Says in the log how R is corrected.
    private func logCorrections(_ log: Log) {
        for (file, correction) in zip(files, corrections) {
            guard let correction else { continue }
            let length = settings.lengthDebiased ? " less \(correction.lengthSlope) for each token of length" : ""
            let temperature = settings.calibrated ? " divided by \(correction.temperature)" : ""
            log.info("coefficients: R of \(file.path)\(length)\(temperature)")
        }
    }

    /// The weight of every (chosen, rejected) pair.
    ///
    /// - Throws: `RDOError.artefact` when a file lacks pairs, `.data` when a row has no weight of its own and should.
    func weights(of examples: Rows<TokenizedExample>) throws -> ScratchColumn<PairWeight> {
        let weights = ScratchColumn<PairWeight>()
        guard settings.column != .only else {
            for example in examples { try weights.append(PairWeight(weight: column(example), isFlipped: false)) }
            return weights
        }
        try forEachDifference(of: examples) { _, _ in
            [(0, 1)]
        } do: { _, example, differences in
            try weights.append(weight(differences[0], column: column(example)))
        }
        return weights
    }

    /// The row's own weight where it counts, else 1.
    func column(_ example: TokenizedExample) throws -> Double {
        guard settings.column == .multiply || settings.column == .only else { return 1 }
        guard let weight = example.weight else {
            throw RDOError(
                .data, "row \(example.row + 1) has no field \"weight\"",
                remedy: "add it, or set coefficients.column to ignore")
        }
        return weight
    }

    /// The weight of the ordered pair (better, worse) of a list's responses.
    ///
    /// - Parameter differences: what the files say of (better, worse).
    func weight(_ differences: [RewardDifference], column: Double) -> PairWeight {
        guard settings.column != .only else { return PairWeight(weight: column, isFlipped: false) }
        let (weight, isFlipped) = rule.weight(differences, combined: settings.combine)
        return PairWeight(weight: column * weight, isFlipped: isFlipped)
    }

    /// R of every (chosen, rejected) pair: the mean over the files.
    ///
    /// - Throws: `RDOError.artefact` when a file lacks pairs.
    func rewardDifferences(of examples: Rows<TokenizedExample>) throws -> ScratchColumn<Double> {
        let values = ScratchColumn<Double>()
        try forEachDifference(of: examples) { _, _ in
            [(0, 1)]
        } do: { _, _, differences in
            try values.append(rule.rewardDifference(differences[0]))
        }
        return values
    }

    /// What the row itself says of first over second: a pair's margin, or how far the scores of a list are apart.
    private func ownDifference(_ example: TokenizedExample, _ first: Int, _ second: Int) throws -> RewardDifference {
        if let margin = example.margin, example.responses.count == 2 {
            return RewardDifference(difference: first == 0 ? margin : -margin, reversed: nil)
        }
        if let scores = example.scores {
            return RewardDifference(difference: scores[first] - scores[second], reversed: nil)
        }
        throw RDOError(
            .data, "row \(example.row + 1) does not say how much better its response is",
            remedy: "it needs a margin, or two scores or ratings (docs/data.md); or set coefficients.column to ignore")
    }

    /// What the files say of pairs of an example's responses, whichever of the two stands first there.
    ///
    /// - Parameters:
    ///   - pairs: the pairs (first, second) of an example that are needed.
    ///   - use: called in the order of the examples: for each of one's pairs there is one value per file, of first over
    ///     second.
    /// - Throws: what `use` throws; `RDOError.artefact` when files lack pairs: how many, and which first.
    func forEachDifference(
        of examples: Rows<TokenizedExample>,
        pairs: (_ index: Int, _ example: TokenizedExample) -> [(first: Int, second: Int)],
        do use: (_ index: Int, _ example: TokenizedExample, _ differences: [[RewardDifference]]) throws -> Void
    ) throws {
        var (needed, missing) = (0, 0)
        var firstMissing: (path: String, row: Int, first: Int, second: Int)?
        for (index, example) in examples.enumerated() {
            let pairs = pairs(index, example)
            needed += pairs.count * files.count
            let found = try pairs.map { first, second in
                if settings.column == .margin { return [try ownDifference(example, first, second)] }
                return zip(files, corrections).map { file, correction -> RewardDifference in
                    func corrected(_ found: RewardDifference) -> RewardDifference {
                        let excess = example.responses[first].count - example.responses[second].count
                        return correction?.corrected(found, excess: excess) ?? found
                    }
                    if let entry = file[example.pairKey(first, second)] { return corrected(RewardDifference(entry)) }
                    if let entry = file[example.pairKey(second, first)] {
                        return corrected(RewardDifference(entry).exchanged)
                    }
                    missing += 1
                    firstMissing = firstMissing ?? (file.path, example.row, first, second)
                    return RewardDifference(difference: .nan, reversed: nil)
                }
            }
            // Nothing can come of the rest, and all that is missing is counted.
            if missing == 0 { try use(index, example, found) }
        }
        guard let first = firstMissing else { return }
        throw RDOError(
            .artefact,
            "\(missing) of \(needed) pairs are missing, the first is of responses \(first.first + 1) and "
                + "\(first.second + 1) of row \(first.row + 1)",
            at: first.path, remedy: "make the file again from the same data, template and tokenizer")
    }
}

extension CoefficientRule {
    package init(_ settings: CoefficientSettings) {
        self.init(alpha: settings.alpha, symmetric: settings.symmetric, disagreement: settings.disagreement)
    }
}

extension CoefficientSettings {
    /// What a file's differences are corrected by; nil where nothing of the kind is asked for.
    /// - Throws: `RDOError.artefact` when the file does not state what is asked for.
    func correction(of file: CoefficientFile) throws -> ScoreCorrection? {
        guard calibrated || lengthDebiased else { return nil }
        func stated(_ value: Double?, _ what: String, _ key: String) throws -> Double {
            if let value { return value }
            throw RDOError(
                .artefact, "the file states no \(what)", at: file.path,
                remedy: "run `rdo score` with held-out data and score.data: both, which says where none fits, or "
                    + "`rdo calibrate` for a file of another program; or set coefficients.\(key) to false")
        }
        let slope = try lengthDebiased ? stated(file.calibration?.lengthSlope, "length slope", "length_debiased") : 0
        guard calibrated else { return ScoreCorrection(lengthSlope: slope, temperature: 1) }
        let temperature = lengthDebiased ? file.calibration?.debiasedTemperature : file.calibration?.temperature
        return ScoreCorrection(
            lengthSlope: slope, temperature: try stated(temperature, "calibration temperature", "calibrated"))
    }
}

extension RewardDifference {
    init(_ entry: CoefficientFile.Entry) {
        self.init(difference: Double(entry.difference), reversed: entry.reversed.map(Double.init))
    }
}

/// What is known of a pair, or of a labelled response, before training.
struct WeightedExample {
    let example: TokenizedExample
    /// Reference log-probability sum of each response.
    let references: [Double]
    /// `f(R)^α`; 1 without coefficients.
    let weight: Double
    /// The scorer turned the label round (`disagreement: flip`).
    let isFlipped: Bool
    /// R of the better response over the worse, for a loss that reads it.
    var difference: Double?

    /// Response indices of a pair's better and worse response, as the loss sees them.
    var order: (better: Int, worse: Int) { isFlipped ? (1, 0) : (0, 1) }
    func isDesirable(_ response: Int) -> Bool { (example.label ?? (response == 0)) != isFlipped }
}

/// What a pair counts in a loss.
struct PairWeight: BitwiseCopyable {
    let weight: Double
    /// The scorer turned the label round (`disagreement: flip`).
    let isFlipped: Bool
}

/// The weight of every pair of a part of the data, from its stored reward differences and its own weight.
struct PairWeights {
    let values: ScratchColumn<PairWeight>
    /// Digest of the values.
    let digest: String

    /// Collective. Nil without coefficients; held-out pairs are judged unweighted.
    /// - Throws: `RDOError.artefact` when a file is missing, of another tokenizer or lacks pairs; `.data` when a row lacks its
    ///   weight.
    init?(for part: DataSet, _ role: DataRole, _ settings: CoefficientSettings, _ context: MethodContext) throws {
        guard role == .training && settings.use else { return nil }
        let sources = try CoefficientSources.read(settings, context)
        let values = try context.world.collectively {
            let values = try sources.weights(of: part.examples)
            sources.log(values.lazy.map(\.weight), context)
            return values
        }
        self.values = values
        digest = DigestStream.hex(of: values.lazy.flatMap { [$0.weight, $0.isFlipped ? 1 : 0] })
    }
}
