import Foundation
import TestSupport
import Testing

/// The program against real models: runs when the assets are there.
@Suite(.serialized) struct AssetTests {
    private struct Case: Decodable {
        let text: String
        let ids: [Int32]
        let hf_ids: [Int32]?
    }

    private struct Cases: Decodable { let cases: [Case] }

    @Test(arguments: [
        ("stories260K", "tokenizer.json"), ("stories260K", "tokenizer.model"), ("llama32k-tokenizer", "tokenizer.json"),
        ("llama32k-tokenizer", "tokenizer.model"), ("smollm2-135m-instruct", "tokenizer.json"),
    ])
    func tokenizeAgreesWithTheReference(model: String, file: String) throws {
        guard let path = Assets.find("models/\(model)/\(file)"),
            let casesPath = Assets.find("models/\(model)/tokenizer_cases.json")
        else { return }
        let cases = try JSONDecoder().decode(Cases.self, from: Data(contentsOf: URL(fileURLWithPath: casesPath))).cases
        let input = try cases.map { String(decoding: try JSONEncoder().encode($0.text), as: UTF8.self) }
        let result = try CommandRunner.run(
            "rdo", ["tokenize", "--model", path, "--json"], input: input.joined(separator: "\n") + "\n")
        #expect(result.status == 0, "\(result.error)")
        let found = try result.output.split(separator: "\n").map {
            try JSONDecoder().decode([Int32].self, from: Data($0.utf8))
        }
        #expect(found.count == cases.count && cases.count == 251)
        for (ids, expected) in zip(found, cases) {
            #expect(ids == (file.hasSuffix(".json") ? expected.hf_ids ?? expected.ids : expected.ids), "\(expected.text)")
        }
    }
}
