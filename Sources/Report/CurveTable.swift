import Foundation

/// The curves of a pass, thinned to what a chart can show: points of equally many lines each.
package struct CurveTable: Encodable {
    package struct Curve: Encodable {
        package let name: String
        /// Of each point: the mean over its lines that have a finite number, six digits; nil where none has.
        package let values: [Double?]
        /// The least and the greatest over a point's lines; nil where a point is a line.
        package let low: [Double?]?
        package let high: [Double?]?
        /// Lines without a finite number.
        package let missing: Int
        /// Over all lines, nothing rounded; nil where no line has a finite number.
        package let first: Double?
        package let last: Double?
        package let least: Double?
        package let greatest: Double?
    }

    package let file: String
    package let lines: Int
    package let firstStep: Int?
    package let lastStep: Int?
    package let linesPerPoint: Int
    /// Of each point's first line.
    package let steps: [Int]
    package let curves: [Curve]
    package let testData: [String]

    /// - Parameter limit: the most points of a curve.
    init(_ table: MetricsTable, file: String, limit: Int) {
        self.file = file
        (lines, firstStep, lastStep) = (table.steps.count, table.steps.first, table.steps.last)
        let size = max(1, (table.steps.count + limit - 1) / limit)
        let starts = Array(stride(from: 0, to: table.steps.count, by: size))
        linesPerPoint = size
        steps = starts.map { table.steps[$0] }
        testData = table.testData
        curves = table.columns.map { Self.curve($0, starts, size) }
    }

    private static func curve(_ column: MetricsTable.Column, _ starts: [Int], _ size: Int) -> Curve {
        let points = starts.map { start in
            column.values[start..<min(start + size, column.values.count)].filter(\.isFinite)
        }
        let finite = column.values.lazy.filter(\.isFinite)
        // Halved terms, so that the sum of two great numbers is finite.
        func mean(_ values: [Double]) -> Double? {
            values.isEmpty ? nil : 2 * values.reduce(0) { $0 + $1 / 2 / Double(values.count) }
        }
        return Curve(
            name: column.name, values: points.map { sixDigits(mean($0)) },
            low: size > 1 ? points.map { sixDigits($0.min()) } : nil,
            high: size > 1 ? points.map { sixDigits($0.max()) } : nil,
            missing: column.values.count { !$0.isFinite }, first: finite.first, last: finite.last,
            least: finite.min(), greatest: finite.max())
    }

    /// Nil for what is not finite, which JSON cannot say.
    static func sixDigits(_ value: Double?) -> Double? {
        value.flatMap { $0.isFinite ? Double(String(format: "%.5e", $0)) : nil }
    }
}
