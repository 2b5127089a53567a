import Diagnostics
import Foundation
import Testing
import Transformer

@testable import Storage

/// Directories as people have them after a download that went wrong, and ones that were made to do harm.
@Suite("Weights that are none") struct ForeignWeightsTests {
    private let scratch: Scratch

    init() throws {
        scratch = try Scratch()
        try TinyModel.write(to: scratch.file("m"))
    }

    private func refused(_ name: String = "m") -> RDOError? {
        artefactError { _ = try ModelDirectory.open(scratch.file(name), head: .languageModel) }
    }

    @Test func pointersOfGitLFS() throws {
        let pointer =
            "version https://git-lfs.github.com/spec/v1\noid sha256:\(String(repeating: "0", count: 64))\nsize 9\n"
        try scratch.write(Data(pointer.utf8), to: "m/model.safetensors")
        let error = refused()
        #expect(
            error?.what == "a Git LFS pointer, not the file itself" && error?.remedy?.contains("git lfs pull") == true)
        #expect(error?.place == scratch.file("m/model.safetensors"))
    }

    @Test(arguments: ["pytorch_model.bin", "pytorch_model.bin.index.json"]) func pickles(_ name: String) throws {
        try FileManager.default.moveItem(
            atPath: scratch.file("m/model.safetensors"), toPath: scratch.file("m/" + name))
        let error = refused()
        #expect(error?.what == "its weights are in \(name), a Python pickle, which is not read")
        #expect(error?.remedy?.contains("save_pretrained('\(scratch.file("m"))')") == true)
    }

    /// A pickle beside safetensors is nobody's business.
    @Test func picklesBesideSafetensors() throws {
        try scratch.write(Data(), to: "m/pytorch_model.bin")
        _ = try ModelDirectory.open(scratch.file("m"), head: .languageModel)
    }

    /// The good file lies where each of these names leads.
    @Test(arguments: ["../m/model.safetensors", "./model.safetensors", "..", ".", "", "/etc/passwd", "a\\u0000b"])
    func partsElsewhere(_ name: String) throws {
        try TinyModel.writeSharded(scratch, to: "s")
        let index = #"{"weight_map": {"model.embed_tokens.weight": "\#(name)"}}"#
        try scratch.write(Data(index.utf8), to: "s/model.safetensors.index.json")
        let error = refused("s")
        #expect(error?.what.hasSuffix(", which is no plain file name") == true, "\(String(describing: error))")
        #expect(error?.place == scratch.file("s/model.safetensors.index.json"))
    }

    /// Lengths that no header has: beyond the file, and in a file of that length beyond the format.
    @Test func lengthsOfHeaders() throws {
        let path = scratch.file("m/model.safetensors")
        for length: UInt64 in [1 << 60, 1 << 63, .max - 7] {
            try scratch.write(safetensors("{}", length: length), to: "m/model.safetensors")
            #expect(refused()?.what.contains("truncated or damaged") == true)
        }
        try scratch.write(safetensors("{}", length: 150_000_000), to: "m/model.safetensors")
        // A hole: it takes no room on the disk.
        #expect(truncate(path, 160_000_000) == 0)
        let error = refused()
        #expect(error?.what == "its header claims 150000000 bytes; the format allows 100000000")
        #expect(error?.place == path)
    }

    @Test(arguments: ["config.json", "model.safetensors"]) func pipesAndDirectories(_ name: String) throws {
        let path = scratch.file("m/" + name)
        try FileManager.default.removeItem(atPath: path)
        #expect(mkfifo(path, 0o600) == 0)
        #expect(refused()?.description == path + ": a pipe, not a regular file; name a file")
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(refused()?.what == "a directory, not a regular file")
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: name)
        #expect(refused()?.description == path + ": cannot open (Too many levels of symbolic links)")
    }

    @Test func padding() throws {
        func padding(_ text: String) throws -> Int32? {
            let json = TinyModel.json.replacingOccurrences(of: #""eos_token_id": 2"#, with: text)
            try scratch.write(Data(json.utf8), to: "m/config.json")
            return try ModelDirectory.paddingThatEnds(scratch.file("m"))
        }
        #expect(try padding(#""eos_token_id": 2, "pad_token_id": 2"#) == 2)
        #expect(try padding(#""eos_token_id": [3, 2], "pad_token_id": 2"#) == 2)
        for other in ["", #", "pad_token_id": 3"#, #", "pad_token_id": null"#, #", "pad_token_id": 4294967298"#] {
            #expect(try padding(#""eos_token_id": 2"# + other) == nil)
        }
    }
}
