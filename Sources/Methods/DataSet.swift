import Coding
import Columns
import Diagnostics
import Preferences
import Storage

/// One part of the data (training or held-out) as token ids, the same on every rank.
package struct DataSet {
    package let examples: Rows<TokenizedExample>
    /// The same rows as a scorer reads them.
    package let scorerInputs: ScorerInputs
    /// The examples with their texts, which take longer to read.
    package let withTexts: Rows<TokenizedExample>
    /// Digest of all ids of the examples.
    package let digest: String
    /// Digest of all ids that a scorer reads; nil without one.
    package let scorerDigest: String?

    /// - Parameters:
    ///   - withTexts: the same examples; nil where these have their texts.
    ///   - digest: where it is known already, and so is `scorerDigest`.
    package init(
        examples: Rows<TokenizedExample>, withTexts: Rows<TokenizedExample>? = nil, digest: String? = nil,
        scorerInputs: ScorerInputs = .none, scorerDigest: String? = nil
    ) {
        (self.examples, self.scorerInputs) = (examples, scorerInputs)
        self.withTexts = withTexts ?? examples
        self.digest = digest ?? DigestStream.hex(of: examples)
        self.scorerDigest = scorerDigest ?? scorerInputs.digest
    }
}

/// Rows as a scorer reads them: with its own limit of tokens and its own EOS.
package enum ScorerInputs {
    case none
    /// A difference model's, and the EOS at which it is read.
    case differences(Rows<DifferenceExample>, eos: Int32)
    /// A pointwise reward model's.
    case responses(Rows<TokenizedExample>)

    package var differences: Rows<DifferenceExample> {
        guard case .differences(let examples, _) = self else { return Rows([]) }
        return examples
    }

    /// Digest of all ids; nil without any.
    package var digest: String? {
        switch self {
        case .none: return nil
        case .responses(let examples): return DigestStream.hex(of: examples)
        case .differences(let examples, let eos):
            let stream = DigestStream()
            for example in examples {
                for ids in [example.query] + example.asFirst + example.asSecond { stream.update(ids + [-1]) }
            }
            stream.update([eos])
            return stream.digest.hex
        }
    }
}

extension DigestStream {
    fileprivate static func hex(of examples: Rows<TokenizedExample>) -> String {
        let stream = DigestStream()
        for example in examples {
            stream.update(example.prompt + [-1])
            for response in example.responses { stream.update(response + [-1]) }
        }
        return stream.digest.hex
    }
}

/// How a pass turns texts into ids.
package struct PassConventions {
    package let tokenizer: any Tokenizer
    /// Directory or file that the tokenizer came from.
    package let tokenizerSource: String
    package let template: String
    package let eosTokenID: Int32
    /// What ends a response; `eosTokenID` ends what a difference model reads.
    package let responseEnd: Int32
    /// Longest prompt and response.
    package let maxTokens: Int

    package init(
        tokenizer: any Tokenizer, tokenizerSource: String, template: String, eosTokenID: Int32,
        responseEnd: Int32, maxTokens: Int
    ) {
        (self.tokenizer, self.tokenizerSource, self.template) = (tokenizer, tokenizerSource, template)
        (self.eosTokenID, self.responseEnd, self.maxTokens) = (eosTokenID, responseEnd, maxTokens)
    }
}

/// What a pass reads.
package struct PassData {
    package let train: DataSet
    package let test: DataSet?
    package let conventions: PassConventions

    package init(train: DataSet, test: DataSet?, conventions: PassConventions) {
        (self.train, self.test, self.conventions) = (train, test, conventions)
    }

    /// The examples of both parts.
    package var parts: [Rows<TokenizedExample>] { [train.examples] + (test.map { [$0.examples] } ?? []) }

    /// - Parameter remedy: what to do about a list that nobody scored; nil where the scores do not matter.
    /// - Throws: `RDOError.data` when a row has one response only, or a list lacks its scores.
    package func requireComparable(scoredElse remedy: String? = nil) throws {
        for example in parts.joined() {
            guard example.responses.count >= 2 else {
                throw RDOError(
                    .data, "row \(example.row + 1) has one response only",
                    remedy: "this pass compares responses: it needs pairs or lists; labelled responses are for kto")
            }
            if let remedy { try example.requireScores(remedy: remedy) }
        }
    }
}

extension TokenizedExample {
    /// - Throws: `RDOError.data` for a list that nobody scored, of which nobody knows which response is better.
    func requireScores(remedy: String = "give each response a number in scores") throws {
        guard kind == .list, scores == nil else { return }
        throw RDOError(
            .data, "row \(row + 1) has responses without scores",
            remedy: "\(remedy) (`rdo export-lists` writes those of a coefficient file)")
    }
}
