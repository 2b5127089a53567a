import Coding
import Diagnostics
import Foundation
import Testing

@testable import Storage

/// A file that is there and cannot be read is neither absent nor replaced.
@Suite("Unreadable files") struct UnreadableFileTests {
    private func pipe(_ path: String) { #expect(mkfifo(path, 0o600) == 0) }

    @Test func knownDigests() throws {
        let scratch = try Scratch()
        let path = scratch.file("digests.json")
        _ = try KnownDigests(path)
        try Data("{".utf8).write(to: URL(fileURLWithPath: path))
        _ = try KnownDigests(path)
        try FileManager.default.removeItem(atPath: path)
        pipe(path)
        #expect(artefactError { _ = try KnownDigests(path) }?.place == path)
    }

    @Test func workingFiles() throws {
        let scratch = try Scratch()
        let path = scratch.file("c.h5")
        try FileManager.default.createDirectory(atPath: path + ".partial", withIntermediateDirectories: true)
        #expect(artefactError { _ = try Sample.writer(path, pairs: 4) }?.place == path + ".partial")
        try FileManager.default.removeItem(atPath: path + ".partial")
        pipe(path + ".partial")
        #expect(artefactError { _ = try Sample.writer(path, pairs: 4) }?.place == path + ".partial")
    }

    @Test func artefacts() throws {
        let scratch = try Scratch()
        let path = scratch.file("c.h5")
        pipe(path)
        #expect(artefactError { _ = try CoefficientFile.read(path) }?.place == path)
        #expect(artefactError { _ = try Artefacts.statedDigest(of: path) }?.place == path)
        #expect(artefactError { _ = try Digest.of(file: path) }?.place == path)
    }

    @Test func origins() throws {
        let scratch = try Scratch()
        #expect(try ModelOrigin.read(scratch.path) == nil)
        pipe(scratch.file(ModelOrigin.fileName))
        artefactError { _ = try ModelOrigin.read(scratch.path) }
    }

    @Test func existence() throws {
        let scratch = try Scratch()
        let link = scratch.file("link")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: link)
        #expect(artefactError { _ = try Durable.exists(link) }?.place == link)
        #expect(try !Durable.exists(scratch.file("none")) && Durable.exists(scratch.path))
        let error = #expect(throws: RDOError.self) { try Durable.requireAbsent(link) }
        #expect(error?.kind == .usage)
    }
}
