import Coding
import Columns
import Diagnostics
import Foundation
import Objectives
import Storage
import TestSupport
import Testing

@testable import Inspection

/// Every statistic of a coefficient file equals numpy's (`Tests/scripts/golden_inspection.py`).
@Suite struct StatisticsTests {
    private struct Golden: Decodable {
        struct Pairs: Decodable {
            let histogram: [Int]
            let agreement, symmetric, longer, scorer: GoldenShare
            let bias, deviation, ece, correlation: Double
            let ranges, deciles: [GoldenShare]
            /// Count, confidence, accuracy.
            let bins: [[Double]]
            /// By the word for disagreement; for each α mean, share of zeros, effective pairs.
            let weights: [String: [[Double]]]
            let slope, slope_correlation, temperature, debiased_temperature, temperature_ece, debiased_ece: Double
            let debiased: GoldenShare
        }
        struct Lists: Decodable {
            let triples, contradictions: Int
            let residual: Double
        }
        struct Ledger: Decodable {
            let learned, never, forgotten, start: Int
            let steps, weight, gradient: [Double]
            let correlation, judged_gradient, judged_margin: Double
        }
        struct Comparison: Decodable {
            let pearson, spearman, distance: Double
            let flips: GoldenShare
        }
        let pairs: Pairs
        let lists: Lists
        let ledger: Ledger
        let comparison: Comparison
    }

    private struct GoldenShare: Decodable { let share, low, high: Double, count: Int }

