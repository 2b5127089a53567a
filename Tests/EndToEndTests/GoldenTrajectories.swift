import Foundation
import TestSupport
import Testing

/// What `Tests/scripts/golden_trajectories.py` stored in `Goldens`.
struct GoldenTrajectories: Decodable {
    struct Step: Decodable {
        let loss: Double
        let gradientNorm: Double
        let learningRate: Double

        enum CodingKeys: String, CodingKey {
            case loss
            case gradientNorm = "grad_norm"
            case learningRate = "learning_rate"
        }
    }

    struct Parameter: Decodable {
        let count: Int
        let sum: Double
        let norm: Double
        let updateNorm: Double
        /// Places and values of some entries.
        let entries: [[Double]]

        enum CodingKeys: String, CodingKey {
            case count, sum, norm, entries
            case updateNorm = "update_norm"
        }
    }

    /// What the seed decides in one step.
    struct Draw: Decodable, Equatable {
        let first: [String]?
        let duplicated: [String]?
        /// Row and response beside each query of each sample.
        let partners: [[[Int]]]?
    }

    struct Method: Decodable {
        /// As `--set` takes them, with `{output}`, `{model}` and `{goldens}` in the place of directories.
        let settings: [String]
        let draws: [Draw]?
        let steps: [Step]
        let weights: [String: Parameter]
        /// Learning rate of the scalar head over that of the rest.
        let headRatio: Double

        enum CodingKeys: String, CodingKey {
            case settings, draws, steps, weights
            case headRatio = "head_ratio"
        }
    }

    struct Tolerances: Decodable {
        let loss: Double
        let gradientNorm: Double
        let learningRate: Double
        let updateNorm: Double
        let norm: Double
        let sum: Double
        let entry: Double

        enum CodingKeys: String, CodingKey {
            case loss, norm, sum, entry
            case gradientNorm = "grad_norm"
            case learningRate = "learning_rate"
            case updateNorm = "update_norm"
        }
    }

    let tolerances: Tolerances
    let methods: [String: Method]

    static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Goldens")

    static func read() throws -> GoldenTrajectories {
        let file = directory.appendingPathComponent("trajectories.json")
        return try JSONDecoder().decode(Self.self, from: Data(contentsOf: file))
    }
}

/// A run of the program with a golden's settings, and how far from it it is.
struct GoldenRun {
    /// One compared figure; `value` is how far off it is, in the unit of its tolerance.
    struct Deviation: CustomStringConvertible {
        let name: String
        let found: Double
        let expected: Double
        let value: Double
        let tolerance: Double

        /// False for what is not a number.
        var isWithinTolerance: Bool { value <= tolerance }

        var description: String { "\(name) is \(found), not \(expected): off by \(value), at most \(tolerance)" }
    }

    let golden: GoldenTrajectories.Method
    let tolerances: GoldenTrajectories.Tolerances
    let steps: [GoldenTrajectories.Step]
    let draws: [GoldenTrajectories.Draw]
    private let before: [String: [Float]]
    private let after: [String: [Float]]

    /// - Parameters:
    ///   - ranks: 0 runs the executable without a launcher.
    ///   - set: settings that differ from the golden's.
    init(_ method: String, ranks: Int = 0, set: [String] = []) throws {
        let goldens = try GoldenTrajectories.read()
        golden = try #require(goldens.methods[method])
        tolerances = goldens.tolerances
        let model = Assets.path("models/stories260K")
        let scratch = try TemporaryDirectory()
        let places = [
            "{output}": scratch.path + "/run", "{model}": model, "{goldens}": GoldenTrajectories.directory.path,
        ]
        let settings = golden.settings.map { setting in
            places.reduce(setting) { $0.replacingOccurrences(of: $1.key, with: $1.value) }
        }
        let configuration = try scratch.write("seed: 1\n", to: "config.yaml")
        let trace = scratch.path + "/trace.jsonl"
        let result = try CommandRunner.run(
            "rdo", ["run", configuration, "--trace", trace] + (settings + set).flatMap { ["--set", $0] }, ranks: ranks)
        try #require(result.status == 0, "\(result.error)")

        let pass = method.prefix { $0 != "+" }
        let directory = "\(scratch.path)/run/\(pass)"
        steps = try Self.lines(directory + "/metrics.jsonl")
        draws = try Self.lines(trace)
        after = try Self.tensors(directory + "/model/model.safetensors")
        var start = try Self.tensors(model + "/model.safetensors")
        let head = GoldenTrajectories.directory.appendingPathComponent("\(pass)-head.safetensors").path
        if golden.headRatio > 0 { start.merge(try Self.tensors(head)) { _, new in new } }
        before = start
    }

    private static func lines<Line: Decodable>(_ path: String) throws -> [Line] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            try JSONDecoder().decode(Line.self, from: Data($0.utf8))
        }
    }

    /// All tensors of a single-precision safetensors file, read without the program's own reader.
    private static func tensors(_ path: String) throws -> [String: [Float]] {
        let file = try Data(contentsOf: URL(fileURLWithPath: path))
        let size = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        let header = try #require(JSONSerialization.jsonObject(with: file[8..<(8 + size)]) as? [String: [String: Any]])
        return try header.filter { $0.key != "__metadata__" }.mapValues { entry in
            #expect(entry["dtype"] as? String == "F32")
            let range = try #require(entry["data_offsets"] as? [Int])
            let bytes = Array(file[(8 + size + range[0])..<(8 + size + range[1])])
            return bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        }
    }

    /// Every compared figure. Those of weights are in units of what training changed.
    func deviations() throws -> [Deviation] {
        try #require(steps.count == golden.steps.count)
        try #require(after.keys.sorted() == golden.weights.keys.sorted())
        var result: [Deviation] = []
        func compare(_ name: String, _ found: Double, _ expected: Double, unit: Double, _ tolerance: Double) {
            result.append(
                Deviation(
                    name: name, found: found, expected: expected, value: abs(found - expected) / abs(unit),
                    tolerance: tolerance))
        }
        for (number, (step, expected)) in zip(steps, golden.steps).enumerated() {
            compare("loss of step \(number)", step.loss, expected.loss, unit: expected.loss, tolerances.loss)
            compare(
                "gradient norm of step \(number)", step.gradientNorm, expected.gradientNorm,
                unit: expected.gradientNorm, tolerances.gradientNorm)
            compare(
                "learning rate of step \(number)", step.learningRate, expected.learningRate,
                unit: expected.learningRate, tolerances.learningRate)
        }
        // Adam moves no entry much further than the sum of the learning rates.
        let reach = golden.steps.reduce(0) { $0 + $1.learningRate }
        for (name, expected) in golden.weights {
            let (new, old) = (try #require(after[name]), try #require(before[name]))
            try #require(new.count == expected.count && old.count == expected.count)
            let change = expected.updateNorm
            compare(
                "change of \(name)", Self.norm(zip(new, old).map { Double($0) - Double($1) }), change, unit: change,
                tolerances.updateNorm)
            compare("norm of \(name)", Self.norm(new.map(Double.init)), expected.norm, unit: change, tolerances.norm)
            // A sum of n entries goes at most √n times as far as their norm.
            compare(
                "sum of \(name)", new.reduce(0) { $0 + Double($1) }, expected.sum,
                unit: change * Double(expected.count).squareRoot(), tolerances.sum)
            for entry in expected.entries {
                compare(
                    "\(name)[\(Int(entry[0]))]", Double(new[Int(entry[0])]), entry[1],
                    unit: name == "score.weight" ? reach * golden.headRatio : reach, tolerances.entry)
            }
        }
        return result
    }

    private static func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
}
