import Coding
import Columns
import Diagnostics

/// Log-probabilities of responses under one model (`rdo.reference/1`, or `rdo.logprobs/1`), found by response key.
package struct ReferenceFile {
    package static let schema = "rdo.reference/1"
    /// The same layout, made by `rdo logprobs`.
    package static let logprobsSchema = "rdo.logprobs/1"

    /// What is known of one response.
    package struct Entry: Sendable, Equatable {
        /// The sum of log π(token) over the response's tokens, its EOS included.
        package let logprob: Double
        /// Tokens in that sum; nil when another program made the file and does not say.
        package let tokenCount: Int?
    }

    package let path: String
    package let header: ArtefactHeader
    package let provenance: Provenance
    /// False when another program made the file: then nothing but the checksums of its datasets, if any, guards it.
    package let isSealed: Bool
    /// Per row of `/responses`, in the order of the data file.
    package let keys: ScratchColumn<ContentKey>
    package let logprobs: ScratchColumn<Double>
    package let tokenCounts: ScratchColumn<Int32>?
    private let rows: KeyIndex

    package var count: Int { keys.count }

    /// Reads a file.
    ///
    /// - Throws: `RDOError(.artefact)` when the file is no HDF5 file, is damaged, has another schema, lacks a dataset,
    ///   has columns of different lengths, holds a value that is not finite, or gives one response two values.
    package static func read(_ path: String) throws -> ReferenceFile { try ReferenceFile(path) }

    private init(_ path: String) throws {
        self.path = path
        let file: HDF5File
        (file, header, isSealed) = try SealedFile.open(
            path, schemas: [ReferenceFile.schema, ReferenceFile.logprobsSchema])
        provenance = try Provenance(of: file)
        keys = try file.readKeys("/responses/key")
        logprobs = try file.readList("/responses/logprob", Double.self, count: keys.count, like: "/responses/key")
        tokenCounts = try file.readListIfPresent(
            "/responses/token_count", Int32.self, count: keys.count, like: "/responses/key")
        try requireFinite(logprobs, "/responses/logprob", at: path)
        rows = try index(of: keys, "/responses/key", values: [logprobs], at: path)
    }

    package subscript(key: ContentKey) -> Entry? {
        rows[key].map { row in Entry(logprob: logprobs[row], tokenCount: tokenCounts.map { Int($0[row]) }) }
    }

    /// Log-probability of each response of some lists of responses, in their order.
    ///
    /// - Throws: `RDOError(.artefact)` when some are missing: how many, and which first.
    package func logprobs(of lists: some Sequence<[ContentKey]>) throws -> ScratchLists<Double> {
        let found = ScratchLists<Double>()
        var (count, missing) = (0, 0)
        var first: (number: Int, key: ContentKey)?
        for list in lists {
            let values = list.map { key -> Double in
                count += 1
                if let row = rows[key] { return logprobs[row] }
                missing += 1
                first = first ?? (count - 1, key)
                return .nan
            }
            try found.append(values)
        }
        guard let first else { return found }
        throw RDOError(
            .artefact,
            "\(missing) of \(count) responses are missing, the first is number \(first.number) (\(first.key))",
            at: path,
            remedy: "make the file again from the same data, template and tokenizer")
    }
}

/// Writes a reference file.
package final class ReferenceWriter: ChunkedWriter<Double> {
    private let tokenCounts: Rows<Int32>

    /// See `ChunkedWriter`.
    ///
    /// - Parameters:
    ///   - header: its schema is `ReferenceFile.schema` or `ReferenceFile.logprobsSchema`.
    ///   - keys: one per response, in the order of the data file.
    ///   - tokenCounts: tokens per response, its EOS included.
    package init(
        path: String, header: ArtefactHeader, provenance: Provenance, keys: Rows<ContentKey>, tokenCounts: Rows<Int32>,
        chunkRows: Int
    ) throws {
        precondition(
            [ReferenceFile.schema, ReferenceFile.logprobsSchema].contains(header.schema), "not a reference schema")
        precondition(keys.count == tokenCounts.count, "one token count per response")
        self.tokenCounts = tokenCounts
        try super.init(
            path: path, header: header, kind: header.schema, provenance: provenance, keys: keys,
            columns: ["/responses/logprob"], chunkRows: chunkRows)
    }

    /// Stores the log-probabilities of whole chunks of responses and returns when they are on the disk.
    ///
    /// - Throws: `RDOError(.numerical)` when a value is not finite.
    package func write(rows: Range<Int>, logprobs: [Double]) throws {
        try write(rows: rows, [logprobs], finite: logprobs, "the log-probability of response")
    }

    /// See `ChunkedWriter.finish(_:)`.
    package func finish() throws {
        try finish { file, columns in
            try provenance.write(to: file)
            try file.write(keys, to: "/responses/key")
            try file.write(columns[0], to: "/responses/logprob")
            try file.write(tokenCounts, to: "/responses/token_count")
        }
    }
}
