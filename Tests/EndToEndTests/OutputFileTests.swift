import Foundation
import TestSupport
import Testing

/// What is written never takes the place of what somebody else wrote.
@Suite(.serialized) struct OutputFileTests {
    private let work: Workspace

    init() throws {
        work = try Workspace(pairs: 8)
        try work.writeConfiguration()
        try work.succeeds(["passes=[difference, score]", "difference.steps=1"], output: "run", ranks: 0)
        try work.directory.write("mine\n", to: "mine.txt")
        try work.directory.write(#"{"mine": 1}"# + "\n", to: "mine.jsonl")
        try work.directory.write("mine\n", to: "directory/mine.txt")
    }

    /// Inputs, files of others, a directory, devices.
    private var taken: [String] {
        [
            "mine.txt", "mine.jsonl", "directory", "train.jsonl", "config.yaml", "run/coefficients.h5",
            "run/difference/model/config.json",
        ].map(work.path) + ["/dev/null"]
    }

    /// Files below the workspace with their bytes.
    private func contents() throws -> [String: Data] {
        var contents: [String: Data] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: work.directory.path) {
            contents[name] = FileManager.default.contents(atPath: work.path(name))
        }
        return contents
    }

    private func isDevice(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFCHR
    }

    /// `path` stands for what is taken.
    private func refuses(
        _ arguments: [String], at path: String, codes: Set<Int32> = [2],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let before = try contents()
        let result = try CommandRunner.run("rdo", arguments, timeout: 60)
        #expect(codes.contains(result.status), "\(arguments): \(result.error)", sourceLocation: sourceLocation)
        let lines = result.error.split(separator: "\n").filter { $0.contains("rdo: error:") }
        #expect(
            lines.count == 1 && lines[0].contains(path), "\(arguments): \(result.error)",
            sourceLocation: sourceLocation)
        #expect(try contents() == before, "\(arguments)", sourceLocation: sourceLocation)
        #expect(isDevice("/dev/null"), sourceLocation: sourceLocation)
    }

    @Test func outputsOfCommands() throws {
        let coefficients = work.path("run/coefficients.h5")
        let pairs = work.path("pairs.jsonl")
        let exported = try CommandRunner.run("rdo", ["export-pairs", coefficients, "--out", pairs])
        #expect(exported.status == 0, "\(exported.error)")
        let answers = try work.directory.write(#"{"query": "q", "responses": ["a"]}"# + "\n", to: "answers.jsonl")
        let others = try work.directory.write(#"{"query": "q", "responses": ["b"]}"# + "\n", to: "others.jsonl")
        for path in taken {
            try refuses(["export-pairs", coefficients, "--out", path], at: path)
            try refuses(["export-lists", coefficients, "--out", path], at: path)
            try refuses(["import", pairs, "--out", path], at: path)
            try refuses(["merge", coefficients, "--out", path], at: path)
            try refuses(["judge", "--human", answers, others, "--out", path], at: path)
            try refuses(["export", work.path("run/difference/checkpoints"), "--out", path], at: path)
        }
        for path in taken { try refuses(["calibrate", coefficients, "--on", coefficients, "--out", path], at: path) }
        for path in taken where path != work.path("directory") {
            try refuses(["bench", "--out", path], at: path, codes: [2, 4])
        }
    }

    /// It keeps what it prepared beside its file, and the file itself is checked.
    @Test func logProbabilities() throws {
        for path in taken where !["/dev/null", work.path("directory")].contains(path) {
            let before = FileManager.default.contents(atPath: path)
            let result = try CommandRunner.run(
                "rdo",
                [
                    "logprobs", "--model", work.path("run/initial-model"), "--data", work.path("test.jsonl"), "--out",
                    path, "--set", "data.max_tokens=200",
                ], timeout: 60)
            #expect(
                [2, 4].contains(result.status) && result.error.contains("rdo: error: \(path): "), "\(result.error)")
            #expect(FileManager.default.contents(atPath: path) == before)
        }
    }

    /// Neither what the run has beside its models, nor a model of others with the same files.
    @Test func exportedModels() throws {
        let checkpoints = work.path("run/difference/checkpoints")
        for name in ["run", "run/difference"] {
            try refuses(["export", checkpoints, "--out", work.path(name)], at: work.path(name))
        }
        let foreign = work.path("foreign")
        try FileManager.default.copyItem(atPath: work.path("run/difference/model"), toPath: foreign)
        for name in try FileManager.default.contentsOfDirectory(atPath: foreign) where name.hasPrefix("rdo") {
            try FileManager.default.removeItem(atPath: foreign + "/" + name)
        }
        try refuses(["export", checkpoints, "--out", foreign], at: foreign)
        let made = try CommandRunner.run("rdo", ["export", checkpoints, "--out", work.path("made")])
        let again = try CommandRunner.run("rdo", ["export", checkpoints, "--out", work.path("made")])
        #expect(made.status == 0 && again.status == 0, "\(made.error) \(again.error)")
    }

    private func train(_ output: String, trace: String) throws -> ProcessResult {
        try work.rdo(
            ["train", "difference"], output: output, set: ["difference.steps=1"], arguments: ["--trace", trace],
            timeout: 60)
    }

    @Test func traces() throws {
        for (index, path) in taken.enumerated() where path != "/dev/null" {
            let before = FileManager.default.contents(atPath: path)
            let result = try train("trace\(index)", trace: path)
            #expect(result.status == 2 && result.error.contains("the file holds something else"), "\(result.error)")
            #expect(result.error.contains("rdo: error: " + path))
            #expect(FileManager.default.contents(atPath: path) == before)
        }
        // Devices and pipes have nothing to lose.
        let null = try train("null", trace: "/dev/null")
        #expect(null.status == 0 && isDevice("/dev/null"), "\(null.error)")
        let full = try train("full", trace: "/dev/full")
        #expect(full.status == 2 && full.error.contains("/dev/full: cannot write"), "\(full.error)")
        let pipe = work.path("pipe")
        #expect(mkfifo(pipe, 0o600) == 0)
        let reader = Process()
        reader.executableURL = URL(fileURLWithPath: "/bin/sh")
        reader.arguments = ["-c", "exec cat '\(pipe)' > '\(work.path("read"))'"]
        try reader.run()
        let piped = try train("piped", trace: pipe)
        #expect(piped.status == 0, "\(piped.error)")
        reader.waitUntilExit()
        #expect(try work.metrics("read").map { $0["step"] as? Int } == [0])
        var status = stat()
        #expect(lstat(pipe, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
    }

    /// A pass would write its model over the one that it reads.
    @Test func aModelIsNotItsOwnStart() throws {
        let model = work.path("run/difference/model")
        let before = try contents()
        for spelling in [model, work.path("run/../run//difference/model/")] {
            let result = try work.rdo(["train", "difference"], ranks: 2, set: ["difference.model=\(spelling)"])
            #expect(
                result.status == 2 && result.error.contains("difference would replace the model that it starts from"),
                "\(result.error)")
        }
        for (name, data) in before where name.hasPrefix("run/difference/") {
            #expect(FileManager.default.contents(atPath: work.path(name)) == data)
        }
    }
}
