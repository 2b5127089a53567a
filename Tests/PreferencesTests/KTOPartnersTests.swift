import Columns
import TestSupport
import Testing

@testable import Preferences

@Suite("Partners for KTO's baseline") struct KTOPartnersTests {
    /// Examples of which each query, a token, has as many responses as `responses` says.
    static func examples(_ queries: [Int32], responses: Int = 1) -> [TokenizedExample] {
        queries.enumerated().map { row, query in
            TokenizedExample(
                row: row, kind: responses == 1 ? .unpaired : .pair, prompt: [1, query],
                responses: (0..<responses).map { [Int32(100 * row + $0)] },
                truncatedResponses: [Bool](repeating: false, count: responses), isPromptTruncated: false,
                promptText: "", responseTexts: [String](repeating: "", count: responses))
        }
    }

    static func partners(
        _ examples: [TokenizedExample], batch: Int, seed: UInt64 = 1, shuffle: Bool = true,
        scope: BaselineScope = .global, micro: Int = 1, pairing: BaselinePairing = .permuted
    ) throws -> KTOPartners {
        try KTOPartners(
            of: Rows(examples), order: SampleOrder(count: examples.count, seed: seed, shuffle: shuffle),
            batchSize: batch, scope: scope, microBatches: micro, pairing: pairing, seed: seed)
    }

    /// Any numbers of equal queries: never the same query; a permutation where one exists, else as even as can be.
    @Test func neverTheSameQuery() throws {
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<3000 {
            let count = Int.random(in: 0...24, using: &generator)
            let kinds = Int.random(in: 1...max(1, count), using: &generator)
            let queries = (0..<count).map { _ in Int.random(in: 0..<kinds, using: &generator) }
            let bits = (0..<count).map { _ in UInt64.random(in: 0...(.max), using: &generator) }
            let partners = KTOPartners.deranged(queries: queries, bits: bits)
            #expect(partners.count == count)
            guard Set(queries).count > 1 else {
                #expect(partners.allSatisfy { $0 == nil })
                continue
            }
            let chosen = partners.compactMap { $0 }
            #expect(chosen.count == count)
            for (place, partner) in chosen.enumerated() { #expect(queries[place] != queries[partner]) }
            let most = Dictionary(grouping: queries) { $0 }.values.map(\.count).max() ?? 0
            let uses = Dictionary(grouping: chosen) { $0 }.mapValues(\.count)
            if 2 * most <= count {
                #expect(Set(chosen).count == count)
            } else {
                // The crowd's own places serve each of the others once; the others serve the crowd in turn.
                let others = queries.indices.filter { place in queries.count { $0 == queries[place] } < most }
                let turns = others.map { uses[$0, default: 0] }
                #expect((turns.max() ?? 0) - (turns.min() ?? 0) <= 1)
            }
        }
    }

    @Test func differentSeedsAndBatchesDrawDifferently() throws {
        let examples = Self.examples((0..<64).map { Int32($0) })
        let first = try Self.partners(examples, batch: 16)
        #expect(try first.partners(inBatch: 0) == Self.partners(examples, batch: 16).partners(inBatch: 0))
        func shape(_ partners: KTOPartners, _ batch: Int) -> [Int] {
            let rows = partners.order.samples((16 * batch)..<(16 * batch + 16)).map(\.row)
            return partners.partners(inBatch: batch).map { places in
                places[0].flatMap { place in rows.firstIndex(of: place.example) } ?? -1
            }
        }
        #expect(shape(first, 0) != shape(first, 1))
        #expect(shape(first, 0) != shape(first, 4), "the next epoch")
        #expect(try shape(first, 0) != shape(Self.partners(examples, batch: 16, seed: 2), 0))
        // Every place of the batch is a partner once.
        #expect(shape(first, 0).sorted() == Array(0..<16))
    }

    /// Over many batches each other place is drawn about equally often.
    @Test func partnersAreUniform() throws {
        let count = 8
        let examples = Self.examples((0..<Int32(count)).map { $0 })
        var counts = [Int](repeating: 0, count: count)
        let batches = 7000
        let partners = try Self.partners(examples, batch: count, shuffle: false)
        for batch in 0..<batches {
            if let place = partners.partners(inBatch: batch)[0][0] { counts[place.example] += 1 }
        }
        #expect(counts[0] == 0)
        // Five standard deviations of a binomial count of mean 1000.
        for other in 1..<count { #expect(abs(counts[other] - 1000) < 150) }
    }

    /// Both responses of a pair get responses of one other query, and each response is used once.
    @Test func pairsAreCombinedWithOtherPairs() throws {
        let examples = Self.examples((0..<12).map { Int32($0) }, responses: 2)
        let partners = try Self.partners(examples, batch: 6).partners(inBatch: 1)
        let rows = try Self.partners(examples, batch: 6).order.samples(6..<12).map(\.row)
        var used: Set<ResponsePlace> = []
        for (row, places) in zip(rows, partners) {
            #expect(places.count == 2)
            for place in places.compactMap({ $0 }) {
                #expect(place.example != row && rows.contains(place.example))
                #expect(used.insert(place).inserted)
            }
        }
        #expect(used.count == 12)
    }

    @Test func groupsAreConsecutivePartsOfABatch() throws {
        let examples = Self.examples((0..<20).map { Int32($0) })
        let partners = try Self.partners(examples, batch: 10, shuffle: false, scope: .micro, micro: 4)
        #expect(partners.groupCount == 4)
        let samples = partners.order.samples(10..<20)
        #expect(samples.map { partners.group(of: $0) } == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3])
        for (sample, places) in zip(samples, partners.partners(inBatch: 1)) {
            let place = places[0]
            #expect(place.map { partners.group(of: samples[$0.example - 10]) } == partners.group(of: sample))
        }
        #expect(try Self.partners(examples, batch: 10, micro: 4).groupCount == 1)
    }

    /// TRL combines (x_1, y_n), (x_2, y_1), ..., (x_n, y_{n-1}) in each micro-batch, equal queries or not.
    @Test func rotationIsTRLs() throws {
        let examples = Self.examples([5, 5, 6, 7, 8, 9])
        let partners = try Self.partners(
            examples, batch: 6, shuffle: false, scope: .micro, micro: 2, pairing: .rotated)
        #expect(partners.partners(inBatch: 0).map { $0[0]?.example } == [2, 0, 1, 5, 3, 4])
        let single = try Self.partners(examples, batch: 2, shuffle: false, scope: .micro, micro: 2, pairing: .rotated)
        #expect(single.partners(inBatch: 0) == [[nil], [nil]])
    }

    @Test func batchesOfOneQueryAreFound() throws {
        let examples = Self.examples([5, 5, 6, 7, 7, 7])
        let partners = try Self.partners(examples, batch: 2, shuffle: false)
        #expect(partners.firstBatchWithoutPartner(among: 0..<6) == 0)
        #expect(partners.firstBatchWithoutPartner(among: 1..<6) == 2)
        #expect(partners.firstBatchWithoutPartner(among: 1..<2) == nil)
        #expect(try Self.partners(examples, batch: 3, shuffle: false).firstBatchWithoutPartner(among: 0..<1) == nil)
    }
}
