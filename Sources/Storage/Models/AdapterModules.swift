import Coding
import Preferences
import Transformer

/// Which modules of a model an adapter changes, and by which rank and alpha each.
package struct AdapterModules: Equatable, Sendable {
    enum Targets: Equatable, Sendable {
        /// Projections of all blocks, and single modules by their names.
        case named([Projection], single: [String])
        /// What a pattern matched has tensors.
        case matched([Projection])

        var projections: [Projection] {
            switch self {
            case .named(let projections, let single): projections + single.compactMap(Projection.init(ofModule:))
            case .matched(let projections): projections
            }
        }
    }

    static let possibleRanks = 1...1 << 20

    private let targets: Targets
    private let rank: Int
    private let alpha: Double
    private var isRankStabilized = false
    private var ranks = ModuleValues<Int>()
    private var alphas = ModuleValues<Double>()
    private var blocks = AdaptedBlocks.all

    /// All blocks alike.
    init(_ adaptation: LowRankAdaptation) {
        (targets, rank, alpha) = (.named(adaptation.targets, single: []), adaptation.rank, adaptation.alpha)
    }

    init(
        _ object: JSONValue, _ targets: Targets, rank: Int, alpha: Double, isRankStabilized: Bool,
        _ bad: AdapterConfiguration.Complaint
    ) throws {
        (self.targets, self.rank, self.alpha, self.isRankStabilized) = (targets, rank, alpha, isRankStabilized)
        ranks = try ModuleValues("rank_pattern", of: object, "integer ≥ 1", bad) { value in
            value.integer.flatMap { Self.possibleRanks.contains($0) ? $0 : nil }
        }
        alphas = try ModuleValues("alpha_pattern", of: object, "number", bad, read: \.double)
        blocks = try AdaptedBlocks(object, bad)
    }

    /// The rank, alpha and targets that hold where nothing else is said.
    var common: LowRankAdaptation { adaptation(rank: rank, alpha: alpha, targets.projections) }

    /// How one module is adapted; nil when it is not.
    ///
    /// - Parameter hasTensors: it has some among the adapter's.
    /// - Throws: `RegularExpression.PatternError` when a pattern takes too many steps.
    func adaptation(of module: String, _ target: Projection, block: Int, hasTensors: Bool) throws -> LowRankAdaptation?
    {
        switch targets {
        case .matched: guard hasTensors else { return nil }
        case .named(let projections, let single):
            // A full name stands for its module in any block.
            let isNamed =
                try single.contains(module)
                || (projections.contains(target) || single.contains { module.hasSuffix("." + $0) })
                    && blocks.contains(block, of: module)
            guard isNamed else { return nil }
        }
        return adaptation(rank: try ranks[module] ?? rank, alpha: try alphas[module] ?? alpha, [target])
    }

    /// alpha / sqrt(rank) (Kalajdzievski 2023, arXiv 2312.03732) is the usual alpha / rank of another alpha.
    private func adaptation(rank: Int, alpha: Double, _ targets: [Projection]) -> LowRankAdaptation {
        LowRankAdaptation(
            rank: rank, alpha: isRankStabilized ? alpha * Double(rank).squareRoot() : alpha, targets: targets)
    }

    /// What of it training cannot go on from, where all blocks are adapted alike; nil for nothing.
    var peculiarity: String? {
        if !ranks.isEmpty { return "rank_pattern gives modules ranks of their own" }
        if !alphas.isEmpty { return "alpha_pattern gives modules alphas of their own" }
        if blocks != .all { return "layers_to_transform leaves blocks without adapters" }
        if case .named(_, let single) = targets, let name = single.first {
            return "target_modules names \(name) of one block"
        }
        return nil
    }

    /// What of it the tensors do not show and `common` does not say; nil for nothing.
    var identity: String? {
        ranks.isEmpty && alphas.isEmpty ? nil : "\(isRankStabilized) \(ranks.identity) \(alphas.identity)"
    }
}

extension Projection {
    /// The last part of a module's name: `self_attn.q_proj` is the same as `q_proj`.
    init?(ofModule name: String) { self.init(rawValue: name.split(separator: ".").last.map(String.init) ?? "") }
}
