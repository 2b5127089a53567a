import Foundation
import TestSupport
import Testing

@testable import Objectives

/// The derivative of `f` at 0 by a central difference; the error is about `step²`.
func slope(_ f: (Double) -> Double, step: Double = 1e-5) -> Double { (f(step) - f(-step)) / (2 * step) }

func isClose(_ a: Double, _ b: Double, relative: Double = 1e-13, absolute: Double = 1e-13) -> Bool {
    abs(a - b) <= absolute + relative * max(abs(a), abs(b))
}

/// Golden values were computed with 40 digits (mpmath) from the formulas as the cited papers print them.
@Suite("Pairwise losses") struct PairwiseTests {
    /// h = 2.625, h of means = 0.440625.
    static let pair = PairLogProbabilities(
        policyChosen: -12.5, policyRejected: -17.25, referenceChosen: -14, referenceRejected: -16.125, chosenTokens: 5,
        rejectedTokens: 8)

    /// A pair whose summed margin is `h`.
    static func pair(margin h: Double) -> PairLogProbabilities {
        PairLogProbabilities(
            policyChosen: h, policyRejected: 0, referenceChosen: 0, referenceRejected: 0, chosenTokens: 1,
            rejectedTokens: 1)
    }

    struct Golden: Sendable {
        var variant: String
        var beta = 0.3
        var parameters: [LossParameter: Double] = [:]
        /// Of a loss that reads it.
        var difference: Double?
        var loss: Double
        var chosen: Double
        var rejected: Double
    }

    static let golden = [
        Golden(variant: "dpo", loss: 0.37499272302334883, chosen: -0.09381171594083877, rejected: 0.09381171594083877),
        Golden(
            variant: "dpo", parameters: [.labelSmoothing: 0.1], loss: 0.45374272302334883, chosen: -0.06381171594083877,
            rejected: 0.06381171594083877),
        Golden(variant: "ipo", loss: 0.9184027777777778, chosen: 1.9166666666666667, rejected: -1.9166666666666667),
        Golden(
            variant: "ipo_mean", loss: 1.5031781684027778, chosen: -0.49041666666666667, rejected: 0.30651041666666667),
        Golden(variant: "hinge", loss: 0.2125, chosen: -0.3, rejected: 0.3),
        Golden(
            variant: "simpo", beta: 2.5, parameters: [.simpoGamma: 0.75], loss: 1.7917070424745012,
            chosen: -0.41666229765601166,
            rejected: 0.26041393603500729),
        Golden(
            variant: "robust", parameters: [.labelSmoothing: 0.1], loss: 0.27655522302334883,
            chosen: -0.13131171594083877,
            rejected: 0.13131171594083877),
        // TRL 1.16.0 with torch 2.15.0 in double precision; for orpo its odds ratio term and the chosen response's own
        // mean token loss (TRL's counts the prompt too).
        Golden(
            variant: "orpo", loss: 2.7705272675037333, chosen: -0.23883655556467956, rejected: 0.02519719797219477),
        Golden(
            variant: "orpo", beta: 0.1, loss: 2.590175755834578, chosen: -0.21294551852155985,
            rejected: 0.008399065990731591),
        Golden(
            variant: "apo_zero", loss: 0.8057776505335027, chosen: -0.07132768797333879, rejected: 0.07290415884012774),
        Golden(
            variant: "apo_down", loss: 0.9233449537520179, chosen: 0.00685143219171544, rejected: 0.06447625578162335),
        // h = 2.625 and R as given; mpmath, 40 digits.
        Golden(
            variant: "odpo", parameters: [.offsetScale: 0.8], difference: 1.75, loss: 0.537608213486087071,
            chosen: -0.124756881011397144, rejected: 0.124756881011397144),
        Golden(
            variant: "odpo_linear", parameters: [.offsetScale: 0.4], difference: 1.75, loss: 0.650353906662748701,
            chosen: -0.143441683808519546, rejected: 0.143441683808519546),
        // R of 0 asks for nothing, and no R for no offset: plain DPO.
        Golden(variant: "odpo", difference: 0, loss: 0, chosen: 0, rejected: 0),
        Golden(
            variant: "odpo", loss: 0.37499272302334883, chosen: -0.09381171594083877, rejected: 0.09381171594083877),
        Golden(
            variant: "soft", parameters: [.temperature: 2], difference: 1.75, loss: 0.606687013601702491,
            chosen: -0.00554722429194213918, rejected: 0.00554722429194213918),
        Golden(
            variant: "soft", parameters: [.temperature: 2], difference: -1.75, loss: 0.930798432444995172,
            chosen: 0.117923792410264596, rejected: -0.117923792410264596),
        Golden(
            variant: "distill", parameters: [.rewardScale: 0.7], difference: 1.75, loss: 0.19140625, chosen: -0.2625,
            rejected: 0.2625),
        Golden(
            variant: "rpo_bwd", parameters: [.rewardScale: 0.7], difference: 1.75, loss: 0.018104031554697583,
            chosen: -0.0256943937598603275, rejected: 0.0256943937598603275),
        Golden(
            variant: "rpo_fwd", parameters: [.rewardScale: 0.7], difference: 1.75, loss: 0.019366959345098728,
            chosen: -0.0282083619044602203, rejected: 0.0282083619044602203),
    ]

