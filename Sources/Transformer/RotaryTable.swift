import Foundation
import Tensors

/// The tables of a model: of most blocks, and of those that have a rotary base of their own.
struct RotaryTables {
    private let configuration: ModelConfiguration
    private let main: RotaryTable
    private let local: RotaryTable?

    init(_ forest: TokenForest, _ configuration: ModelConfiguration) {
        self.configuration = configuration
        main = RotaryTable(forest, configuration.inverseFrequencies())
        local = configuration.localRopeTheta.map { _ in
            RotaryTable(forest, configuration.inverseFrequencies(isLocal: true))
        }
    }

    /// Nil where a block has no rotary embedding.
    func table(ofLayer layer: Int) -> RotaryTable? {
        if configuration.unrotatedLayers.contains(layer) { return nil }
        return configuration.localLayers.contains(layer) ? local ?? main : main
    }
}

/// Cosines and sines of the rotary position embedding for every row of a forest: `[tokens, headSize / 2]` each.
///
/// Angles are formed in double precision: at position 8,000 a float angle is wrong by 5e-4.
struct RotaryTable {
    let cosines, sines: Matrix

    init(_ forest: TokenForest, _ frequencies: [Double]) {
        let longest = forest.segments.map { $0.position + $0.rows.count }.max() ?? 0
        let half = frequencies.count
        let cosineOfPosition = Matrix(rows: longest, columns: half)
        let sineOfPosition = Matrix(rows: longest, columns: half)
        for position in 0..<longest {
            for (column, frequency) in frequencies.enumerated() {
                let angle = Double(position) * frequency
                cosineOfPosition[position, column] = Float(cos(angle))
                sineOfPosition[position, column] = Float(sin(angle))
            }
        }
        cosines = Matrix(rows: forest.tokens.count, columns: half)
        sines = Matrix(rows: forest.tokens.count, columns: half)
        for segment in forest.segments {
            let positions = segment.position..<(segment.position + segment.rows.count)
            cosines.rows(segment.rows).copy(from: cosineOfPosition.rows(positions))
            sines.rows(segment.rows).copy(from: sineOfPosition.rows(positions))
        }
    }

    func rotate(_ heads: Matrix, headSize: Int, inverse: Bool = false) {
        Rotary.apply(to: heads, headSize: headSize, cosines: cosines, sines: sines, inverse: inverse)
    }
}
