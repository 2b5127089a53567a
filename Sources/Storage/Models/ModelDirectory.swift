import Coding
import Diagnostics
import Foundation
import Transformer

/// A model in a Hugging Face directory: config.json and safetensors, one file or several with an index.
package final class ModelDirectory {
    package let path: String
    package let configuration: ModelConfiguration
    private let files: [String: SafetensorsFile]
    /// Which file holds a tensor.
    private let places: [String: String]
    /// What the files call the scalar head, where that is another name.
    package let scalarHeadName: String?

    /// Reads `config.json` alone.
    ///
    /// - Throws: `RDOError.artefact` when it is missing or describes no model that can be computed.
    package static func readConfiguration(_ path: String) throws -> ModelConfiguration {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
            throw RDOError(
                .artefact, "no such model directory", at: path, remedy: "name a Hugging Face model directory")
        }
        let file = path + "/config.json"
        guard let data = try InputFile.contents(of: file) else {
            throw RDOError(.artefact, "the file is missing", at: file, remedy: "name a Hugging Face model directory")
        }
        return try ModelConfiguration(json: Data(data), file: file)
    }

    /// Whether a sequence classifier of transformers reads its score one token before the end of a response: it looks for the
    /// last token that is no padding, and padding is the EOS here, as in many reward models trained without a padding token.
    ///
    /// - Returns: the token; nil where the score is read at the end.
    /// - Throws: `RDOError.artefact` when config.json cannot be understood.
    package static func paddingThatEnds(_ path: String) throws -> Int32? {
        let ends = try readConfiguration(path).eosTokenIDs
        let padding = try InputFile.object(in: path + "/config.json")?["pad_token_id"]?.integer
        return padding.flatMap { Int32(exactly: $0) }.flatMap { ends.contains($0) ? $0 : nil }
    }

    /// The tokens that end a response: those of config.json, and of generation_config.json where there is one.
    ///
    /// - Throws: `RDOError.artefact` when a file cannot be understood.
    package static func endTokens(of path: String) throws -> [Int32] {
        let own = try readConfiguration(path).eosTokenIDs
        return own + (try generationEnds(of: path)).filter { !own.contains($0) }
    }

    /// Those of generation_config.json; none where there is no such file.
    static func generationEnds(of path: String) throws -> [Int32] {
        let file = path + "/generation_config.json"
        guard let value = try InputFile.object(in: file)?["eos_token_id"] else { return [] }
        guard let more = value.integer.map({ [$0] }) ?? value.elements(\.integer),
            more.allSatisfy({ Int32(exactly: $0) != nil })
        else { throw RDOError(.artefact, "eos_token_id is neither an id nor a list of ids", at: file) }
        return more.map { Int32($0) }
    }

    /// Opens the directory and checks every tensor that a model with `head` needs.
    ///
    /// A scalar head's `score.weight` may be missing: see `contains`.
    /// - Throws: `RDOError.artefact` naming the first file or tensor that is missing, damaged or of another shape.
    package static func open(_ path: String, head: HeadKind) throws -> ModelDirectory {
        let directory = try ModelDirectory(path)
        try directory.check(ParameterLayout(directory.configuration, head: head))
        return directory
    }

    private init(_ path: String) throws {
        self.path = path
        configuration = try Self.readConfiguration(path)
        let single = path + "/model.safetensors"
        let index = path + "/model.safetensors.index.json"
        var files: [String: SafetensorsFile] = [:]
        var places: [String: String] = [:]
        if try InputFile.exists(single) {
            let file = try SafetensorsFile.open(single)
            files[single] = file
            for name in file.entries.keys { places[name] = single }
        } else if let object = try InputFile.object(in: index) {
            guard let map = Self.weightMap(object) else {
                throw RDOError(.artefact, "weight_map is missing or malformed", at: index)
            }
            if let other = map.values.sorted().first(where: { !Self.isPlainName($0) }) {
                throw RDOError(
                    .artefact, "weight_map names \(other), which is no plain file name", at: index,
                    remedy: "a model's files stand in its own directory")
            }
            for name in Set(map.values).sorted() {
                files[path + "/" + name] = try SafetensorsFile.open(path + "/" + name)
            }
            for (tensor, name) in map.sorted(by: { $0.key < $1.key }) {
                guard files[path + "/" + name]?.contains(tensor) == true else {
                    throw RDOError(.artefact, "tensor \(tensor) is not in \(name)", at: index)
                }
                places[tensor] = path + "/" + name
            }
        } else {
            throw try Self.noWeights(in: path, instead: single)
        }
        let own = TensorNames.own(of: Set(places.keys))
        scalarHeadName = own.first { $0.value == HeadKind.scalar.weightName }?.key
        self.files = files
        for file in files.values { file.rename(own) }
        self.places = Dictionary(uniqueKeysWithValues: places.map { (own[$0] ?? $0, $1) })
    }

    /// The file of each tensor as an index states it; nil when it states none, or two for a tensor.
    private static func weightMap(_ index: JSONValue) -> [String: String]? {
        guard case .object(let members)? = index["weight_map"] else { return nil }
        var map: [String: String] = [:]
        for (tensor, file) in members {
            guard let file = file.text, map.updateValue(file, forKey: String(decoding: tensor, as: UTF8.self)) == nil
            else { return nil }
        }
        return map
    }

    private static func isPlainName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && !name.utf8.contains(UInt8(ascii: "/")) && !name.utf8.contains(0)
    }

    private static func noWeights(in path: String, instead file: String) throws -> RDOError {
        let pickled = ["pytorch_model.bin", "pytorch_model.bin.index.json"]
        guard let found = try pickled.first(where: { try InputFile.exists(path + "/" + $0) }) else {
            return RDOError(
                .artefact, "the file is missing", at: file,
                remedy:
                    "weights must be in safetensors: model.safetensors or model.safetensors.index.json with its parts")
        }
        return RDOError(
            .artefact, "its weights are in \(found), a Python pickle, which is not read", at: path,
            remedy: "convert them: python -c \"from transformers import AutoModelForCausalLM as M; "
                + "M.from_pretrained('\(path)').save_pretrained('\(path)')\"")
    }

    private func check(_ layout: ParameterLayout) throws {
        let needed = layout.specs.filter { $0.role != .scalarHead || contains($0.name) }
        let missing = needed.filter { !contains($0.name) }
        if let first = missing.first {
            throw RDOError(
                .artefact, "tensor \(first.name) is missing (\(missing.count) of \(needed.count) are)", at: path,
                remedy: "use the config.json that belongs to these weights")
        }
        for spec in needed {
            let file = try file(of: spec.name)
            if spec.role == .scalarHead, let labels = file.entries[spec.name]?.shape.first, labels != 1 {
                throw RDOError(
                    .artefact, "\(spec.name) has \(labels) labels, and a scorer has one", at: path,
                    remedy: "use a reward model with num_labels 1")
            }
            try file.check(spec.name, shape: spec.shape)
        }
    }

    /// A tied model has no head of its own: one that stands in its files must be the embedding again.
    ///
    /// Some programs save both, and one was trained apart from the other; transformers then uses the head, and did not
    /// before.
    /// - Throws: `RDOError.artefact` when it is another.
    package func requireTiedHead() throws {
        let head = HeadKind.languageModel.weightName
        let specs = ParameterLayout(configuration, head: .languageModel).specs
        guard configuration.tiesEmbeddings, contains(head),
            let embedding = specs.first(where: { $0.role == .embedding })?.name
        else { return }
        let (rows, columns) = (configuration.vocabularySize, configuration.hiddenSize)
        try file(of: head).check(head, shape: [rows, columns])
        let block = 1024
        var (one, other) = (
            [Float](repeating: 0, count: block * columns), [Float](repeating: 0, count: block * columns)
        )
        for start in stride(from: 0, to: rows, by: block) {
            let part = start..<min(start + block, rows)
            try one.withUnsafeMutableBufferPointer { values in
                if let base = values.baseAddress { try read(embedding, rows: part, into: base) }
            }
            try other.withUnsafeMutableBufferPointer { values in
                if let base = values.baseAddress { try read(head, rows: part, into: base) }
            }
            let count = part.count * columns
            guard one[..<count].elementsEqual(other[..<count], by: { $0.bitPattern == $1.bitPattern }) else {
                throw RDOError(
                    .artefact, "tie_word_embeddings is true, and lm_head.weight is another matrix than the embedding",
                    at: path, remedy: "set it to false in config.json to use the head, or save the model without it")
            }
        }
    }

    /// Tensors that a model with `head` does not use, in order of names. The language-model head of a tied model or beside
    /// a scalar head, a scalar head beside a language model and the rotary tables of old files are not among them.
    package func unusedTensors(head: HeadKind) -> [String] {
        let used = Set(ParameterLayout(configuration, head: head).specs.map(\.name))
        return places.keys.filter { name in
            !used.contains(name) && !HeadKind.allCases.map(\.weightName).contains(name)
                && !name.hasSuffix("rotary_emb.inv_freq")
        }.sorted()
    }

    package func contains(_ name: String) -> Bool { places[name] != nil }

    /// Reads rows (dimension 0) of a tensor as floats.
    ///
    /// - Throws: `RDOError.artefact` when the file cannot be read.
    package func read(_ name: String, rows: Range<Int>, into values: UnsafeMutablePointer<Float>) throws {
        try file(of: name).read(name, rows: rows, into: values)
    }

    /// The first number that is none among the weights of the model's blocks, embeddings and head.
    ///
    /// - Throws: `RDOError.artefact` when a file cannot be read.
    package func firstNonFinite() throws -> (tensor: String, row: Int)? {
        let body = ParameterLayout(configuration, head: .languageModel).specs
        let heads = ParameterLayout(configuration, head: .scalar).specs.filter { $0.role == .scalarHead }
        for spec in body + heads where contains(spec.name) {
            let block = max(1, (1 << 20) / max(1, spec.columns))
            var values = [Float](repeating: 0, count: min(block, spec.rows) * spec.columns)
            for start in stride(from: 0, to: spec.rows, by: block) {
                let rows = start..<min(start + block, spec.rows)
                try values.withUnsafeMutableBufferPointer { values in
                    if let base = values.baseAddress { try read(spec.name, rows: rows, into: base) }
                }
                if let index = values[..<(rows.count * spec.columns)].firstIndex(where: { !$0.isFinite }) {
                    return (spec.name, start + index / spec.columns)
                }
            }
        }
        return nil
    }

    /// XXH3-128 over what the model computes: its configuration and the name, type, shape and bytes of every tensor.
    package func digest() throws -> String {
        let stream = DigestStream()
        stream.update(String(decoding: configuration.json(head: .languageModel), as: UTF8.self))
        for name in places.keys.sorted() {
            let file = try file(of: name)
            guard let entry = file.entries[name] else { continue }
            stream.update("\(name) \(entry.type.rawValue) \(entry.shape)")
            try file.digest(name, into: stream)
        }
        return stream.digest.hex
    }

    private func file(of name: String) throws -> SafetensorsFile {
        guard let place = places[name], let file = files[place] else {
            throw RDOError(.artefact, "tensor \(name) is missing", at: path)
        }
        return file
    }
}
