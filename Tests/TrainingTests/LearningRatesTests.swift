import Foundation
import Settings
import Testing
import Transformer

@testable import Training

/// Rates worked out by hand from docs/configuration.md.
@Suite struct LearningRatesTests {
    private static func rates(_ change: (inout TrainingSettings) -> Void, head: Double? = nil) -> LearningRates {
        var settings = TrainingSettings()
        settings.learningRate = 8
        change(&settings)
        return LearningRates(settings, head: head, totalSteps: 10)
    }

    private static func close(_ a: [Double], _ b: [Double]) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) < 1e-12 }
    }

    @Test func warmUpThenLinearToZero() {
        let rates = Self.rates {
            $0.warmupSteps = 3
            $0.schedule = .linear
        }
        // (step + 1) / 4 of the peak, then 1 - (step - 3) / 7.
        let wanted = [0.25, 0.5, 0.75] + (0..<7).map { 1 - Double($0) / 7 }
        #expect(Self.close((0..<10).map { rates.rate(step: $0) }, wanted.map { 8 * $0 }))
    }

    @Test func cosineToAFloor() {
        let rates = Self.rates {
            $0.warmupSteps = 0
            $0.schedule = .cosine
            $0.minimumLearningRateRatio = 0.25
        }
        #expect(rates.rate(step: 0) == 8)
        // Half-way: the floor and half of what is above it.
        #expect(abs(rates.rate(step: 5) - 8 * (0.25 + 0.75 * 0.5)) < 1e-12)
        #expect(abs(rates.rate(step: 10) - 2) < 1e-12)
    }

    @Test func theShareOfWarmUpIsRoundedUp() {
        let rates = Self.rates {
            $0.warmupRatio = 0.11
            $0.schedule = .constant
        }
        #expect(Self.close((0..<4).map { rates.rate(step: $0) / 8 }, [1.0 / 3, 2.0 / 3, 1, 1]))
    }

    @Test func theScalarHeadHasItsOwnPeak() throws {
        let layout = ParameterLayout(try .small(), head: .scalar)
        let rates = Self.rates({ $0.warmupSteps = 1 }, head: 80)
        for spec in layout.specs {
            #expect(rates.rate(step: 0, of: spec) == (spec.name == "score.weight" ? 40 : 4))
        }
        let plain = Self.rates { $0.warmupSteps = 1 }
        #expect(layout.specs.allSatisfy { plain.rate(step: 0, of: $0) == 4 })
    }
}

extension ModelConfiguration {
    fileprivate static func small() throws -> ModelConfiguration {
        let text = """
            {"model_type": "llama", "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1,
             "num_attention_heads": 2, "vocab_size": 16, "eos_token_id": 1}
            """
        return try ModelConfiguration(json: Data(text.utf8), file: "small")
    }
}
