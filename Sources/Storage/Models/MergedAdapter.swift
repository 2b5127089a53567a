import Diagnostics
import Tensors
import Transformer

/// Adapters that become part of a model's weights as these are read, and tensors that an adapter directory has whole, which
/// stand in the place of the model's.
package struct MergedAdapter {
    private let directory: AdapterDirectory
    /// By the name of the weight.
    private let adaptations: [String: LowRankAdaptation]

    /// - Throws: `RDOError.artefact` when the directory is not whole, or something in it has no place in the model.
    package init(_ path: String, _ configuration: ModelConfiguration, head: HeadKind) throws {
        directory = try AdapterDirectory.open(path)
        let layout = ParameterLayout(configuration, head: head)
        try directory.requireSavedModules()
        var (adaptations, known): ([String: LowRankAdaptation], Set<String>) = ([:], [])
        for spec in layout.specs {
            if directory.contains(spec.name) {
                try directory.check(whole: spec)
                known.insert(spec.name)
            } else if let adaptation = try directory.adaptation(of: spec) {
                let (a, b) = Self.names(spec)
                try directory.check(a, shape: [adaptation.rank, spec.columns])
                try directory.check(b, shape: [spec.rows, adaptation.rank])
                adaptations[spec.name] = adaptation
                known.formUnion([a, b])
            }
        }
        try Self.requireApart(directory, layout, configuration)
        try directory.requireKnown(known)
        self.adaptations = adaptations
    }

    /// A model with one matrix for its embedding and its head would have two.
    private static func requireApart(
        _ directory: AdapterDirectory, _ layout: ParameterLayout, _ configuration: ModelConfiguration
    ) throws {
        let tied = layout.specs.filter { $0.role == .embedding }.map(\.name) + [HeadKind.languageModel.weightName]
        guard configuration.tiesEmbeddings, let name = tied.first(where: directory.contains) else { return }
        throw directory.error(
            "\(name) was trained whole, and the base has one matrix for its embedding and its head",
            remedy: "merge the adapters with peft's merge_and_unload, and save the model with tie_word_embeddings false"
        )
    }

    private static func names(_ weight: ParameterSpec) -> (a: String, b: String) {
        let module = AdapterDirectory.module(of: weight)
        return (module + ".lora_A.weight", module + ".lora_B.weight")
    }

    /// Makes of rows of the base's parameter those of the merged model's: `W + (alpha / rank) B A`.
    /// - Throws: `RDOError.artefact` when the file cannot be read.
    package func apply(to spec: ParameterSpec, rows: Range<Int>, _ values: UnsafeMutablePointer<Float>) throws {
        if directory.contains(spec.name) { return try directory.read(spec.name, rows: rows, into: values) }
        guard let adaptation = adaptations[spec.name], !rows.isEmpty else { return }
        let (a, b) = Self.names(spec)
        let left = Matrix(rows: rows.count, columns: adaptation.rank)
        let right = Matrix(rows: adaptation.rank, columns: spec.columns)
        try directory.read(b, rows: rows, into: left.pointer)
        try directory.read(a, rows: 0..<right.rows, into: right.pointer)
        let weight = Matrix(rows: rows.count, columns: spec.columns)
        weight.pointer.update(from: values, count: weight.rows * weight.columns)
        let sum = adaptation.merged(weight, a: right, b: left)
        values.update(from: sum.pointer, count: sum.rows * sum.columns)
    }

    /// XXH3-128 over what the adapters compute.
    package func digest() throws -> String { try directory.digest() }
}
