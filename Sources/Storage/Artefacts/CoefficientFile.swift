import Coding
import Columns
import Diagnostics

/// What computed the differences.
package struct ScorerDescription: Sendable, Equatable {
    package enum Kind: String, Sendable {
        /// The difference model: reads both responses.
        case difference
        /// A pointwise reward model: the difference is one reward minus the other.
        case reward
    }

    package var kind: Kind
    /// Whether the pair was also scored with its responses swapped.
    package var symmetric: Bool
    package var provenance: Provenance

    package init(kind: Kind, symmetric: Bool, provenance: Provenance) {
        (self.kind, self.symmetric, self.provenance) = (kind, symmetric, provenance)
    }
}

/// The differences in a coefficient file (`rdo.coefficients/1`), found by pair key.
///
/// Any program can make such a file: `schema`, `/pairs/key` and `/pairs/difference` are enough.
package struct CoefficientFile {
    package static let schema = "rdo.coefficients/1"

    /// What is known of one pair, as the scorer gave it: neither symmetrised nor raised to any power.
    package struct Entry: Sendable, Equatable {
        /// d(x, first, second)
        package let difference: Float
        /// d(x, second, first); nil when it was not computed.
        package let reversed: Float?
    }

    package let path: String
    package let header: ArtefactHeader
    package let provenance: Provenance
    /// `difference`, `reward` or what another program says; nil when the file does not say.
    package let scorer: String?
    /// What corrects the differences on request; nil when the file does not say.
    package let calibration: ScorerCalibration?
    /// False when another program made the file: then nothing but the checksums of its datasets, if any, guards it.
    package let isSealed: Bool
    /// Per row of `/pairs`.
    package let keys: ScratchColumn<ContentKey>
    package let differences: ScratchColumn<Float>
    package let reversed: ScratchColumn<Float>?
    private let rows: KeyIndex

    package var count: Int { keys.count }

    /// Reads a file.
    ///
    /// - Throws: `RDOError(.artefact)` when the file is no HDF5 file, is damaged, has another schema, lacks a dataset,
    ///   has columns of different lengths, holds a difference that is not finite, or gives one pair two values.
    package static func read(_ path: String) throws -> CoefficientFile { try CoefficientFile(path) }

    private init(_ path: String) throws {
        self.path = path
        let file: HDF5File
        (file, header, isSealed) = try SealedFile.open(path, schemas: [CoefficientFile.schema])
        provenance = try Provenance(of: file)
        scorer = try file.text("scorer")
        calibration = try ScorerCalibration(of: file)
        keys = try file.readKeys("/pairs/key")
        differences = try file.readList("/pairs/difference", Float.self, count: keys.count, like: "/pairs/key")
        reversed = try file.readListIfPresent(
            "/pairs/difference_reversed", Float.self, count: keys.count, like: "/pairs/key")
        try requireFinite(differences, "/pairs/difference", at: path)
        if let reversed { try requireFinite(reversed, "/pairs/difference_reversed", at: path) }
        rows = try index(of: keys, "/pairs/key", values: [differences] + (reversed.map { [$0] } ?? []), at: path)
    }

    package subscript(key: ContentKey) -> Entry? { rows[key].map(entry(row:)) }

    /// The first row with a key; nil when none has it.
    package func row(of key: ContentKey) -> Int? { rows[key] }

    /// How many rows have the key of an earlier one.
    package var repeatedCount: Int { rows.repeatedCount }

    package func entry(row: Int) -> Entry { Entry(difference: differences[row], reversed: reversed?[row]) }

    /// Texts, token counts and labels: what a file made by rdo has beside the differences.
    ///
    /// - Throws: `RDOError(.artefact)` when a dataset is missing or they contradict each other.
    package func readTables() throws -> CoefficientTables {
        // Its digest was compared when the differences were read.
        try CoefficientTables(of: HDF5File(opening: path))
    }

    /// The same; nil when the file has no texts.
    package func readTablesIfPresent() throws -> CoefficientTables? { try hasTables() ? readTables() : nil }

    /// True when the file has texts.
    package func hasTables() throws -> Bool {
        let file = try HDF5File(opening: path)
        return try file.exists("/queries/text") && file.exists("/responses/text") && file.exists("/pairs/first")
    }

    /// `/pairs/label`; nil when the file does not say.
    ///
    /// - Throws: `RDOError(.artefact)` that names the first value which is no label.
    package func readLabels() throws -> ScratchColumn<Int8>? {
        let labels = try HDF5File(opening: path).readListIfPresent(
            "/pairs/label", Int8.self, count: count, like: "/pairs/key")
        if let labels, let problem = CoefficientTables.labelProblem(labels) {
            throw RDOError(.artefact, problem, at: path)
        }
        return labels
    }

    /// `/responses/reward` of a reward model's file; nil of others.
    package func readRewards(responses: Int) throws -> ScratchColumn<Float>? {
        try HDF5File(opening: path).readListIfPresent(
            "/responses/reward", Float.self, count: responses, like: "/responses/text")
    }
}

/// Rows by key, the first of equals.
///
/// - Throws: `RDOError(.artefact)` when two rows with one key differ by more than rounding.
func index<T: BinaryFloatingPoint>(
    of keys: ScratchColumn<ContentKey>, _ name: String, values: [ScratchColumn<T>], at path: String
) throws -> KeyIndex {
    try KeyIndex(keys) { earlier, row in
        for values in values {
            let (a, b) = (values[earlier], values[row])
            if !isRounding(a, b) {
                throw RDOError(
                    .artefact,
                    "\(name)[\(earlier)] and [\(row)] are equal (\(keys[row])) but have the values \(a) and \(b)",
                    at: path)
            }
        }
    }
}

/// - Throws: `RDOError(.artefact)` that names the first value which is not finite.
func requireFinite<T: BinaryFloatingPoint>(_ values: ScratchColumn<T>, _ name: String, at path: String) throws {
    guard let row = values.firstIndex(where: { !$0.isFinite }) else { return }
    throw RDOError(.artefact, "\(name)[\(row)] is \(values[row])", at: path)
}

/// Whether two values of one pair differ by no more than 1e-3, relative above 1: the same texts computed in two batches need
/// not agree to the last bit.
package func isRounding<T: BinaryFloatingPoint>(_ a: T, _ b: T) -> Bool { abs(a - b) <= 1e-3 * max(1, abs(a)) }
