import Foundation
import Tensors

/// Cosines and sines of the rotary position embedding for every row of a forest: `[tokens, headSize / 2]` each.
///
/// Angles are formed in double precision: at position 8,000 a float angle is wrong by 5e-4.
struct RotaryTable {
    let cosines: Matrix
    let sines: Matrix

    init(_ forest: TokenForest, _ configuration: ModelConfiguration) {
        let frequencies = configuration.inverseFrequencies()
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
