import Foundation
import TestSupport
import Testing

/// Paths that lead to no file of the expected kind end in one line within seconds, wherever a file is named.
@Suite(.serialized) struct SpecialFileTests {
    private let work: Workspace
    private let pipe: String
    private let loop: String

    init() throws {
        work = try Workspace(pairs: 8)
        try work.writeConfiguration()
        (pipe, loop) = (work.path("pipe"), work.path("loop"))
        try #require(mkfifo(pipe, 0o600) == 0)
        try FileManager.default.createSymbolicLink(atPath: loop, withDestinationPath: "loop")
    }

    private func check(
        _ result: ProcessResult, code: Int32, mentions: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(result.status == code, "\(result.error)", sourceLocation: sourceLocation)
        let lines = result.error.split(separator: "\n").filter { $0.contains("rdo: error:") }
        #expect(lines.count == 1, "\(result.error)", sourceLocation: sourceLocation)
        for word in mentions {
            #expect(lines.first?.contains(word) == true, "\(result.error)", sourceLocation: sourceLocation)
        }
    }

    private func train(_ ranks: Int, _ set: String...) throws -> ProcessResult {
        try work.rdo(
            ["train", "difference"], output: "out", ranks: ranks, set: ["difference.steps=1"] + set, timeout: 30)
    }

    @Test(arguments: [0, 2]) func dataThatAreNoFile(_ ranks: Int) throws {
        for key in ["data.train", "data.test"] {
            check(try train(ranks, "\(key)=\(pipe)"), code: 3, mentions: pipe + ": a pipe, not a regular file")
            check(try train(ranks, "\(key)=\(loop)"), code: 3, mentions: loop, "Too many levels of symbolic links")
            check(
                try train(ranks, "\(key)=\(work.path(""))"), code: 3, mentions: ": a directory, not a regular file")
            check(try train(ranks, "\(key)=/dev/zero"), code: 3, mentions: "/dev/zero: a device, not a regular file")
        }
    }

    @Test(arguments: [0, 2]) func modelsThatAreNone(_ ranks: Int) throws {
        check(try train(ranks, "difference.model=\(pipe)"), code: 4, mentions: pipe)
        check(try train(ranks, "difference.model=\(loop)"), code: 4, mentions: loop)
        check(try train(ranks, "model.tokenizer=\(pipe)"), code: 4, mentions: pipe)
        try work.succeeds(["passes=[prepare]"], output: "good", ranks: 0)
        for name in ["config.json", "tokenizer.json", "model.safetensors"] {
            let model = work.path("model-" + name)
            try FileManager.default.copyItem(atPath: work.path("good/initial-model"), toPath: model)
            try FileManager.default.removeItem(atPath: model + "/" + name)
            try #require(mkfifo(model + "/" + name, 0o600) == 0)
            check(
                try train(
                    ranks, "difference.model=\(model)", "model.tokenizer=null", "model.init=null", "model.path=\(model)"
                ),
                code: 4, mentions: model + "/" + name + ": a pipe, not a regular file")
        }
    }

    @Test func artefactsThatAreNone() throws {
        let set = ["passes=[reference, dpo]", "dpo.steps=1", "dpo.coefficients.file=\(pipe)"]
        check(try work.rdo(["run"], set: set, timeout: 30), code: 4, mentions: pipe)
        for arguments in [
            ["inspect", pipe], ["verify", pipe], ["merge", pipe, "--out", work.path("m.h5")], ["diff", pipe, pipe],
            ["export", pipe, "--out", work.path("e")], ["report", work.directory.path, "--out", pipe],
            ["judge", "--human", pipe, pipe, "--out", work.path("s.html")],
        ] {
            let result = try CommandRunner.run("rdo", arguments, timeout: 30)
            check(result, code: ["judge": 3, "report": 2][arguments[0]] ?? 4, mentions: pipe)
        }
        check(
            try work.rdo(
                ["generate"], output: "generated", set: ["generate.prompts=\(pipe)"], timeout: 30), code: 3,
            mentions: pipe)
        for path in [pipe, loop] {
            check(try CommandRunner.run("rdo", ["run", path], timeout: 30), code: 2, mentions: path)
        }
    }

    /// 20 MB in one line, plain and compressed to 20 kB: a bad row, and the rest of the file is read.
    @Test func linesOfMegabytes() throws {
        let rows = try String(contentsOfFile: work.path("train.jsonl"), encoding: .utf8)
        let long = #"{"prompt": "\#(String(repeating: "x", count: 20 << 20))", "chosen": "a", "rejected": "b"}"# + "\n"
        let plain = try work.directory.write(long + rows, to: "long.jsonl")
        let compressed = try CommandRunner.run("/bin/sh", ["-c", "gzip -1 -k '\(plain)'"])
        try #require(compressed.status == 0, "\(compressed.error)")
        for (file, ranks) in [(plain, 2), (plain + ".gz", 0)] {
            check(
                try train(ranks, "data.train=\(file)"), code: 3,
                mentions: file + ":1: a line of more than 16777216 bytes",
                "(1 of 9 rows is bad)")
            let skipped = try train(ranks, "data.train=\(file)", "data.on_error=skip")
            #expect(skipped.status == 0 && skipped.error.contains("8 examples"), "\(skipped.error)")
        }
    }

    @Test func otherEncodings() throws {
        let rows = try String(contentsOfFile: work.path("train.jsonl"), encoding: .utf8)
        for (encoding, mark) in [
            (String.Encoding.utf16BigEndian, [0xFE, 0xFF]), (.utf16LittleEndian, [0xFF, 0xFE]),
            (.utf16LittleEndian, []),
        ] {
            let data = Data(mark.map { UInt8($0) }) + (try #require(rows.data(using: encoding)))
            try data.write(to: URL(fileURLWithPath: work.path("wide.jsonl")))
            check(
                try train(2, "data.train=\(work.path("wide.jsonl"))"), code: 3, mentions: "UTF-16, not UTF-8", "iconv")
        }
        let marked = try work.directory.write("\u{FEFF}" + rows, to: "marked.jsonl")
        let plain = try train(0)
        #expect(plain.status == 0, "\(plain.error)")
        let result = try work.rdo(
            ["train", "difference"], output: "marked", set: ["difference.steps=1", "data.train=\(marked)"])
        #expect(result.status == 0, "\(result.error)")
        let weights = "difference/model/model.safetensors"
        #expect(try work.bytes("marked/" + weights) == work.bytes("out/" + weights))
    }

    @Test func endsOfStringsInNames() throws {
        for key in ["data.train", "difference.model", "output", "score.file"] {
            let result = try work.rdo(["train", "difference"], set: ["difference.steps=1", #"\#(key)="a\0b""#])
            check(result, code: 2, mentions: key, #"a\u{0}b"#)
        }
    }
}
