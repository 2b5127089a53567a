import Diagnostics
import Foundation
import Preferences
import Testing

/// All rows of all real files.
@Suite(.enabled(if: hasDataAssets, "no assets")) struct DataAssetsTests {
    @Test func everyFileIsRead() throws {
        let expected: [(String, DataFormat, rows: Int, bad: [String: Int])] = [
            ("hh_harmless_test/pairs.jsonl", .pairs, 1617, [:]), ("hh_mixed_100/pairs.jsonl", .pairs, 70, [:]),
            ("ultrafeedback_1200/pairs.jsonl", .pairs, 835, [:]), ("llamafactory_dpo_en/pairs.jsonl", .pairs, 210, [:]),
            ("llamafactory_dpo_zh/pairs.jsonl", .pairs, 210, [:]), ("llamafactory_kto_en/kto.jsonl", .kto, 211, [:]),
            (
                "alpacaeval_lists_k8/lists.jsonl", .lists, 563,
                ["empty response": 11, "identical responses": 20]
            ),
            ("alpacaeval_lists_k8/pairs_best_worst.jsonl", .pairs, 561, [:]),
            ("tldr_schema/pairs.jsonl", .pairs, 1, [:]),
            ("tldr_schema/comparisons_example.jsonl", .tldr, 1, [:]),
        ]
        for (file, format, rows, bad) in expected {
            let data = try PreferenceReader(policy: .skip).read([dataAssets + file])
            #expect(data.report.files[0].format == format, "\(file)")
            #expect(data.report.rows == rows, "\(file)")
            #expect(data.records.count == rows - bad.values.reduce(0, +), "\(file)")
            let found = Dictionary(uniqueKeysWithValues: data.report.bad.reasons.map { ($0.reason, $0.count) })
            #expect(found == bad, "\(file)")
            try checkTokens(of: data.records)
        }
    }

    /// Ids give the texts back, between one BOS and one EOS.
    private func checkTokens(of records: [PreferenceRecord]) throws {
        let tokenizer = ByteTokenizer()
        let plan = try plan(maxTokens: 1 << 20)
        for (record, result) in zip(records, plan.examples(of: records, rows: records.indices)) {
            guard case .success(let example) = result else {
                // Web text: a few responses spell an EOS token out.
                #expect(record.responses.contains { $0.contains("</s>") })
                continue
            }
            #expect(example.prompt.first == ByteTokenizer.bos)
            #expect(tokenizer.decode(example.prompt) == record.prompt.replacing("</s>", with: ""))
            for (ids, text) in zip(example.responses, record.responses) {
                #expect(ids.last == ByteTokenizer.eos)
                #expect(ids.count { $0 >= 256 } == 1)
                #expect(tokenizer.decode(ids) == text)
            }
        }
    }

    @Test func theSummaryComparisonIsItsPair() throws {
        let comparison = try PreferenceReader().read([dataAssets + "tldr_schema/comparisons_example.jsonl"]).records[0]
        let pair = try PreferenceReader().read([dataAssets + "tldr_schema/pairs.jsonl"]).records[0]
        #expect(comparison.prompt == pair.prompt)
        #expect(comparison.responses == pair.responses)
        #expect(PromptTemplate.tldr.prompt(pair.prompt) == pair.prompt)
        // Ratings of single summaries are no preferences.
        let error = #expect(throws: RDOError.self) {
            _ = try PreferenceReader().read([dataAssets + "tldr_schema/axis_evals_example.jsonl"])
        }
        #expect(
            error?.what
                == "the row's fields (info, split, summary, worker, batch) fit no known data format (1 of 1 rows is bad)"
        )
    }

    @Test func wholeDialoguesAreSplitBackIntoTheirPairs() throws {
        let directory = try DataDirectory()
        for file in ["hh_harmless_test/pairs.jsonl", "hh_mixed_100/pairs.jsonl"] {
            let pairs = try PreferenceReader().read([dataAssets + file]).records
            let lines = try pairs.map { pair in
                let object = ["chosen": pair.prompt + pair.responses[0], "rejected": pair.prompt + pair.responses[1]]
                return String(decoding: try JSONSerialization.data(withJSONObject: object), as: UTF8.self)
            }
            let data = try PreferenceReader().read([try directory.write(lines)])
            #expect(data.report.files[0].format == .hh)
            #expect(data.records.map(\.prompt) == pairs.map(\.prompt))
            #expect(data.records.map(\.responses) == pairs.map(\.responses))
        }
    }
}
