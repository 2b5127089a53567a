import Foundation
import Preferences
import Storage
import TestSupport
import Testing
import Transformer

/// Every architecture under the whole pipeline: a scalar head, adapters beside frozen weights, several ranks, export.
@Suite(.serialized) struct FamilyRunTests {
    @Test(arguments: ModelFamily.all.map(\.type)) func pipelineOnOneAndFourRanks(_ type: String) throws {
        let work = try Workspace()
        try work.writeConfiguration()
        try Self.write(type, to: work.path("start"))
        for ranks in [1, 4] {
            let result = try work.rdo(
                ["run"], output: "r\(ranks)", ranks: ranks,
                set: [
                    "model.path=\(work.path("start"))", "model.init=null", "model.tokenizer=null",
                    "difference.steps=2", "dpo.steps=2", "dpo.lora.rank=2", "parallel.gather=block",
                ])
            #expect(result.status == 0, "\(result.error)")
        }
        for file in ["difference/model/model.safetensors", "dpo/model/model.safetensors", "dpo/model/config.json"] {
            #expect(try work.bytes("r1/" + file) == work.bytes("r4/" + file), "\(file)")
        }
        // The adapters are merged: the exported model starts another run.
        let again = try work.rdo(
            ["run"], output: "again",
            set: [
                "model.path=\(work.path("r1/dpo/model"))", "model.init=null", "model.tokenizer=null",
                "passes=[reference]",
            ])
        #expect(again.status == 0, "\(again.error)")
    }

    /// A small model of the family with random weights and the byte tokenizer.
    private static func write(_ type: String, to path: String) throws {
        var configuration = try ModelConfiguration.family(type)
        configuration.vocabularySize = ByteTokenizer.vocabularySize
        configuration.maxPositions = 256
        (configuration.bosTokenID, configuration.eosTokenIDs) = (ByteTokenizer.bosTokenID, [ByteTokenizer.eosTokenID])
        let writer = try ModelDirectoryWriter(
            path: path, configuration: configuration, head: .languageModel, dtype: .f32,
            tokenizer: .files([
                ("tokenizer.json", ByteTokenizer.tokenizerJSON()),
                ("tokenizer_config.json", ByteTokenizer.tokenizerConfigJSON()),
            ]))
        for spec in ParameterLayout(configuration, head: .languageModel).specs {
            let values = spec.gatheredMatrix
            initialValues(for: spec, rows: 0..<spec.rows, seed: 7, range: 0.05, into: values.pointer)
            try writer.write(spec.name, values)
        }
        try writer.finish()
    }
}
