import Coding
import Preferences
import Storage

/// The combinations of a query with responses to other queries on which KTO's baseline is estimated.
final class MismatchedResponses {
    let examples: Rows<TokenizedExample>
    let partners: KTOPartners
    private let maxTokens: Int
    /// Every leaf of a batch asks for the same partners.
    private var known: (batch: Int, partners: [[ResponsePlace?]])?

    /// - Parameter maxTokens: a response that does not fit beside another query is cut.
    init(examples: Rows<TokenizedExample>, partners: KTOPartners, maxTokens: Int) {
        (self.examples, self.partners, self.maxTokens) = (examples, partners, maxTokens)
    }

    /// For each response of the sample, the one that stands beside its query; nil when there is none.
    func places(of sample: Sample) -> [ResponsePlace?] {
        let (batch, position) = sample.number.quotientAndRemainder(dividingBy: partners.batchSize)
        if known?.batch != batch { known = (batch, partners.partners(inBatch: batch)) }
        return known?.partners[position] ?? []
    }

    /// The sample's query with the responses to other queries.
    func example(of sample: Sample) -> TokenizedExample {
        var example = examples[sample.row]
        let room = maxTokens - example.prompt.count
        let others = places(of: sample).compactMap { $0.map { examples[$0.example].responses[$0.response] } }
        example.responses = others.map { Array($0.prefix(room)) }
        example.truncatedResponses = others.map { $0.count > room }
        example.responseTexts = others.map { _ in "" }
        return example
    }

    /// Every combination in batches 0 ..< `batches` once, in the order of their first occurrence.
    func all(batches: Int) -> [TokenizedExample] {
        var seen: Set<ContentKey> = []
        return partners.order.samples(0..<(batches * partners.batchSize)).compactMap { sample in
            let example = example(of: sample)
            let new = example.responseKeys.enumerated().filter { seen.insert($0.element).inserted }.map(\.offset)
            return new.isEmpty ? nil : example.keeping(responses: new)
        }
    }
}