    private static func golden() throws -> Golden {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "inspection-goldens.json")
        return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
    }

    /// The formulas of the script.
    private static let pairs: ScoredPairs = {
        let rows = 0..<500
        let d = rows.map { Double(($0 * 7919 + 13) % 1009) / 128 - 3.5 }
        let r = rows.map { -d[$0] + Double(($0 * 104729) % 257 - 128) / 64 }
        let labels = rows.map { row -> Int8 in
            if row % 17 == 0 { return 0 }
            let agrees = Double((row * 31) % 100) < 60 + 8 * abs(d[row])
            return agrees == (d[row] >= 0) ? 1 : -1
        }
        return ScoredPairs(
            stored: rows.map { RewardDifference(difference: d[$0], reversed: r[$0]) }, labels: labels,
            lengths: rows.map { (5 + ($0 * 37) % 50, 5 + ($0 * 53) % 60) })
    }()

    private func isNear(_ a: Double?, _ b: Double) -> Bool { a.map { abs($0 - b) < 1e-9 * max(1, abs(b)) } ?? false }

    private func same(_ share: Share?, _ golden: GoldenShare) -> Bool {
        isNear(share?.share, golden.share) && isNear(share?.low, golden.low) && isNear(share?.high, golden.high)
            && share?.count == golden.count
    }

    @Test func distributionAndAgreement() throws {
        let golden = try Self.golden().pairs
        let d = Self.pairs.stored.map(\.difference)
        #expect(Histogram(of: d)?.counts == golden.histogram)
        #expect(same(Share(Self.pairs.labelled.map { d[$0] * Double(Self.pairs.labels[$0]) > 0 }), golden.agreement))
        #expect(same(Share(Self.pairs.labelled.map(Self.pairs.agrees)), golden.symmetric))
        #expect(Histogram(of: []) == nil && Share([]) == nil)
        #expect(Histogram(of: [2, 2])?.counts.reduce(0, +) == 2)
    }

    @Test func reliability() throws {
        let golden = try Self.golden().pairs
        let found = try #require(Reliability(of: Self.pairs))
        #expect(found.ranges.count == 4 && zip(found.ranges, golden.ranges).allSatisfy { same($0.accuracy, $1) })
        #expect(found.deciles.count == 10 && zip(found.deciles, golden.deciles).allSatisfy { same($0.accuracy, $1) })
        #expect(found.bins.map(\.count) == golden.bins.map { Int($0[0]) })
        #expect(zip(found.bins, golden.bins).allSatisfy { isNear($0.confidence, $1[1]) && isNear($0.accuracy, $1[2]) })
        #expect(isNear(found.calibrationError, golden.ece))
    }

    @Test func lengths() throws {
        let golden = try Self.golden().pairs
        let found = try #require(LengthBias(of: Self.pairs))
        #expect(isNear(found.correlation, golden.correlation))
        #expect(same(found.longerIsBetter, golden.longer) && same(found.scorer, golden.scorer))
        #expect(LengthBias(of: ScoredPairs(stored: Self.pairs.stored, labels: Self.pairs.labels)) == nil)
    }

    @Test func calibration() throws {
        let golden = try Self.golden().pairs
        let found = try #require(ScorerCalibration(fitting: Self.pairs, of: "d1", areHeldOut: true))
        #expect(isNear(found.temperature, golden.temperature) && isNear(found.lengthSlope, golden.slope))
        #expect(isNear(found.debiasedTemperature, golden.debiased_temperature))
        #expect(found.pairs == Self.pairs.labelled.count && found.data == "d1")
        let effect = try #require(CalibrationEffect(found, of: Self.pairs))
        #expect(isNear(effect.calibrationError, golden.temperature_ece))
        #expect(isNear(effect.debiasedCalibrationError, golden.debiased_ece))
        #expect(same(effect.debiased, golden.debiased))
        #expect(effect.correlation.map { abs($0 - golden.slope_correlation) < 1e-9 } == true)

        // Pairs that the scorer was trained on say nothing of its temperature.
        let own = try #require(ScorerCalibration(fitting: Self.pairs, of: nil, areHeldOut: false))
        #expect(own.temperature == nil && own.debiasedTemperature == nil && isNear(own.lengthSlope, golden.slope))
        #expect(own.pairs == Self.pairs.count)
        // Lengths that are not known say nothing either.
        let short = ScoredPairs(stored: Self.pairs.stored, labels: Self.pairs.labels)
        let temperature = try #require(ScorerCalibration(fitting: short, of: nil, areHeldOut: true))
        #expect(isNear(temperature.temperature, golden.temperature) && temperature.lengthSlope == nil)
        #expect(ScorerCalibration(fitting: short, of: nil, areHeldOut: false) == nil)
        #expect(CalibrationEffect(nil, of: Self.pairs) == nil)
    }

    @Test(arguments: Disagreement.allCases) func weights(_ disagreement: Disagreement) throws {
        let golden = try #require(try Self.golden().pairs.weights[disagreement.rawValue])
        let found = try #require(WeightForecast(of: Self.pairs, disagreement: disagreement))
        #expect(found.rows.map(\.alpha) == [0, 0.25, 0.5, 1, 2])
        for (row, values) in zip(found.rows, golden) {
            #expect(isNear(row.mean, values[0]) && isNear(row.zeroShare, values[1]))
            #expect(isNear(row.effectivePairs, values[2]))
        }
        #expect(
            WeightForecast(
                of: ScoredPairs(stored: Self.pairs.stored, labels: Self.pairs.labels.map { _ in 0 }),
                disagreement: disagreement) == nil)
    }

    @Test func lists() throws {
        let golden = try Self.golden().lists
        var stored: [RewardDifference] = []
        var places: [(query: Int32, first: Int32, second: Int32)] = []
        for number in 0..<20 {
            func score(_ response: Int) -> Int { (number * 11 + response * 5) % 13 }
            for j in 0..<6 {
                for i in 0..<j {
                    let value = Double(score(i) - score(j)) / 4 + Double((number * 31 + i * 17 + j * 7) % 21 - 10) / 4
                    stored.append(RewardDifference(difference: value))
                    places.append((Int32(number), Int32(6 * number + i), Int32(6 * number + j)))
                }
            }
            // A pair is no list.
            stored.append(RewardDifference(difference: 1))
            places.append((Int32(1000 + number), Int32(1000 + 2 * number), Int32(1001 + 2 * number)))
        }
        let pairs = ScoredPairs(stored: stored, labels: stored.map { _ in 1 }, places: places)
        let found = try #require(ListConsistency(of: pairs))
        #expect(found.lists == 20 && found.triples == golden.triples && found.contradictions == golden.contradictions)
        #expect(isNear(found.residual, golden.residual))
        #expect(ListConsistency(of: Self.pairs) == nil)
    }

    @Test func ledgers() throws {
        let golden = try Self.golden().ledger
        let directory = try TemporaryDirectory()
        let (path, judged) = (directory.path + "/ledger.h5", directory.path + "/c.h5")
        let keys = (0..<80).map { ContentKey.pair(query: [Int32($0)], first: [1], second: [2]) }
        let writer = try LedgerWriter(
            path: path, header: ArtefactHeader(schema: "", software: "test", config: "", worldSize: 1), pass: "dpo",
            keepingStepsBefore: 0)
        for (place, step) in [3, 10, 40].enumerated() {
            let visited = (0..<80).filter { place < 2 || $0 % 4 != 3 }
            let visits = visited.map { pair -> PairVisit in
                let margin = Double((pair * 29 + step * 13) % 23 - 11) + Double(step) / 8
                let scale = Double((pair * 17 + step) % 31) / 32
                return PairVisit(
                    row: pair, key: keys[pair], better: 0, worse: 1, coefficient: Double(pair * 11 % 40) / 8,
                    margin: margin / 4, loss: 1, gradientScale: scale)
            }
            try writer.append(visits, step: step)
        }
        try writer.flush()
        try CoefficientContents(
            scorer: "difference",
            provenance: Provenance(modelDigest: nil, tokenizerDigest: nil, dataDigest: nil, template: nil),
            keys: Rows(keys), tables: nil, differences: ScratchColumn((0..<80).map { Float($0 * 37 % 50 - 20) / 8 }),
            reversed: nil
        ).write(toNew: judged, header: ArtefactHeader(schema: "", software: "test", config: "", worldSize: 1))
        let summary = try #require(try ArtefactSummary(of: path, pairs: 4, joining: judged).ledger)
        let learning = summary.learning
        #expect(learning.learned == golden.learned && learning.neverLearned == golden.never)
        #expect(learning.forgotten == golden.forgotten && learning.rightFromTheStart == golden.start)
        #expect(zip(learning.learningSteps.values, golden.steps).allSatisfy { isNear($0.value, $1) })
        #expect(learning.first.allSatisfy { $0.firstMargin <= 0 && $0.lastMargin > 0 } && learning.first.count == 4)
        #expect(learning.never.allSatisfy { $0.lastMargin <= 0 } && learning.never.count == min(4, golden.never))
        let parts = summary.gradientByWeight.parts
        #expect(parts.map(\.pairs) == [16, 16, 16, 16, 16])
        #expect(zip(parts, golden.weight).allSatisfy { isNear($0.weightShare, $1) })
        #expect(zip(parts, golden.gradient).allSatisfy { isNear($0.gradientShare, $1) })
        #expect(isNear(summary.gradientByWeight.correlation, golden.correlation))
        #expect(summary.joinedPairs == 80 && isNear(summary.correlationWithGradient, golden.judged_gradient))
        #expect(isNear(summary.correlationWithMargin, golden.judged_margin))
        let alone = try #require(try ArtefactSummary(of: path, pairs: 4).ledger)
        #expect(alone.joinedPairs == nil && alone.strongest[0].judgement == nil)
        #expect(summary.strongest[0].judgement?.query == nil && summary.strongest[0].judgement != nil)
        // A file of other pairs, and a file that is no ledger.
        #expect(throws: RDOError.self) { try ArtefactSummary(of: judged, joining: judged) }
    }

    @Test func comparisons() throws {
        let golden = try Self.golden().comparison
        let directory = try TemporaryDirectory()
        func make(_ name: String, _ rows: Range<Int>, _ value: (Int) -> Double) throws -> String {
            let path = directory.path + "/" + name
            try CoefficientContents(
                scorer: nil,
                provenance: Provenance(modelDigest: nil, tokenizerDigest: nil, dataDigest: nil, template: nil),
                keys: Rows(rows.map { ContentKey.pair(query: [Int32($0)], first: [1], second: [2]) }), tables: nil,
                labels: Rows(rows.map { _ in 1 }), differences: ScratchColumn(rows.map { Float(value($0)) }),
                reversed: nil
            ).write(toNew: path, header: ArtefactHeader(schema: "", software: "test", config: "", worldSize: 1))
            return path
        }
        let a = try make("a.h5", 0..<310) { Double($0 * 7919 % 1009) / 128 - 3.5 }
        let b = try make("b.h5", 0..<300) {
            (Double($0 * 7919 % 1009) / 256 + Double($0 * 31 % 17) / 4 - 4).rounded(.toNearestOrEven)
        }
        let found = try CoefficientComparison(a, b, pairs: 3)
        #expect(found.shared == 300 && found.first.alone == 10 && found.second.alone == 0)
        #expect(isNear(found.pearson, golden.pearson) && isNear(found.spearman, golden.spearman))
        #expect(isNear(found.meanAbsoluteDifference, golden.distance) && same(found.flips, golden.flips))
        #expect(found.largest.count == 3 && found.first.agreement?.count == 300)
        #expect(throws: RDOError.self) { try CoefficientComparison(a, make("c.h5", 400..<410) { _ in 1 }, pairs: 0) }
    }

    /// A scorer that knows, one that does not, and one that is far too sure.
    @Test func verdicts() throws {
        func verdict(_ difference: (Int) -> Double, _ label: (Int) -> Int8) -> Verdict? {
            let rows = 0..<4000
            let pairs = ScoredPairs(
                stored: rows.map { RewardDifference(difference: difference($0)) }, labels: rows.map(label))
            return Verdict(
                Reliability(of: pairs), LengthBias(of: pairs), WeightForecast(of: pairs, disagreement: .zero))
        }
        func size(_ row: Int) -> Double { Double(row % 40) / 10 }
        // Right as often as σ says.
        func honest(_ row: Int) -> Int8 { Double(row / 40 % 100) / 100 < 1 / (1 + exp(-size(row))) ? 1 : -1 }
        #expect(verdict(size, honest)?.isWorthTrying == true)
        #expect(verdict(size, { $0 / 40 % 2 == 0 ? 1 : -1 })?.isWorthTrying == false)
        #expect(verdict({ 10 * size($0) }, honest)?.checks[1].holds == false)
        #expect(verdict(size, { _ in 0 }) == nil)
    }
}
