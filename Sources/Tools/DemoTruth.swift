import Foundation

/// How much better one response of the demo's data is than another: a function of the texts alone.
///
/// A response's quality is the sum of its words' values, and 2 more when it names the subject asked for. Where both
/// responses make a claim, one outdoes the other as in stone, paper, scissors: that part of the difference is no
/// difference of two scores.
package enum DemoTruth {
    static let subjects = ["tea", "inn", "film", "soup", "song", "book", "park", "boat"]
    static let adjectives: [(value: Int, words: [String])] = [
        (3, ["superb", "lovely"]), (2, ["fresh", "good"]), (1, ["neat", "fine"]),
        (-1, ["bland", "slow"]), (-2, ["weak", "poor"]), (-3, ["nasty", "awful"]),
    ]
    /// Each claim outdoes the next, and the last one the first, whatever they are worth.
    static let claims: [(value: Int, words: [String])] = [
        (1, ["grand", "vast", "huge"]), (0, ["quick", "brisk", "rapid"]), (-1, ["cheap", "frugal", "modest"]),
    ]
    private static let subjectValue = 2
    /// More than claims and subjects can differ by otherwise, so that the circle decides.
    private static let outdoingValue = 5

    /// How much better `first` answers `prompt` than `second` does; below 0 where it is worse.
    package static func difference(of first: String, over second: String, to prompt: String) -> Double {
        let asked = words(of: prompt)
        let (a, b) = (words(of: first), words(of: second))
        return Double(quality(of: a, to: asked) - quality(of: b, to: asked) + outdoingValue * outdoing(of: a, over: b))
    }

    private static func words(of text: String) -> [String] { text.split { !$0.isLetter }.map(String.init) }

    private static func quality(of words: [String], to asked: [String]) -> Int {
        let subject = subjects.first(where: asked.contains)
        return words.reduce(subject.map(words.contains) == true ? subjectValue : 0) { sum, word in
            sum + ((adjectives + claims).first { $0.words.contains(word) }?.value ?? 0)
        }
    }

    /// 1 where the first claim outdoes the second, −1 where the second outdoes the first.
    private static func outdoing(of first: [String], over second: [String]) -> Int {
        guard let a = claim(of: first), let b = claim(of: second) else { return 0 }
        return switch (b - a + claims.count) % claims.count {
        case 0: 0
        case 1: 1
        default: -1
        }
    }

    private static func claim(of words: [String]) -> Int? {
        claims.firstIndex { $0.words.contains(where: words.contains) }
    }
}

/// The best that scores of single responses can do where the truth compares two of them.
///
/// Over all pairs of different kinds of response, each as often as any other. A score that tells responses of one kind
/// apart does no better: every choice of one response of each kind is an order of the kinds.
package struct PointwiseCeiling: Sendable, Equatable {
    /// Greatest share of the pairs that one order of the responses gets right.
    package let accuracy: Double

    /// - Parameters:
    ///   - count: of the kinds; all their subsets are gone through, so few.
    ///   - isBetter: one kind than another, or the other way round.
    init(kinds count: Int, isBetter: (Int, Int) -> Bool) {
        // The most pairs that an order of these kinds, as bits, gets right: the last of it is any of them.
        var best = [Int](repeating: 0, count: 1 << count)
        for subset in best.indices.dropFirst() {
            let members = (0..<count).filter { subset >> $0 & 1 == 1 }
            best[subset] =
                members.map { last in best[subset ^ (1 << last)] + members.count { isBetter($0, last) } }.max() ?? 0
        }
        accuracy = Double(best[best.count - 1]) / Double(count * (count - 1) / 2)
    }

    /// That of the comparative corpus, whose kinds are a claim and whether the subject is the one asked for.
    package static let comparative: PointwiseCeiling = {
        let texts = DemoTruth.claims.flatMap { claim in
            DemoTruth.subjects.prefix(2).map { " \(claim.words[0]) \($0)." }
        }
        return PointwiseCeiling(kinds: texts.count) {
            DemoTruth.difference(of: texts[$0], over: texts[$1], to: "review \(DemoTruth.subjects[0]):") > 0
        }
    }()
}
