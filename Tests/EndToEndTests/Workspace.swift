import Foundation
import TestSupport

/// A directory with a small data set and a configuration for a small byte-level model, made new for each test.
struct Workspace {
    let directory: TemporaryDirectory

    /// - Parameters:
    ///   - pairs: training pairs; a quarter as many are held out.
    init(pairs: Int = 48) throws {
        directory = try TemporaryDirectory()
        try directory.write(Self.rows(pairs, seed: 1), to: "train.jsonl")
        try directory.write(Self.rows(max(4, pairs / 4), seed: 2), to: "test.jsonl")
    }

    func path(_ name: String) -> String { directory.path + "/" + name }

    /// Pairs whose better response repeats the word that the prompt asks for.
    static func rows(_ count: Int, seed: UInt64) -> String {
        let words = ["ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine"]
        var state = seed
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        return (0..<count).map { index in
            let wanted = words[next(words.count)]
            let other = words.filter { $0 != wanted }[next(words.count - 1)]
            let filler = String(repeating: "very ", count: next(4))
            return
                #"{"prompt": "say \#(wanted) (\#(index))", "chosen": " \#(filler)\#(wanted)", "rejected": " \#(other)"}"#
        }.joined(separator: "\n") + "\n"
    }

    /// Configuration keys that all tests share, as `--set` takes them.
    func settings(output: String) -> [String] {
        [
            "output=\(path(output))", "data.train=\(path("train.jsonl"))", "data.test=\(path("test.jsonl"))",
        ]
    }

    @discardableResult
    func writeConfiguration(_ extra: String = "") throws -> String {
        try directory.write(
            """
            output: \(path("run"))
            seed: 3
            model:
              init: { hidden_size: 32, intermediate_size: 48, layers: 2, heads: 4, key_value_heads: 2, max_positions: 256 }
              tokenizer: bytes
            data:
              train: \(path("train.jsonl"))
              test: \(path("test.jsonl"))
              max_tokens: 200
            difference: { steps: 20, batch_size: 8, micro_batches: 8, learning_rate: 1e-3, checkpoint_every: 5 }
            dpo: { steps: 20, batch_size: 8, micro_batches: 8, learning_rate: 1e-3, checkpoint_every: 5 }
            score: { chunk: 5 }
            reference: { chunk: 7 }
            \(extra)
            """, to: "config.yaml")
    }

    /// Runs `rdo` with the workspace's configuration.
    @discardableResult
    func rdo(
        _ command: [String], output: String = "run", ranks: Int = 0, set: [String] = [], arguments: [String] = [],
        timeout: Double = 300, whileRunning: (Process) throws -> Void = { _ in }
    ) throws -> ProcessResult {
        let overrides = (settings(output: output) + set).flatMap { ["--set", $0] }
        return try CommandRunner.run(
            "rdo", command + [path("config.yaml")] + overrides + arguments, ranks: ranks, timeout: timeout,
            whileRunning: whileRunning)
    }

    func bytes(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path(name))) }

    func metrics(_ name: String) throws -> [[String: Any]] {
        try String(contentsOfFile: path(name), encoding: .utf8).split(separator: "\n").compactMap {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
    }
}
