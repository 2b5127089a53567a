import Configuration
import Diagnostics
import Objectives
import Preferences
import Storage

/// Joins examples with what earlier passes computed for them, by content key and never by row number.
struct PairJoin {
    let session: Session
    let data: PassData

    struct References {
        /// Of each example's responses.
        let values: [[Double]]
        let modelDigest: String?
        let digest: String
    }

    struct Weights {
        let values: [(weight: Double, flipped: Bool)]
        let digest: String
    }

    /// Reference log-probabilities of every example's responses.
    /// - Throws: `RDOError.artefact` when the file is missing, of another tokenizer or lacks responses.
    func references(for examples: [TokenizedExample], path: String) throws -> References {
        try session.world.collectively {
            let file = try ReferenceFile.read(path)
            try requireTokenizer(data.conventions.tokenizer, made: file.provenance, path: path)
            let entries = try file.entries(for: examples.flatMap(\.responseKeys))
            var start = 0
            let values = examples.map { example in
                defer { start += example.responses.count }
                return entries[start..<(start + example.responses.count)].map(\.logprob)
            }
            return References(
                values: values, modelDigest: file.provenance.modelDigest, digest: Self.digest(entries.map(\.logprob)))
        }
    }

    /// Weights of every pair's loss from its stored reward differences and its own weight.
    /// - Throws: `RDOError.artefact` when a file is missing, of another tokenizer or lacks pairs; `.data` when a row lacks its
    ///   weight.
    func weights(for part: DataSet, _ settings: CoefficientSettings) throws -> Weights {
        try session.world.collectively {
            let sources = try sources(settings)
            let values = try sources.weights(of: part.examples)
            log(values.map(\.weight), sources)
            return Weights(
                values: values, digest: Self.digest(values.flatMap { [$0.weight, $0.flipped ? 1 : 0] }))
        }
    }

    func sources(_ settings: CoefficientSettings, needsFiles: Bool = false) throws -> CoefficientSources {
        try CoefficientSources(
            settings, defaultPath: session.coefficientPath, tokenizer: data.conventions.tokenizer,
            needsFiles: needsFiles)
    }

    func log(_ weights: [Double], _ sources: CoefficientSources) {
        session.log.info(
            "coefficients: \(weights.count) pairs, mean weight "
                + "\(weights.reduce(0, +) / Double(max(weights.count, 1))), "
                + "\(weights.count { $0 == 0 }) of weight 0 (\(sources.description))")
    }

    static func digest(_ values: [Double]) -> String {
        let stream = DigestStream()
        stream.update(values)
        return stream.digest.hex
    }
}

extension TokenizedExample {
    /// Key of each response in a reference file.
    var responseKeys: [ContentKey] { responses.map { ContentKey.response(query: prompt, response: $0) } }
}
