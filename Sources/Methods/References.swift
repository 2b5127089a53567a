import Coding
import Columns
import Diagnostics
import Preferences
import Storage

/// Reference log-probabilities of the responses of some examples, joined by content key and never by row number.
struct References {
    private let file: ReferenceFile
    private let values: ScratchLists<Double>
    let modelDigest: String?
    /// Digest of the values.
    let digest: String

    /// Collective.
    /// - Throws: `RDOError.artefact` when the file is missing, of another model or tokenizer, or lacks responses.
    init(for examples: Rows<TokenizedExample>, in path: ArtefactPath, _ context: MethodContext) throws {
        (file, values) = try context.world.collectively {
            let file = try ReferenceFile.read(path.path)
            try requireTokenizer(context.conventions.tokenizer, made: file.provenance, path: path.path)
            return (file, try file.logprobs(of: examples.lazy.map(\.responseKeys)))
        }
        try MadeArtefact.reference.require(file.provenance.modelDigest, at: path.path, context)
        modelDigest = file.provenance.modelDigest
        digest = DigestStream.hex(of: values.elements)
    }

    /// Those of one example's responses.
    subscript(example: Int) -> [Double] { values[example] }

    /// That of a response by its key; nil when the file has none.
    func value(of key: ContentKey) -> Double? { file[key]?.logprob }

    /// Training starts as the model that these are of: every log-ratio of its first step must be 0.
    func areOf(_ start: StartModel) -> Bool { start.digest != nil && modelDigest == start.digest }
}

/// A file that names its tokenizer must name ours; one made by another program may say nothing.
func requireTokenizer(_ tokenizer: any Tokenizer, made provenance: Provenance, path: String) throws {
    guard let digest = provenance.tokenizerDigest, digest != tokenizer.digest else { return }
    throw RDOError(
        .artefact, "the file was made with another tokenizer", at: path,
        remedy: "run the pass that makes it again with this configuration")
}

extension DigestStream {
    /// The digest of numbers, as 32 hexadecimal digits.
    static func hex(of values: some Sequence<Double>) -> String {
        let stream = DigestStream()
        var block: [Double] = []
        for value in values {
            block.append(value)
            guard block.count == 4096 else { continue }
            stream.update(block)
            block.removeAll(keepingCapacity: true)
        }
        stream.update(block)
        return stream.digest.hex
    }
}

extension RDOError {
    /// Policy and reference are the same model, yet `count` figures that must be 0 at step 0 are not.
    static func startIsOffReference(_ figures: String) -> RDOError {
        RDOError(
            .numerical, "policy and reference are the same model, yet \(figures) at step 0 are not 0",
            remedy: "the reference log-probabilities are not this model's; delete the reference file and run again")
    }
}
