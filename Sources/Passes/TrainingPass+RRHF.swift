import Configuration
import Diagnostics
import Objectives
import Preferences
import Training
import Transformer

extension TrainingPass {
    func rrhf() throws {
        let settings = configuration.rrhf
        let start = session.startModel(of: .rrhf, setting: settings.training.model)
        let data = try session.dataSets(model: start)
        try data.requireComparable()
        let loaded = try LoadedModel(
            start, head: .languageModel, lora: settings.training.lora, seed: seed, session: session)
        let ranker = ListRanker(join: PairJoin(session: session, data: data), settings: settings)
        let objective = RRHFObjective(
            rankingWeight: settings.rankingWeight, lengthExponent: settings.lengthExponent, length: settings.length)
        func task(_ lists: [RRHFTask.RankedList]) -> RRHFTask {
            RRHFTask(
                lists: lists, objective: objective,
                costs: CostModel(loaded.model.configuration, head: loaded.model.head))
        }
        let lists = try session.world.collectively { try ranker.ranked(data.train.examples) }
        try train(
            loaded, data, settings.training, keepsLedger: settings.ledger,
            identity: ["coefficients": ListRanker.digest(lists)], task: task(lists),
            // Held-out lists are judged by their own scores and unweighted.
            evaluation: data.test.map { task($0.examples.map(ListRanker.byScores)) })
    }
}

/// Orders the responses of lists and gives every ordered pair its weight.
private struct ListRanker {
    let join: PairJoin
    let settings: ListSettings

    /// - Throws: `RDOError.artefact` when a coefficient file is missing, of another tokenizer or lacks pairs; `.data` when a
    ///   row lacks its weight.
    func ranked(_ examples: [TokenizedExample]) throws -> [RRHFTask.RankedList] {
        let coefficients = settings.coefficients
        let ranksByDifference = settings.ranking == .difference
        guard coefficients.use || ranksByDifference else {
            let lists = examples.map(Self.byScores)
            logTies(in: lists)
            return lists
        }
        let sources = try join.sources(coefficients, needsFiles: ranksByDifference)
        var scores = examples.map(\.listScores)
        if ranksByDifference {
            let differences = try sources.differences(of: examples, pairs: examples.map(\.comparisons))
            let matrices = examples.indices.map { index in
                DifferenceMatrix(count: examples[index].responses.count) { i, j in
                    // Of the comparisons, (i, j) is number i of those with j, after all that have an earlier one second.
                    sources.rule.rewardDifference(differences[index][j * (j - 1) / 2 + i])
                }
            }
            scores = matrices.map(\.scores)
            let cycles = matrices.reduce(0) { $0 + $1.cycles }
            join.session.log.info(
                "ranking by reward differences: \(cycles) cycles of three responses in "
                    + "\(matrices.count { $0.cycles > 0 }) of \(matrices.count) lists")
        }
        let ordered = scores.map { ListRanking.pairs($0) }
        let differences =
            coefficients.use
            ? try sources.differences(
                of: examples, pairs: ordered.map { $0.map { (first: $0.better, second: $0.worse) } }) : nil
        let lists = try examples.indices.map { index in
            let column = coefficients.use ? try sources.column(examples[index]) : 1
            let pairs = ordered[index].enumerated().map { number, pair in
                let (weight, flipped) =
                    differences.map { sources.weight($0[index][number], column: column) } ?? (1, false)
                return flipped
                    ? RankedPair(better: pair.worse, worse: pair.better, weight: weight)
                    : RankedPair(better: pair.better, worse: pair.worse, weight: weight)
            }
            return RRHFTask.RankedList(
                example: examples[index], pairs: pairs, best: ListRanking.best(scores[index]))
        }
        if coefficients.use { join.log(lists.flatMap { $0.pairs.map(\.weight) }, sources) }
        logTies(in: lists)
        return lists
    }

    /// Ordered by the list's own scores, every pair of weight 1.
    static func byScores(_ example: TokenizedExample) -> RRHFTask.RankedList {
        let scores = example.listScores
        return RRHFTask.RankedList(
            example: example,
            pairs: ListRanking.pairs(scores).map { RankedPair(better: $0.better, worse: $0.worse) },
            best: ListRanking.best(scores))
    }

    static func digest(_ lists: [RRHFTask.RankedList]) -> String {
        PairJoin.digest(
            lists.flatMap { list in
                [Double(list.best)] + list.pairs.flatMap { [Double($0.better), Double($0.worse), $0.weight] }
            })
    }

    private func logTies(in lists: [RRHFTask.RankedList]) {
        let unranked = lists.count { $0.pairs.isEmpty }
        guard unranked > 0 else { return }
        join.session.log.warning(
            "\(unranked) of \(lists.count) lists have equally good responses only: of them the first is learned, nothing ranked"
        )
    }
}
