import Diagnostics
import Foundation

/// The root attributes that every file of the program has.
package struct ArtefactHeader: Sendable, Equatable, Encodable {
    /// What the file holds and the version of its layout, for example `rdo.coefficients/1`.
    package var schema: String
    /// When it was made: ISO 8601, UTC. Empty when the file does not say.
    package var created: String
    /// What made it: `rdo VERSION`. Empty when the file does not say.
    package var software: String
    /// The effective configuration, YAML. Empty when the file does not say.
    package var config: String
    /// How many ranks made it; 0 when the file does not say.
    package var worldSize: Int

    package init(schema: String, software: String, config: String, worldSize: Int, created: Date = Date()) {
        self.schema = schema
        self.created = created.formatted(.iso8601)
        (self.software, self.config, self.worldSize) = (software, config, worldSize)
    }

    /// Reads the header; only `schema` is required.
    ///
    /// - Throws: `RDOError(.artefact)` when the schema is missing or not among `schemas`.
    init(of file: HDF5File, schemas: [String]) throws {
        let found = try file.text("schema")
        guard let schema = found, schemas.contains(schema) else {
            throw RDOError(
                .artefact, found.map { "the schema is \($0)" } ?? "the root attribute schema is missing",
                at: file.filePath, remedy: "expected " + schemas.joined(separator: " or "))
        }
        self.schema = schema
        created = try file.text("created") ?? ""
        software = try file.text("software") ?? ""
        config = try file.text("config") ?? ""
        worldSize = try file.integer("world_size") ?? 0
    }

    /// - Parameter inline: see `HDF5Object.setAttribute`.
    package func write(to file: HDF5File, inline: Bool = false) throws {
        try file.setAttribute("schema", .text(schema), inline: inline)
        try file.setAttribute("created", .text(created), inline: inline)
        try file.setAttribute("software", .text(software), inline: inline)
        try file.setAttribute("config", .text(config), inline: inline)
        try file.setAttribute("world_size", .integer(Int64(worldSize)))
    }
}

/// What an artefact was computed with. A file made by another program may leave any of it out.
package struct Provenance: Sendable, Equatable, Encodable {
    package var modelDigest: String?
    package var tokenizerDigest: String?
    package var dataDigest: String?
    /// What a scorer read, with its own limits, where that is not the data alone.
    package var inputDigest: String?
    /// The template that made texts out of records: its name, or its texts where it has none.
    package var template: String?

    package init(
        modelDigest: String?, tokenizerDigest: String?, dataDigest: String?, inputDigest: String? = nil,
        template: String?
    ) {
        (self.modelDigest, self.tokenizerDigest) = (modelDigest, tokenizerDigest)
        (self.dataDigest, self.inputDigest, self.template) = (dataDigest, inputDigest, template)
    }

    init(of file: HDF5File) throws {
        self.init(
            modelDigest: try file.text("model_digest"), tokenizerDigest: try file.text("tokenizer_digest"),
            dataDigest: try file.text("data_digest"), inputDigest: try file.text("input_digest"),
            template: try file.text("template"))
    }

    func write(to file: HDF5File) throws {
        for (name, value) in attributes { try file.setAttribute(name, .text(value)) }
    }

    /// What an artefact that is there was made with and this one is not.
    package func differences(from other: Provenance) -> [String] {
        let (own, others) = (
            Dictionary(uniqueKeysWithValues: attributes), Dictionary(uniqueKeysWithValues: other.attributes)
        )
        func shown(_ value: String?) -> String { value.map { $0.count == 32 ? $0.prefix(8) + "…" : $0 } ?? "not said" }
        return Set(own.keys).union(others.keys).sorted().filter { own[$0] != others[$0] }.map {
            "\($0) was \(shown(others[$0])) and is \(shown(own[$0]))"
        }
    }

    package var attributes: [(name: String, value: String)] {
        [
            ("model_digest", modelDigest), ("tokenizer_digest", tokenizerDigest), ("data_digest", dataDigest),
            ("input_digest", inputDigest), ("template", template),
        ].compactMap { name, value in value.map { (name, $0) } }
    }
}
