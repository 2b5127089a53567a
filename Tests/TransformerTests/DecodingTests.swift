import Tensors
import TestSupport
import Testing
import Transformer

/// Token by token with kept keys and values, a model says what it says of the whole text at once.
@Suite struct DecodingTests {
    /// Log-probabilities of `target` under one row of logits.
    private func logProbability(_ logits: Matrix, _ target: Int32) -> Double {
        Double(logits[0, Int(target)]) - LogSoftmax.logSumExp(logits)
    }

    /// Three queries of unequal length with two responses each, one of which parts from another in its middle as beams do.
    @Test(arguments: ModelConfiguration.families.map(\.key)) func equalsTheWholeText(_ type: String) throws {
        let twin = TwinModel(try .family(type), head: .languageModel)
        let (model, c) = (twin.model, twin.model.configuration)
        // Windows of 24 begin in the prompt, at its end and in the response.
        let prompts = [c.randomIDs(3, seed: 1), c.randomIDs(30, seed: 2), c.randomIDs(11, seed: 3)]
        let first = prompts.indices.map { c.randomIDs(20, seed: UInt64(10 + $0)) }
        let second = prompts.indices.map { Array(first[$0].prefix(7)) + c.randomIDs(13, seed: UInt64(20 + $0)) }

        var expected: [[[Double]]] = []
        for query in prompts.indices {
            expected.append(
                try [first[query], second[query]].map { response in
                    var forest = TokenForest()
                    let root = forest.append(prompts[query])
                    let branch = forest.append(response, under: root)
                    let pass = try model.forward(forest, parameters: twin.parameters, keepingActivations: false)
                    return try model.logProbabilities(
                        of: forest.predictions(of: branch), in: pass, parameters: twin.parameters
                    ).values.map(Double.init)
                })
        }

        let (caches, hidden) = try model.read(prompts, room: 4, parameters: twin.parameters)
        var found = expected.map { $0.map { $0.map { _ in 0.0 } } }
        try model.forEachLogits(of: hidden, items: [1, 1, 1], parameters: twin.parameters) { query, logits in
            found[query][0][0] = logProbability(logits, first[query][0])
            found[query][1][0] = logProbability(logits, second[query][0])
        }
        var rows = prompts.map { _ in [[Int32]](repeating: [], count: 2) }
        for token in 0..<19 {
            let step = DecodingStep(
                prompts.indices.map { query in
                    // Where both are the same so far, one row serves both.
                    let isShared = token < 7
                    let own = isShared ? [first[query]] : [first[query], second[query]]
                    if token == 7 { rows[query][1] = rows[query][0] }
                    return (
                        caches[query],
                        own.enumerated().map { number, response in
                            rows[query][number].append(caches[query].addRow())
                            return DecodingStep.Response(token: response[token], rows: rows[query][number][...])
                        }
                    )
                })
            let hidden = try model.advance(step, parameters: twin.parameters)
            let items = prompts.map { _ in token < 7 ? 1 : 2 }
            try model.forEachLogits(of: hidden, items: items, parameters: twin.parameters) { query, logits in
                for (number, response) in [first[query], second[query]].enumerated() {
                    let row = logits.rows(min(number, logits.rows - 1)..<min(number, logits.rows - 1) + 1)
                    found[query][number][token + 1] = logProbability(row, response[token + 1])
                }
            }
        }
        for query in prompts.indices {
            for number in 0..<2 {
                for (token, value) in expected[query][number].enumerated() {
                    let other = found[query][number][token]
                    #expect(abs(value - other) < 2e-5 * max(1, abs(value)), "query \(query), token \(token): \(other)")
                }
            }
        }
    }

    @Test func nothingToDoIsNothingDone() throws {
        let twin = TwinModel(try .family("llama"), head: .languageModel)
        let (caches, hidden) = try twin.model.read([], room: 4, parameters: twin.parameters)
        #expect(caches.isEmpty && hidden.rows == 0)
        #expect(try twin.model.advance(DecodingStep([]), parameters: twin.parameters).rows == 0)
    }
}
