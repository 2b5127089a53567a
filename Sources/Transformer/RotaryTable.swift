import Foundation
import Tensors

/// The tables of a model: of most blocks, and of those that have a rotary base of their own.
struct RotaryTables {
    private let configuration: ModelConfiguration
    private let main: RotaryTable
    private let local: RotaryTable?

    /// - Parameter positions: of every token.
    init(positions: [Int], _ configuration: ModelConfiguration) {
        self.configuration = configuration
        main = RotaryTable(
            positions, configuration.inverseFrequencies(), factor: configuration.ropeScaling.attentionFactor)
        local = configuration.localRopeTheta.map { _ in
            RotaryTable(positions, configuration.inverseFrequencies(isLocal: true))
        }
    }

    /// Nil where a block has no rotary embedding.
    func table(ofLayer layer: Int) -> RotaryTable? {
        if configuration.unrotatedLayers.contains(layer) { return nil }
        return configuration.localLayers.contains(layer) ? local ?? main : main
    }
}

/// Cosines and sines of the rotary position embedding for every token: `[tokens, headSize / 2]` each.
///
/// Angles are formed in double precision: at position 8,000 a float angle is wrong by 5e-4.
struct RotaryTable {
    let cosines, sines: Matrix

    /// - Parameter factor: what all of them are multiplied with.
    init(_ positions: [Int], _ frequencies: [Double], factor: Double = 1) {
        let half = frequencies.count
        cosines = Matrix(rows: positions.count, columns: half)
        sines = Matrix(rows: positions.count, columns: half)
        // Branches of a tree have the same positions, whose angles are formed once.
        var firstRow = [Int](repeating: -1, count: (positions.max() ?? -1) + 1)
        for (row, position) in positions.enumerated() {
            let first = firstRow[position]
            guard first < 0 else {
                cosines.rows(row..<row + 1).copy(from: cosines.rows(first..<first + 1))
                sines.rows(row..<row + 1).copy(from: sines.rows(first..<first + 1))
                continue
            }
            firstRow[position] = row
            for (column, frequency) in frequencies.enumerated() {
                let angle = Double(position) * frequency
                cosines[row, column] = Float(factor * cos(angle))
                sines[row, column] = Float(factor * sin(angle))
            }
        }
    }

    func rotate(_ heads: Matrix, headSize: Int, inverse: Bool = false) {
        Rotary.apply(to: heads, headSize: headSize, cosines: cosines, sines: sines, inverse: inverse)
    }
}