    @Test(arguments: golden) func agreesWithThePublishedFormulas(_ golden: Golden) throws {
        let objective = try Self.objective(golden.variant, golden.beta, golden.parameters)
        let result = objective.evaluate(Self.pair, difference: golden.difference)
        #expect(isClose(result.loss, golden.loss))
        #expect(isClose(result.gradientChosen, golden.chosen))
        #expect(isClose(result.gradientRejected, golden.rejected))
        #expect(result.margin == 2.625)
    }

    /// Accuracy compares these: each variant judges a response by what its loss is made of.
    @Test(arguments: [
        ("dpo", 1.5, -1.125), ("ipo", 1.5, -1.125), ("hinge", 1.5, -1.125), ("robust", 1.5, -1.125),
        // Log-ratios over 5 and 8 tokens; the policy's log-probabilities over as many.
        ("ipo_mean", 0.3, -0.140625), ("simpo", -2.5, -2.15625), ("orpo", -2.5, -2.15625),
        ("apo_zero", 1.5, -1.125), ("apo_down", 1.5, -1.125),
    ]) func rewardsAreTheVariantsOwn(_ variant: String, _ chosen: Double, _ rejected: Double) throws {
        let result = try Self.objective(variant, 0.3).evaluate(Self.pair)
        #expect(isClose(result.rewardChosen, 0.3 * chosen))
        #expect(isClose(result.rewardRejected, 0.3 * rejected))
    }

    @Test(arguments: PairwiseLoss.allCases) func gradientsAreTheSlopes(_ variant: PairwiseLoss) {
        var random = SeededGenerator(seed: 22)
        var checked = 0
        while checked < 500 {
            let objective = PairwiseObjective(
                variant, beta: .random(in: 0.02...2, using: &random), Self.parameters(of: variant, &random))
            let pair = PairLogProbabilities(
                // Not near 0: there the odds of ORPO are too steep for finite differences.
                policyChosen: .random(in: -30 ... -1, using: &random),
                policyRejected: .random(in: -30 ... -1, using: &random),
                referenceChosen: .random(in: -30...0, using: &random),
                referenceRejected: .random(in: -30...0, using: &random),
                chosenTokens: .random(in: 1...40, using: &random),
                rejectedTokens: .random(in: 1...40, using: &random))
            let r = Self.difference(for: variant, &random)
            let result = objective.evaluate(pair, difference: r)
            // The hinge has a corner.
            if variant.name == "hinge", abs(1 - objective.beta * result.margin) < 1e-3 { continue }
            checked += 1
            let chosen = slope { step in
                var moved = pair
                moved.policyChosen += step
                return objective.evaluate(moved, difference: r).loss
            }
            let rejected = slope { step in
                var moved = pair
                moved.policyRejected += step
                return objective.evaluate(moved, difference: r).loss
            }
            #expect(isClose(result.gradientChosen, chosen, relative: 1e-6, absolute: 1e-7), "\(objective) \(pair)")
            #expect(isClose(result.gradientRejected, rejected, relative: 1e-6, absolute: 1e-7), "\(objective) \(pair)")
        }
    }

