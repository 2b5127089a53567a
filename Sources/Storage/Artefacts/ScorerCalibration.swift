import Diagnostics

/// What corrects a scorer's differences on request, as a coefficient file states it beside the raw values.
package struct ScorerCalibration: Sendable, Equatable, Encodable {
    /// σ(R / T) is the probability of a label; nil where no temperature fits.
    package var temperature: Double?
    /// R for each token that the first response has more than the second.
    package var lengthSlope: Double?
    /// T of R without what the slope explains.
    package var debiasedTemperature: Double?
    /// How many pairs it was fitted on.
    package var pairs: Int
    /// `data_digest` of those pairs; nil when their file does not say.
    package var data: String?

    package init(
        temperature: Double?, lengthSlope: Double?, debiasedTemperature: Double?, pairs: Int, data: String?
    ) {
        (self.temperature, self.lengthSlope) = (temperature, lengthSlope)
        (self.debiasedTemperature, self.pairs, self.data) = (debiasedTemperature, pairs, data)
    }

    private static let temperatureName = "calibration_temperature"
    private static let slopeName = "calibration_length_slope"
    private static let debiasedName = "calibration_debiased_temperature"
    private static let pairsName = "calibration_pairs"
    private static let dataName = "calibration_data"

    /// Nil when the file states neither temperature nor slope.
    /// - Throws: `RDOError(.artefact)` when a temperature is not above 0 or a number not finite.
    init?(of file: HDF5File) throws {
        func number(_ name: String, isPositive: Bool) throws -> Double? {
            guard let value = try file.real(name) else { return nil }
            guard value.isFinite, value > 0 || !isPositive else {
                throw RDOError(.artefact, "the root attribute \(name) is \(value)", at: file.filePath)
            }
            return value
        }
        self.init(
            temperature: try number(Self.temperatureName, isPositive: true),
            lengthSlope: try number(Self.slopeName, isPositive: false),
            debiasedTemperature: try number(Self.debiasedName, isPositive: true),
            pairs: try file.integer(Self.pairsName) ?? 0, data: try file.text(Self.dataName))
        if temperature == nil && lengthSlope == nil { return nil }
    }

    /// Replaces what the file states.
    func write(to file: HDF5File) throws {
        let values: [(String, HDF5Value?)] = [
            (Self.temperatureName, temperature.map { .real($0) }), (Self.slopeName, lengthSlope.map { .real($0) }),
            (Self.debiasedName, debiasedTemperature.map { .real($0) }), (Self.pairsName, .integer(Int64(pairs))),
            (Self.dataName, data.map { .text($0) }),
        ]
        for (name, value) in values {
            try file.removeAttribute(name)
            if let value { try file.setAttribute(name, value) }
        }
    }
}

extension CoefficientFile {
    /// Writes the file with this calibration in place of its own, all else as it is, to `out`, which may be its own path.
    ///
    /// - Throws: `RDOError(.artefact)` when it cannot be written.
    package func write(_ calibration: ScorerCalibration, to out: String) throws {
        try SealedFile.amend(path, to: out, calibration.write)
    }

    /// - Parameter remedy: what to do where it is not.
    /// - Throws: `RDOError(.artefact)` when both files say what made them, and not the same.
    package func requireSameScorer(as first: CoefficientFile, remedy: String) throws {
        func require(_ name: String, _ a: String?, _ b: String?) throws {
            guard let a, let b, a != b else { return }
            throw RDOError(
                .artefact, "its \(name) is \(b), that of \(first.path) is \(a)", at: path, remedy: remedy)
        }
        try require("scorer", first.scorer, scorer)
        try require("model_digest", first.provenance.modelDigest, provenance.modelDigest)
        try require("tokenizer_digest", first.provenance.tokenizerDigest, provenance.tokenizerDigest)
        try require("template", first.provenance.template, provenance.template)
    }
}
