import Coding
import Diagnostics
import Preferences

/// A pair that a row names, with somebody's judgement of it.
struct ImportedPair {
    /// Texts and what keys them; nil where the row has a key alone.
    struct Content {
        let queryKey: ContentKey
        let query: String
        let first: (text: String, tokens: Int)
        let second: (text: String, tokens: Int)
    }

    let key: ContentKey
    let content: Content?
    /// +1: the first is preferred, -1: the second, 0: unknown; nil where the row does not say.
    let label: Int8?
    let difference: Float
    let reversed: Float?
    /// A pointwise judge's values of both.
    let rewards: (first: Float, second: Float)?
}

/// The fields of a row that say how much better a response is.
package struct JudgementFields: Sendable {
    /// Of a pair: how much better chosen is than rejected; with `_reversed` after it, what the judge says of rejected over
    /// chosen.
    package var difference = "difference"
    /// Of a pair: a value for chosen and one for rejected, instead of the difference.
    package var rewards: (chosen: String, rejected: String)?

    package init(difference: String = "difference", rewards: (chosen: String, rejected: String)? = nil) {
        (self.difference, self.rewards) = (difference, rewards)
    }
}
