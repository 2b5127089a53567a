import Preferences

/// How responses are made of a model's next-token probabilities.
package struct Decoding: Sendable, Equatable {
    package enum Strategy: String, Sendable, CaseIterable {
        /// The likeliest token, always.
        case greedy
        /// A token drawn from the distribution.
        case sample
        /// The likeliest sequences that a beam finds.
        case beam
        /// The same in groups that avoid each other's tokens (Vijayakumar et al. 2016, diverse beam search).
        case diverseBeam = "diverse_beam"
    }

    package var strategy = Strategy.greedy
    /// How many responses a query gets.
    package var responses = 1
    /// The longest response, its end token included.
    package var maxTokens = 128
    /// A response ends before the first of these texts.
    package var stop: [String] = []
    /// Logits of tokens that stand in the prompt or the response are divided by it where positive, multiplied otherwise
    /// (Keskar et al. 2019, CTRL, section 4.1); 1 changes nothing.
    package var repetitionPenalty = 1.0

    // Of `sample`.
    package var temperature = 1.0
    /// The likeliest tokens that may be drawn; nil for all.
    package var topK: Int?
    /// The likeliest tokens whose probabilities reach this sum may be drawn (Holtzman et al. 2020, nucleus sampling).
    package var topP = 1.0
    /// Tokens of at least this share of the likeliest one's probability may be drawn (Nguyen et al. 2024, min-p).
    package var minP = 0.0
    package var seed: UInt64 = 0

    // Of `beam` and `diverse_beam`.
    package var beams = 4
    /// A sequence's log-probability is divided by its length to this power.
    package var lengthPenalty = 1.0
    /// Of `diverse_beam`: how many groups the beams form, and what a token's log-probability loses for each beam of earlier
    /// groups that takes it in the same step.
    package var groups = 1
    package var diversityPenalty = 0.0

    package init() {}

    /// Responses that are carried along at once for a query.
    package var width: Int {
        switch strategy {
        case .greedy, .sample: responses
        case .beam, .diverseBeam: beams
        }
    }
}

/// A query as token ids.
package struct GenerationQuery: Sendable {
    /// Names the query in the random numbers: its row, whatever the ranks.
    package let number: Int
    package let prompt: [Int32]

    package init(number: Int, prompt: [Int32]) { (self.number, self.prompt) = (number, prompt) }
}

package struct GeneratedResponse: Sendable, Equatable {
    /// Its end token included.
    package let ids: [Int32]
    package let end: ResponseEnd

    package init(ids: [Int32], end: ResponseEnd) { (self.ids, self.end) = (ids, end) }
}
