import Diagnostics
import Generation
import Settings

/// How `generate` makes responses.
package struct GenerateSettings: ConfigurationSection {
    package var model: String?
    package var adapter: String?
    package var prompts: [String]?
    package var limit: Int?
    package var file: String?
    package var addGiven = false
    package var strategy = Decoding.Strategy.greedy
    package var responses = 1
    package var maxNewTokens = 128
    package var stop: [String] = []
    package var repetitionPenalty = 1.0
    package var temperature = 1.0
    package var topK: Int?
    package var topP = 1.0
    package var minP = 0.0
    package var beams: Int?
    package var beamGroups: Int?
    package var diversityPenalty: Double?
    package var lengthPenalty = 1.0
    package var chunk = 32
    package var batch = 128

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .value(
                \.model, "model",
                "Directory of the model that answers; by default the one that the policy's training starts from."),
            .value(\.adapter, "adapter", "PEFT directory with LoRA adapters to put on that model."),
            .value(
                \.prompts, "prompts",
                "Files with the queries: rows of any data format, or of a prompt alone; data.train by default."),
            .value(\.limit, "limit", .atLeast(1), "Answer only the first so many queries."),
            .value(\.file, "file", "The file of responses (JSONL); generated.jsonl in output by default."),
            .value(
                \.addGiven, "add_given",
                "Make lists to train on: the rows' own responses come along, empty and repeated ones are left out."),
            .value(
                \.strategy, "strategy",
                "The likeliest token, a drawn one, or the likeliest sequences of a beam search, in groups that avoid each "
                    + "other's tokens where `diverse_beam`."),
            .value(\.responses, "responses", .within(1, 1024), "Responses to each query."),
            .value(\.maxNewTokens, "max_new_tokens", .atLeast(1), "Longest response, its end token included."),
            .value(\.stop, "stop", "Texts that end a response, which then does not hold them."),
            .value(
                \.repetitionPenalty, "repetition_penalty", .above(0),
                "Logits of tokens that came before are divided by it where positive, multiplied otherwise."),
            .value(\.temperature, "temperature", .above(0), "Of `sample`: logits are divided by it."),
            .value(\.topK, "top_k", .atLeast(1), "Of `sample`: draw among so many of the likeliest tokens."),
            .value(
                \.topP, "top_p", .within(0, 1),
                "Of `sample`: draw among the likeliest tokens that reach this probability."
            ),
            .value(
                \.minP, "min_p", .within(0, 1),
                "Of `sample`: draw among tokens of at least this share of the likeliest one's probability."),
            .value(
                \.beams, "beams", .within(2, 1024),
                "Of beam searches: sequences that are followed; responses by default."),
            .value(
                \.beamGroups, "beam_groups", .atLeast(2),
                "Of `diverse_beam`: groups that divide the beams; all alone by default."),
            .value(
                \.diversityPenalty, "diversity_penalty", .atLeast(0),
                "Of `diverse_beam`: what a token's log-probability loses for each beam of earlier groups that takes it; 1 by "
                    + "default."),
            .value(
                \.lengthPenalty, "length_penalty",
                "Of beam searches: sequences compare by log-probability / length^length_penalty."),
            .value(\.chunk, "chunk", .atLeast(1), "Queries that a rank answers together, and durable unit of work."),
            .value(\.batch, "batch", .atLeast(1), "Responses that a rank carries along at once."),
        ]
    }

    /// - Throws: what `fail` makes of a setting that is wrong, or has no effect.
    func validate(_ fail: (_ what: String, _ remedy: String) -> RDOError) throws {
        let isBeam = strategy == .beam || strategy == .diverseBeam
        func requireEffect(_ key: String, _ isSet: Bool, _ has: Bool) throws {
            guard isSet, !has else { return }
            throw fail(
                "generate.\(key) has no effect on strategy \(strategy.rawValue)", "remove it, or change the strategy")
        }
        try requireEffect("temperature", temperature != 1, strategy == .sample)
        try requireEffect("top_k", topK != nil, strategy == .sample)
        try requireEffect("top_p", topP != 1, strategy == .sample)
        try requireEffect("min_p", minP != 0, strategy == .sample)
        try requireEffect("beams", beams != nil, isBeam)
        try requireEffect("length_penalty", lengthPenalty != 1, isBeam)
        try requireEffect("beam_groups", beamGroups != nil, strategy == .diverseBeam)
        try requireEffect("diversity_penalty", diversityPenalty != nil, strategy == .diverseBeam)
        if strategy == .greedy, responses > 1 {
            throw fail(
                "generate.responses is \(responses), but greedy gives one response however often it is asked",
                "set generate.strategy to sample or diverse_beam")
        }
        guard isBeam else { return }
        let decoding = decoding(seed: 0)
        if decoding.beams < 2 {
            throw fail("generate.beams is missing", "set it to 2 or more")
        }
        if responses > decoding.beams {
            throw fail(
                "generate.responses (\(responses)) exceeds generate.beams (\(decoding.beams))", "raise generate.beams")
        }
        if decoding.beams % decoding.groups != 0 {
            throw fail(
                "generate.beam_groups (\(decoding.groups)) does not divide generate.beams (\(decoding.beams))",
                "set beams to a multiple of beam_groups")
        }
    }

    package func decoding(seed: UInt64) -> Decoding {
        var decoding = Decoding()
        (decoding.strategy, decoding.responses, decoding.seed) = (strategy, responses, seed)
        (decoding.maxTokens, decoding.stop, decoding.repetitionPenalty) = (maxNewTokens, stop, repetitionPenalty)
        (decoding.temperature, decoding.topK, decoding.topP, decoding.minP) = (temperature, topK, topP, minP)
        decoding.beams = beams ?? responses
        decoding.groups = strategy == .diverseBeam ? beamGroups ?? decoding.beams : 1
        decoding.diversityPenalty = strategy == .diverseBeam ? diversityPenalty ?? 1 : 0
        decoding.lengthPenalty = lengthPenalty
        return decoding
    }
}

extension Decoding.Strategy: SettingChoice {}
