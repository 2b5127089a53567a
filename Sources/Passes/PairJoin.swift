import Configuration
import Diagnostics
import Objectives
import Preferences
import Storage

/// Joins pairs with what earlier passes computed for them, by content key and never by row number.
struct PairJoin {
    let session: Session
    let data: PassData

    struct References {
        let values: [(chosen: Double, rejected: Double)]
        let modelDigest: String?
        let digest: String
    }

    struct Weights {
        let values: [(weight: Double, flipped: Bool)]
        let digest: String
    }

    /// Reference log-probabilities of every pair's two responses.
    /// - Throws: `RDOError.artefact` when the file is missing, of another tokenizer or lacks responses.
    func references(for part: DataSet, path: String) throws -> References {
        try session.world.collectively {
            let file = try ReferenceFile.read(path)
            try requireTokenizer(file.provenance, path: path)
            let entries = try file.entries(for: part.examples.flatMap(\.responseKeys))
            return References(
                values: stride(from: 0, to: entries.count, by: 2).map {
                    (entries[$0].logprob, entries[$0 + 1].logprob)
                },
                modelDigest: file.provenance.modelDigest, digest: Self.digest(entries.map(\.logprob)))
        }
    }

    /// Weights of every pair's loss from its stored reward difference.
    /// - Throws: `RDOError.artefact` when the file is missing, of another tokenizer or lacks pairs.
    func weights(for part: DataSet, _ settings: CoefficientSettings) throws -> Weights {
        let path = settings.file ?? session.coefficientPath
        return try session.world.collectively {
            let file = try CoefficientFile.read(path)
            try requireTokenizer(file.provenance, path: path)
            let entries = try file.entries(for: part.examples.map(\.pairKey))
            let rule = CoefficientRule(
                alpha: settings.alpha, symmetric: settings.symmetric, disagreement: settings.disagreement)
            let values = entries.map { entry in
                rule.weight(RewardDifference(entry))
            }
            session.log.info(
                "coefficients: \(values.count) pairs, mean weight "
                    + "\(values.reduce(0) { $0 + $1.weight } / Double(max(values.count, 1))), "
                    + "\(values.count { $0.weight == 0 }) of weight 0 (\(path))")
            return Weights(
                values: values, digest: Self.digest(values.flatMap { [$0.weight, $0.flipped ? 1 : 0] }))
        }
    }

    /// A file that names its tokenizer must name ours; one made by another program may say nothing.
    private func requireTokenizer(_ provenance: Provenance, path: String) throws {
        guard let digest = provenance.tokenizerDigest, digest != data.conventions.tokenizer.digest else { return }
        throw RDOError(
            .artefact, "the file was made with another tokenizer", at: path,
            remedy: "run the pass that makes it again with this configuration")
    }

    private static func digest(_ values: [Double]) -> String {
        let stream = DigestStream()
        stream.update(values)
        return stream.digest.hex
    }
}

extension TokenizedExample {
    /// Key of each response in a reference file.
    var responseKeys: [ContentKey] { responses.map { ContentKey.response(query: prompt, response: $0) } }
    /// Key of the pair (chosen, rejected) in a coefficient file.
    var pairKey: ContentKey { ContentKey.pair(query: prompt, first: responses[0], second: responses[1]) }
}

extension RewardDifference {
    init(_ entry: CoefficientFile.Entry) {
        self.init(difference: Double(entry.difference), reversed: entry.reversed.map(Double.init))
    }
}
