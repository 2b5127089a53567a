import Coding
import Columns
import Diagnostics

/// All that a finished coefficient file holds.
package struct CoefficientContents {
    /// `difference` or `reward`; nil when it is not known.
    package var scorer: String?
    package var provenance: Provenance
    package var keys: Rows<ContentKey>
    /// Nil when nothing but keys, labels and differences is known.
    package var tables: CoefficientTables?
    /// Where there are no tables: +1, -1 or 0 for each pair; nil when it is not known.
    package var labels: Rows<Int8>?
    package var differences: ScratchColumn<Float>
    package var reversed: ScratchColumn<Float>?
    /// One for each response of the tables.
    package var rewards: ScratchColumn<Float>?
    package var calibration: ScorerCalibration?

    package init(
        scorer: String?, provenance: Provenance, keys: Rows<ContentKey>, tables: CoefficientTables?,
        labels: Rows<Int8>? = nil, differences: ScratchColumn<Float>, reversed: ScratchColumn<Float>?,
        rewards: ScratchColumn<Float>? = nil, calibration: ScorerCalibration? = nil
    ) {
        (self.scorer, self.provenance, self.keys, self.tables) = (scorer, provenance, keys, tables)
        (self.labels, self.differences, self.reversed, self.rewards) = (labels, differences, reversed, rewards)
        self.calibration = calibration
    }

    /// Makes a file that is not there yet, with checksums and its own digest.
    ///
    /// - Throws: `RDOError(.usage)` when there is something already, `.artefact` when it cannot be written.
    package func write(toNew path: String, header: ArtefactHeader) throws {
        try Durable.requireAbsent(path)
        var header = header
        header.schema = CoefficientFile.schema
        try SealedFile.write(path, header: header, fill)
    }

    func fill(_ file: HDF5File) throws {
        if let scorer { try file.setAttribute("scorer", .text(scorer)) }
        try file.setAttribute("symmetric", .integer(reversed == nil ? 0 : 1))
        try provenance.write(to: file)
        try calibration?.write(to: file)
        if let tables {
            try tables.write(to: file)
        } else {
            try file.write(keys, to: "/pairs/key")
            if let labels { try file.write(labels, to: "/pairs/label") }
        }
        try file.write(differences, to: "/pairs/difference")
        if let rewards { try file.write(rewards, to: "/responses/reward") }
        if let reversed {
            try file.write(reversed, to: "/pairs/difference_reversed")
            let bias = Rows(count: reversed.count) { (differences[$0] + reversed[$0]) / 2 }
            try file.write(bias, to: "/pairs/position_bias")
        }
    }
}