    /// The published formulas once more, as plainly as they can be written: no care for overflow or cancellation.
    static func plain(
        _ o: PairwiseObjective, _ given: [LossParameter: Double], _ pair: PairLogProbabilities, _ r: Double
    ) -> Double {
        func sigma(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
        let (w, l) = (pair.policyChosen - pair.referenceChosen, pair.policyRejected - pair.referenceRejected)
        let (nw, nl) = (Double(pair.chosenTokens), Double(pair.rejectedTokens))
        let (pw, pl) = (exp(pair.policyChosen / nw), exp(pair.policyRejected / nl))
        let (epsilon, gamma, beta) = (given[.labelSmoothing] ?? 0, given[.simpoGamma] ?? 1, o.beta)
        let eta = given[.rewardScale] ?? 1
        // Of log-odds: 1 - σ(x) as σ(-x) is plain enough.
        func mixed(_ a: Double, _ b: Double) -> Double { -sigma(a) * log(sigma(b)) - sigma(-a) * log(sigma(-b)) }
        func divergence(_ a: Double, _ b: Double) -> Double {
            sigma(a) * log(sigma(a) / sigma(b)) + sigma(-a) * log(sigma(-a) / sigma(-b))
        }
        return switch o.variant.name {
        case "dpo": -(1 - epsilon) * log(sigma(beta * (w - l))) - epsilon * log(sigma(beta * (l - w)))
        case "ipo": pow(w - l - 1 / (2 * beta), 2)
        case "ipo_mean": pow(w / nw - l / nl - 1 / (2 * beta), 2)
        case "hinge": max(0, 1 - beta * (w - l))
        case "simpo": -log(sigma(beta / nw * pair.policyChosen - beta / nl * pair.policyRejected - gamma))
        case "robust":
            (epsilon * log(sigma(beta * (l - w))) - (1 - epsilon) * log(sigma(beta * (w - l)))) / (1 - 2 * epsilon)
        case "orpo": -log(pw) - beta * log(sigma(log(pw / (1 - pw) / (pl / (1 - pl)))))
        case "apo_zero": 1 - sigma(beta * w) + sigma(beta * l)
        case "apo_down": sigma(beta * w) + 1 - sigma(beta * (w - l))
        case "odpo": -log(sigma(beta * (w - l) - (given[.offsetScale] ?? 1) * log(r)))
        case "odpo_linear": -log(sigma(beta * (w - l) - (given[.offsetScale] ?? 1) * r))
        case "soft": mixed(r / (given[.temperature] ?? 1), beta * (w - l))
        case "distill": pow(beta * (w - l) - eta * r, 2)
        case "rpo_bwd": divergence(eta * r, beta * (w - l))
        case "rpo_fwd": divergence(beta * (w - l), eta * r)
        default: .nan
        }
    }

    private static func objective(
        _ name: String, _ beta: Double, _ parameters: [LossParameter: Double] = [:]
    ) throws -> PairwiseObjective {
        PairwiseObjective(try #require(PairwiseLoss(rawValue: name)), beta: beta, parameters)
    }

    private static func difference(for loss: PairwiseLoss, _ random: inout SeededGenerator) -> Double {
        .random(in: loss.reading == .positive ? 0.01...5 : -5...5, using: &random)
    }

    /// Random values of a loss's own parameters.
    private static func parameters(of loss: PairwiseLoss, _ random: inout SeededGenerator) -> [LossParameter: Double] {
        let range = [LossParameter.labelSmoothing: 0...0.44]
        return loss.parameters.reduce(into: [:]) {
            $0[$1] = .random(in: range[$1, default: 0.1...2], using: &random)
        }
    }

    @Test(arguments: PairwiseLoss.allCases) func agreesWithPlainFormulas(_ variant: PairwiseLoss) {
        var random = SeededGenerator(seed: 23)
        for _ in 0..<1000 {
            let parameters = Self.parameters(of: variant, &random)
            let objective = PairwiseObjective(variant, beta: .random(in: 0.02...1, using: &random), parameters)
            let pair = PairLogProbabilities(
                policyChosen: .random(in: -30 ... -0.1, using: &random),
                policyRejected: .random(in: -30 ... -0.1, using: &random),
                referenceChosen: .random(in: -30...0, using: &random),
                referenceRejected: .random(in: -30...0, using: &random),
                chosenTokens: .random(in: 1...40, using: &random), rejectedTokens: .random(in: 1...40, using: &random))
            let r = Self.difference(for: variant, &random)
            let loss = objective.evaluate(pair, difference: r).loss
            let plain = Self.plain(objective, parameters, pair, r)
            #expect(isClose(loss, plain, relative: 1e-9, absolute: 1e-12), "\(objective) \(pair)")
        }
    }

    /// ORPO's odds have no value at probability 1, which rounding can reach or pass.
    @Test(arguments: [0, -1e-300, -1e-9, 1e-8]) func certaintyIsFinite(_ p: Double) throws {
        var pair = Self.pair
        pair.policyChosen = p
        pair.policyRejected = p
        let result = try Self.objective("orpo", 0.1).evaluate(pair)
        #expect(result.loss.isFinite && result.gradientChosen.isFinite && result.gradientRejected.isFinite)
        #expect(isClose(result.loss, 0.1 * log(2) - p / 5, relative: 1e-6))
    }

    @Test(arguments: PairwiseLoss.allCases, [-1e4, 1e4]) func extremesAreFinite(
        _ variant: PairwiseLoss, _ h: Double
    ) {
        for beta in [0.01, 0.1, 1, 10] {
            let given = variant.takes(.labelSmoothing) ? [LossParameter.labelSmoothing: 0.2] : [:]
            let objective = PairwiseObjective(variant, beta: beta, given)
            let result = objective.evaluate(Self.pair(margin: h), difference: variant.reading == .nothing ? nil : 40)
            #expect(result.loss.isFinite && result.gradientChosen.isFinite && result.gradientRejected.isFinite)
            #expect(result.margin == h)
        }
    }

    @Test func limitsAreExact() throws {
        let dpo = try Self.objective("dpo", 0.1)
        let won = dpo.evaluate(Self.pair(margin: 1e4))
        #expect(won.loss == 0)
        #expect(won.gradientChosen == 0)
        let lost = dpo.evaluate(Self.pair(margin: -1e4))
        #expect(lost.loss == 1000)
        #expect(lost.gradientChosen == -0.1)
        #expect(lost.gradientRejected == 0.1)

        // Far out, label smoothing leaves ε of the slope.
        let smoothed = try Self.objective("dpo", 0.1, [.labelSmoothing: 0.25]).evaluate(
            Self.pair(margin: 1e4))
        #expect(smoothed.loss == 250)
        #expect(isClose(smoothed.gradientChosen, 0.025))

        let hinge = try Self.objective("hinge", 0.1)
        #expect(hinge.evaluate(Self.pair(margin: 1e4)).loss == 0)
        #expect(hinge.evaluate(Self.pair(margin: 1e4)).gradientChosen == 0)
        #expect(hinge.evaluate(Self.pair(margin: -1e4)).loss == 1001)

        let ipo = try Self.objective("ipo", 0.5)
        #expect(ipo.evaluate(Self.pair(margin: 1)).loss == 0)
        #expect(ipo.evaluate(Self.pair(margin: 1e4)).loss == 9999.0 * 9999.0)
    }

    /// At the start of training policy and reference are equal: h is exactly 0.
    @Test func startsAtLogTwo() throws {
        let start = try Self.objective("dpo", 0.1).evaluate(Self.pair(margin: 0))
        #expect(isClose(start.loss, 0.6931471805599453, relative: 1e-16, absolute: 1e-16))
        #expect(start.gradientChosen == -0.05)
        #expect(start.gradientRejected == 0.05)
    }

    @Test func smoothingOfZeroIsPlainDPO() throws {
        for h in stride(from: -40.0, through: 40, by: 0.37) {
            let dpo = try Self.objective("dpo", 0.3).evaluate(Self.pair(margin: h))
            let robust = try Self.objective("robust", 0.3, [.labelSmoothing: 0]).evaluate(
                Self.pair(margin: h))
            #expect(isClose(dpo.loss, robust.loss))
            #expect(isClose(dpo.gradientChosen, robust.gradientChosen))
        }
    }

    /// Robust DPO is an unbiased estimate: with labels turned at rate ε its mean is the loss of clean labels.
    @Test func robustIsUnbiased() throws {
        for h in stride(from: -20.0, through: 20, by: 1.3) {
            let robust = try Self.objective("robust", 0.3, [.labelSmoothing: 0.2])
            let mean =
                0.8 * robust.evaluate(Self.pair(margin: h)).loss + 0.2 * robust.evaluate(Self.pair(margin: -h)).loss
            let clean = try Self.objective("dpo", 0.3).evaluate(Self.pair(margin: h)).loss
            #expect(isClose(mean, clean, absolute: 1e-12))
        }
    }
}
