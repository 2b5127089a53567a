import Coding
import Columns
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
    ///
    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    func all(batches: Int) throws -> Rows<TokenizedExample> {
        let keys = ScratchLists<ContentKey>()
        let order = partners.order
        let samples = 0..<batches * partners.batchSize
        for number in samples { try keys.append(example(of: order.sample(number)).responseKeys) }
        let index = try KeyIndex(keys.elements)
        let (kept, numbers) = (ScratchLists<Int>(), ScratchColumn<Int>())
        var place = 0
        for number in samples {
            let own = keys[number]
            let new = own.indices.filter { index[own[$0]] == place + $0 }
            place += own.count
            guard !new.isEmpty else { continue }
            try kept.append(new)
            try numbers.append(number)
        }
        return Rows(count: numbers.count) { [self] in
            example(of: order.sample(numbers[$0])).keeping(responses: kept[$0])
        }
    }
}
