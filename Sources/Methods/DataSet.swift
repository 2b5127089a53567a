import Coding
import Diagnostics
import Preferences
import Storage

/// One part of the data (training or held-out) as token ids, the same on every rank.
package struct DataSet {
    package let examples: [TokenizedExample]
    /// The same rows as a scorer reads them.
    package let scorerInputs: ScorerInputs
    /// Digest of all ids of the examples.
    package let digest: String

    package init(examples: [TokenizedExample], scorerInputs: ScorerInputs = .none) {
        (self.examples, self.scorerInputs) = (examples, scorerInputs)
        digest = DigestStream.hex(of: examples)
    }
}

/// Rows as a scorer reads them: with its own limit of tokens and its own EOS.
package enum ScorerInputs {
    case none
    /// A difference model's, and the EOS at which it is read.
    case differences([DifferenceExample], eos: Int32)
    /// A pointwise reward model's.
    case responses([TokenizedExample])

    package var differences: [DifferenceExample] {
        guard case .differences(let examples, _) = self else { return [] }
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
    fileprivate static func hex(of examples: [TokenizedExample]) -> String {
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
    /// Longest prompt and response.
    package let maxTokens: Int

    package init(
        tokenizer: any Tokenizer, tokenizerSource: String, template: String, eosTokenID: Int32, maxTokens: Int
    ) {
        (self.tokenizer, self.tokenizerSource, self.template) = (tokenizer, tokenizerSource, template)
        (self.eosTokenID, self.maxTokens) = (eosTokenID, maxTokens)
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

    /// Every example of both parts.
    package var examples: [TokenizedExample] { train.examples + (test?.examples ?? []) }

    /// - Throws: `RDOError.data` when a row has one response only.
    package func requireComparable() throws {
        for example in examples where example.responses.count < 2 {
            throw RDOError(
                .data, "row \(example.row + 1) has one response only",
                remedy: "this pass compares responses: it needs pairs or lists; labelled responses are for kto")
        }
    }
}
