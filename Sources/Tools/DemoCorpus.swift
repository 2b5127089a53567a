import Diagnostics
import Foundation
import Tensors

/// The demo's own preference data: short reviews whose true quality is known because it is read off their words.
///
/// A prompt names a subject ("review the tea:"), a response reviews some subject with three adjectives ("the tea is
/// fresh, bland and lovely."). Its quality is the sum of the adjectives' values, and 2 more when it is about the subject
/// asked for. A share of the training labels is flipped at random, whatever the difference; held-out labels are true.
package struct DemoCorpus: Sendable {
    package struct Pair: Sendable, Equatable {
        package let prompt: String
        /// As labelled: the better response unless the label is flipped.
        package let chosen: String
        package let rejected: String
        package let isFlipped: Bool

        /// True quality of the response labelled chosen minus the other's; below 0 where the label is flipped.
        package var trueDifference: Double {
            DemoCorpus.quality(of: chosen, to: prompt) - DemoCorpus.quality(of: rejected, to: prompt)
        }
    }

    package let train: [Pair]
    package let test: [Pair]
    /// For supervised fine-tuning: responses of every quality, none preferred.
    package let supervised: [Pair]
    package let flipShare: Double

    private static let subjects = ["tea", "inn", "film", "soup", "song", "book", "park", "boat"]
    private static let values: [(word: String, value: Double)] = [
        ("superb", 3), ("lovely", 2.5), ("fresh", 2), ("good", 1.5), ("neat", 1), ("fine", 0.5),
        ("bland", -0.5), ("slow", -1), ("weak", -1.5), ("poor", -2), ("nasty", -2.5), ("awful", -3),
    ]
    private static let subjectValue = 2.0

    /// - Parameter flipShare: probability that a training label is flipped.
    package init(seed: UInt64, trainPairs: Int, testPairs: Int, flipShare: Double) {
        self.flipShare = flipShare
        var source = Source(random: KeyedRandom(seed: seed, stream: 0xDE30))
        train = (0..<trainPairs).map { _ in Self.pair(&source, flipShare: flipShare) }
        test = (0..<testPairs).map { _ in Self.pair(&source, flipShare: 0) }
        supervised = (0..<(trainPairs / 2)).map { _ in Self.pair(&source, flipShare: 0.5) }
    }

    /// True quality of a response, from its words alone.
    package static func quality(of response: String, to prompt: String) -> Double {
        let words = response.split { !$0.isLetter }.map(String.init)
        let asked = subjects.first { prompt.split { !$0.isLetter }.map(String.init).contains($0) }
        let adjectives = words.reduce(0.0) { sum, word in sum + (values.first { $0.word == word }?.value ?? 0) }
        return adjectives + (asked.map(words.contains) == true ? subjectValue : 0)
    }

    private static func pair(_ source: inout Source, flipShare: Double) -> Pair {
        let subject = subjects[source.below(subjects.count)]
        let prompt = "review the \(subject):"
        while true {
            let (a, b) = (response(&source, about: subject), response(&source, about: subject))
            let difference = quality(of: a, to: prompt) - quality(of: b, to: prompt)
            if difference == 0 { continue }
            let (better, worse) = difference > 0 ? (a, b) : (b, a)
            let isFlipped = source.uniform() < flipShare
            return Pair(
                prompt: prompt, chosen: isFlipped ? worse : better, rejected: isFlipped ? better : worse,
                isFlipped: isFlipped)
        }
    }

    private static func response(_ source: inout Source, about subject: String) -> String {
        let named = source.uniform() < 0.75 ? subject : subjects[source.below(subjects.count)]
        var words: [String] = []
        while words.count < 3 {
            let word = values[source.below(values.count)].word
            if !words.contains(word) { words.append(word) }
        }
        return " the \(named) is \(words[0]), \(words[1]) and \(words[2])."
    }

    /// Writes train.jsonl, test.jsonl and sft.jsonl, rows `{prompt, chosen, rejected, quality_chosen, quality_rejected,
    /// flipped}`.
    /// - Throws: `RDOError.usage` when the directory cannot be written.
    package func write(to directory: String) throws {
        for (name, pairs) in [("train", train), ("test", test), ("sft", supervised)] {
            let rows = pairs.map { pair in
                "{\"prompt\": \"\(pair.prompt)\", \"chosen\": \"\(pair.chosen)\", \"rejected\": \"\(pair.rejected)\", "
                    + "\"quality_chosen\": \(Self.quality(of: pair.chosen, to: pair.prompt)), "
                    + "\"quality_rejected\": \(Self.quality(of: pair.rejected, to: pair.prompt)), "
                    + "\"flipped\": \(pair.isFlipped)}\n"
            }
            let path = directory + "/\(name).jsonl"
            do {
                try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
                try Data(rows.joined().utf8).write(to: URL(fileURLWithPath: path))
            } catch {
                throw RDOError(.usage, "cannot write (\(error.localizedDescription))", at: path)
            }
        }
    }

    /// A stream of draws: the stateless generator and a counter.
    private struct Source {
        let random: KeyedRandom
        var counter: UInt64 = 0

        mutating func uniform() -> Double {
            counter += 1
            return random.uniform(at: counter)
        }

        mutating func below(_ bound: Int) -> Int { Int(uniform() * Double(bound)) }
    }
}
