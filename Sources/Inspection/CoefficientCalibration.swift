import Objectives
import Storage

extension ScorerCalibration {
    /// Fits temperature and length on pairs of a scorer; nil when there is nothing to say.
    ///
    /// - Parameters:
    ///   - data: `data_digest` of the pairs.
    ///   - areHeldOut: the scorer was not trained on them. The temperature of pairs that it was trained on says only how
    ///     well it knows those.
    package init?(fitting pairs: ScoredPairs, of data: String?, areHeldOut: Bool) {
        let labelled = areHeldOut ? pairs.labelled : []
        func temperature(_ correction: ScoreCorrection?) -> Double? {
            ScoreFit.temperature(of: labelled.map { pairs.corrected($0, by: correction) * Double(pairs.labels[$0]) })
        }
        let slope = pairs.lengths.flatMap { lengths in
            ScoreFit.lengthSlope(differences: pairs.differences, excess: lengths.map { $0.first - $0.second })
        }
        self.init(
            temperature: temperature(nil), lengthSlope: slope,
            debiasedTemperature: slope.flatMap { temperature(ScoreCorrection(lengthSlope: $0, temperature: 1)) },
            pairs: areHeldOut ? labelled.count : pairs.count, data: data)
        if self.temperature == nil && lengthSlope == nil { return nil }
    }

    /// Fits it on a file of held-out pairs.
    ///
    /// - Returns: nil when there is nothing to say.
    /// - Throws: `RDOError(.artefact)` when the file is damaged.
    package init?(fittingHeldOut file: CoefficientFile) throws {
        let pairs = try ScoredPairs(of: file, file.readTablesIfPresent())
        self.init(fitting: pairs, of: file.provenance.dataDigest, areHeldOut: true)
    }

    /// In a line of a log.
    package var text: String {
        let temperature = temperature.map { "temperature \(significant($0))" } ?? "no temperature fits"
        let slope = lengthSlope.map { "\(significant($0)) of R for each token of length" } ?? "lengths not known"
        return "\(temperature), \(slope) (\(pairs) pairs)"
    }
}

/// What a file's own calibration does to the pairs in it.
package struct CalibrationEffect: Encodable, Sendable {
    package let stated: ScorerCalibration
    /// Expected calibration error of σ(|R| / T); nil without labels or temperature.
    package let calibrationError: Double?
    /// Pearson's, of R without its slope and the difference in tokens.
    package let correlation: Double?
    /// How often R without its slope is right, of the labelled pairs.
    package let debiased: Share?
    /// Expected calibration error of R without its slope, divided by its own temperature.
    package let debiasedCalibrationError: Double?

    /// Nil when the file states none.
    init?(_ stated: ScorerCalibration?, of pairs: ScoredPairs) {
        guard let stated else { return nil }
        self.stated = stated
        let labelled = pairs.labelled
        func error(_ slope: Double, _ temperature: Double?) -> Double? {
            guard let temperature, !labelled.isEmpty else { return nil }
            let correction = ScoreCorrection(lengthSlope: slope, temperature: temperature)
            return Calibration(
                of: labelled.map { pair in
                    let r = pairs.corrected(pair, by: correction)
                    return (sureness: abs(r), right: r * Double(pairs.labels[pair]) > 0 ? 1 : 0)
                }
            ).error
        }
        calibrationError = error(0, stated.temperature)
        guard let slope = stated.lengthSlope, let lengths = pairs.lengths else {
            (correlation, debiased, debiasedCalibrationError) = (nil, nil, nil)
            return
        }
        let correction = ScoreCorrection(lengthSlope: slope, temperature: 1)
        correlation = pairs.differences.indices.map { pairs.corrected($0, by: correction) }
            .correlation(with: lengths.map { Double($0.first - $0.second) })
        debiased = Share(labelled.map { pairs.corrected($0, by: correction) * Double(pairs.labels[$0]) > 0 })
        debiasedCalibrationError = error(slope, stated.debiasedTemperature)
    }
}

extension ScoredPairs {
    /// R of a pair's first response over its second; as the scorer gave it without a correction.
    func corrected(_ pair: Int, by correction: ScoreCorrection?) -> Double {
        guard let correction else { return differences[pair] }
        let excess = lengths.map { $0[pair].first - $0[pair].second } ?? 0
        return correction.corrected(RewardDifference(difference: differences[pair]), excess: excess).difference
    }
}
