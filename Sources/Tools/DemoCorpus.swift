import Diagnostics
import Foundation
import Settings
import Tensors

/// The demo's own preference data: short reviews whose true difference is read off their words (`DemoTruth`).
///
/// A prompt names a subject ("review tea:"), a response reviews some subject (" fresh, bland tea.", " quick boat.").
/// Training labels err as `DemoLabels` says; held-out labels are true.
package struct DemoCorpus: Sendable {
    package enum Kind: String, SettingChoice, Sendable {
        /// Quality is a sum over a response's own words; the label is drawn from Bradley and Terry's model of it.
        case bradleyTerry = "bradley-terry"
        /// The same quality; a share of the labels is turned round, whatever the difference.
        case flips
        /// What a response claims counts by what the other one claims; labels as of `bradleyTerry`.
        case comparative
    }

    package struct Pair: Sendable, Equatable {
        package let prompt: String
        /// As labelled.
        package let chosen: String
        package let rejected: String
        /// How much better the chosen response is; below 0 where the label is wrong.
        package let trueDifference: Double

        /// Equal for the same comparison in either order.
        fileprivate var comparison: Set<String> { [prompt, chosen, rejected] }
    }

    package let labels: DemoLabels
    package let train: [Pair]
    /// None of them is among the training pairs, in either order.
    package let test: [Pair]
    /// For supervised fine-tuning: responses of every quality, none preferred.
    package let supervised: [Pair]

    package init(_ labels: DemoLabels, seed: UInt64, trainPairs: Int, testPairs: Int) {
        self.labels = labels
        var source = Source(random: KeyedRandom(seed: seed, stream: 0xDE30))
        func pairs(_ count: Int, probability: (Double) -> Double, without others: Set<Set<String>> = []) -> [Pair] {
            var pairs: [Pair] = []
            while pairs.count < count {
                let pair = Self.pair(labels.kind, &source, probability)
                if !others.contains(pair.comparison) { pairs.append(pair) }
            }
            return pairs
        }
        // Held-out pairs first: those of rare kinds would be rarer still without the ones that are trained on.
        test = pairs(testPairs) { $0 > 0 ? 1 : 0 }
        train = pairs(trainPairs, probability: labels.probability, without: Set(test.map(\.comparison)))
        supervised = pairs((trainPairs + 1) / 2) { _ in 0.5 }
    }

    /// - Parameter probability: that a response is chosen over another, by its true difference.
    private static func pair(_ kind: Kind, _ source: inout Source, _ probability: (Double) -> Double) -> Pair {
        let subject = source.element(of: DemoTruth.subjects)
        let prompt = "review \(subject):"
        while true {
            let (a, b) = (response(kind, &source, about: subject), response(kind, &source, about: subject))
            let difference = DemoTruth.difference(of: a, over: b, to: prompt)
            if difference == 0 { continue }
            return source.uniform() < probability(difference)
                ? Pair(prompt: prompt, chosen: a, rejected: b, trueDifference: difference)
                : Pair(prompt: prompt, chosen: b, rejected: a, trueDifference: -difference)
        }
    }

    private static func response(_ kind: Kind, _ source: inout Source, about subject: String) -> String {
        switch kind {
        case .comparative:
            // Each of the six kinds of response as often as any other: what `PointwiseCeiling` takes for granted.
            let others = DemoTruth.subjects.filter { $0 != subject }
            let named = source.uniform() < 0.5 ? subject : source.element(of: others)
            return " \(source.element(of: source.element(of: DemoTruth.claims).words)) \(named)."
        case .bradleyTerry, .flips:
            let named = source.uniform() < 0.75 ? subject : source.element(of: DemoTruth.subjects)
            let words = DemoTruth.adjectives.flatMap(\.words)
            let first = source.element(of: words)
            return " \(first), \(source.element(of: words.filter { $0 != first })) \(named)."
        }
    }

    /// Writes train.jsonl, test.jsonl and sft.jsonl, rows `{prompt, chosen, rejected, true_difference}`.
    ///
    /// - Throws: `RDOError.artefact` when a file of another making stands there, `.usage` when one cannot be written.
    package func write(to directory: String) throws {
        for (name, pairs) in [("train", train), ("test", test), ("sft", supervised)] {
            let rows = pairs.map { pair in
                "{\"prompt\": \"\(pair.prompt)\", \"chosen\": \"\(pair.chosen)\", \"rejected\": \"\(pair.rejected)\", "
                    + "\"\(Self.mark)\": \(pair.trueDifference)}\n"
            }
            try DemoFile(directory + "/\(name).jsonl") { $0.contains("\"\(Self.mark)\": ") }.write(rows.joined())
        }
    }

    /// What no other data set has.
    private static let mark = "true_difference"

    /// A stream of draws: the stateless generator and a counter.
    private struct Source {
        let random: KeyedRandom
        var counter: UInt64 = 0

        mutating func uniform() -> Double {
            counter += 1
            return random.uniform(at: counter)
        }

        mutating func element<Element>(of list: [Element]) -> Element { list[Int(uniform() * Double(list.count))] }
    }
}

/// How the labels of a corpus err.
package struct DemoLabels: Sendable, Equatable {
    package let kind: DemoCorpus.Kind
    /// Share of the labels of `flips` that are turned round.
    package var flipShare = Self.standardFlipShare

    package init(_ kind: DemoCorpus.Kind) { self.kind = kind }

    /// Bradley-Terry labels choose a response over another with probability σ(difference / temperature).
    package static let temperature = 2.0
    package static let standardFlipShare = 0.2

    /// Probability that a training label chooses a response that is better by `difference`, or worse by −`difference`.
    package func probability(_ difference: Double) -> Double {
        switch kind {
        case .bradleyTerry, .comparative: 1 / (1 + exp(-difference / Self.temperature))
        case .flips: difference > 0 ? 1 - flipShare : flipShare
        }
    }
}
