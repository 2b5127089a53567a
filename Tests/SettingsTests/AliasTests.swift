import Diagnostics
import Passes
import Testing

@testable import Settings

/// YAML's anchors and aliases: values may be named once; texts that grow without measure are refused before they are read.
@Suite("Aliases in configurations") struct AliasTests {
    @Test func aliasesAreValues() throws {
        let configuration = try Configuration(
            yaml: required + "seed: &n 7\ndpo: { steps: *n }\ndifference: {? steps : *n}\n")
        #expect(configuration.seed == 7 && configuration.dpo.training.steps == 7)
        #expect(configuration.difference.training.steps == 7)
    }

    /// As keys they are what they stand for, no way around the checks of keys.
    @Test func aliasesAsKeys() {
        #expect(failure(required + "seed: &n 7\n? *n\n: 4\n").hasPrefix("a.yaml:") == true)
        #expect(failure(required + "seed: &n 7\n? *n\n: 4\n").contains("unknown key 7"))
        #expect(failure(required + "&k seed: 3\n*k : 4\n").contains("the key seed stands more than once"))
    }

    @Test func bombs() {
        var text = "a0: &a0 [x, x]\n"
        for level in 1...40 { text += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        #expect(failure(text) == "a.yaml: more than 32 YAML aliases (*name); write the values out")
        let keys = "seed: &n 7\n" + (0..<33).map { _ in "? *n\n: 1\n" }.joined()
        #expect(failure(required + keys).contains("more than 32 YAML aliases"))
    }

    /// An asterisk elsewhere is none.
    @Test func asterisks() throws {
        let files = (0..<40).map { "\"part*\($0).jsonl\"" }.joined(separator: ", ")
        let configuration = try Configuration(yaml: "output: o\nmodel: {path: m}\ndata: {train: [\(files)]}\n")
        #expect(configuration.data.train.count == 40)
    }

    @Test func endsOfStringsInNames() {
        for text in [#"output: "a\0b""#, #"score: {file: "a\0b"}"#] {
            let yaml =
                text.hasPrefix("output")
                ? required.replacingOccurrences(of: "output: runs/a", with: text) : required + text
            #expect(failure(yaml).contains(#"a\u{0}b"#))
        }
    }
}
