import Tensors

/// All parameters, and their gradients, whole in this process: for tools and tests without ranks.
package final class LocalParameters: ParameterSource, GradientSink {
    package let layout: ParameterLayout
    /// In layout order; a vector parameter is `[1, rows]`.
    package let values: [Matrix]
    package let gradients: [Matrix]

    package init(_ layout: ParameterLayout) {
        self.layout = layout
        values = layout.specs.map(\.gatheredMatrix)
        gradients = layout.specs.map(\.gatheredMatrix)
    }

    package func acquire(group: ParameterGroup) -> [Matrix] { Array(values[indices(group)]) }
    package func release(group: ParameterGroup) {}
    package func prefetch(group: ParameterGroup) {}
    package func gradients(group: ParameterGroup) -> [Matrix] { Array(gradients[indices(group)]) }
    package func finish(group: ParameterGroup) {}

    private func indices(_ group: ParameterGroup) -> Range<Int> {
        layout.place(of: group).map { layout.groups[$0] } ?? 0..<0
    }
}

extension ParameterSpec {
    /// A zero matrix shaped as models see the whole parameter: `[rows, columns]`, a vector as `[1, rows]`.
    package var gatheredMatrix: Matrix {
        isMatrix ? Matrix(rows: rows, columns: columns) : Matrix(rows: 1, columns: rows)
    }
}
