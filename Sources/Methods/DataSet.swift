import Coding
import Diagnostics
import Preferences
import Storage

/// One part of the data (training or held-out) as token ids, the same on every rank.
package struct DataSet {
    package let examples: [TokenizedExample]
    /// The same rows as the difference model reads them.
    package let differenceExamples: [DifferenceExample]
    /// Digest of all ids.
    package let digest: String

    package init(examples: [TokenizedExample], differenceExamples: [DifferenceExample]) {
        (self.examples, self.differenceExamples) = (examples, differenceExamples)
        let stream = DigestStream()
        for example in examples {
            stream.update(example.prompt + [-1])
            for response in example.responses { stream.update(response + [-1]) }
        }
        digest = stream.digest.hex
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
    var examples: [TokenizedExample] { train.examples + (test?.examples ?? []) }

    /// - Throws: `RDOError.data` when a row has one response only.
    package func requireComparable() throws {
        for example in examples where example.responses.count < 2 {
            throw RDOError(
                .data, "row \(example.row + 1) has one response only",
                remedy: "this pass compares responses: it needs pairs or lists; labelled responses are for kto")
        }
    }
}
