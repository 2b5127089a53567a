import Foundation
import Inspection

extension Judgement {
    /// The tables for people.
    package var text: String {
        var lines = [
            "A: \(coverage.a)", "B: \(coverage.b)", "\(coverage.used) prompts of \(coverage.paired) in both files",
        ]
        lines += table(
            ["", "prompts", "A wins", "ties", "B wins"],
            (judges.map { ($0.name, $0.verdicts) } + [(Self.majorityName, majority)]).map { name, shares in
                guard let shares else { return [name, "0", "-", "-", "-"] }
                return [name, String(shares.win.count)] + [shares.win, shares.tie, shares.lose].map(Self.percent)
            }, isText: [true, false, false, false, false])
        lines += ["", "how far each can be believed, and what is missing"]
        let reasons = Missing.allCases.filter { reason in judges.contains { $0.missing[reason.rawValue] != nil } }
        lines += table(
            ["", "first place wins", "longer wins"] + (hasBothOrders ? ["contradictions"] : [])
                + reasons.map { $0.rawValue.replacing("_", with: " ") },
            judges.map { judge in
                [judge.name, judge.firstWins.map(Self.percent) ?? "-", judge.longerWins.map(Self.percent) ?? "-"]
                    + (hasBothOrders ? [judge.contradictions.map(String.init) ?? "-"] : [])
                    + reasons.map { String(judge.missing[$0.rawValue] ?? 0) }
            }, isText: nil)
        if judges.contains(where: { $0.spending != nil }) { lines += [""] + spendingLines }
        lines += ["", agreementLine] + warnings.map { "warning: " + $0 }
        return lines.joined(separator: "\n") + "\n"
    }

    private var hasBothOrders: Bool { judges.contains { $0.contradictions != nil } }

    private static func percent(_ share: Share) -> String {
        String(format: "%.1f %% (%.1f to %.1f)", 100 * share.share, 100 * share.low, 100 * share.high)
    }

    private var spendingLines: [String] {
        table(
            ["", "answers", "malformed", "tokens read", "written", "cost", "requests now", "sent again"],
            judges.compactMap { judge in
                judge.spending.map { spent in
                    [
                        judge.name, String(spent.answers), String(spent.malformed),
                        String(spent.inputTokens), String(spent.outputTokens),
                        spent.cost.map { String(format: "%.4f", $0) } ?? "-", String(spent.requests),
                        spent.sentAgain.isEmpty
                            ? "0"
                            : spent.sentAgain.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }
                                .joined(separator: ", "),
                    ]
                }
            })
    }

    private var agreementLine: String {
        guard let agreement else { return "agreement: fewer than two judges have verdicts of the same prompts" }
        let over = "over \(agreement.items) prompts with verdicts of all \(agreement.raters)"
        guard let kappa = agreement.kappa else { return "agreement: all verdicts are the same \(over)" }
        return String(format: "agreement: Fleiss κ %.3f ", kappa) + over
    }

    /// What nobody should overlook, one line each.
    package var warnings: [String] {
        judges.flatMap { judge -> [String] in
            var lines: [String] = []
            if let first = judge.firstWins, judge.prefersAPlace {
                let place = first.share > 0.5 ? "first" : "second"
                let share = String(format: "%.0f %%", 100 * max(first.share, 1 - first.share))
                let readings =
                    "judge \(judge.name) prefers the response in the \(place) place in \(share) of \(first.count) answers"
                lines.append(
                    judge.isWorthless
                        ? readings + ": its verdicts are worthless, leave it out"
                        : readings + ": a bias of position, which the drawn order only evens out")
            }
            if let spent = judge.spending, spent.uncounted > 0 {
                lines.append(
                    "judge \(judge.name): the server did not count the tokens of \(spent.uncounted) answers, so they and the cost are too low"
                )
            }
            if let ended = judge.ended { lines.append("judge \(judge.name) was given up: \(ended)") }
            return lines
        }
    }
}
