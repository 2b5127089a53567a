import Tensors

/// All parameters, and their gradients, whole in this process: for tools and tests without ranks.
public final class LocalParameters: ParameterSource, GradientSink {
    public let layout: ParameterLayout
    /// In layout order; a vector parameter is `[1, rows]`.
    public let values: [Matrix]
    public let gradients: [Matrix]

    public init(_ layout: ParameterLayout) {
        self.layout = layout
        values = layout.specs.map(\.gatheredMatrix)
        gradients = layout.specs.map(\.gatheredMatrix)
    }

    public func acquire(group: Int) -> [Matrix] { Array(values[layout.groups[group]]) }
    public func release(group: Int) {}
    public func prefetch(group: Int) {}
    public func gradients(group: Int) -> [Matrix] { Array(gradients[layout.groups[group]]) }
    public func finish(group: Int) {}
}

extension ParameterSpec {
    /// A zero matrix shaped as models see the whole parameter: `[rows, columns]`, a vector as `[1, rows]`.
    public var gatheredMatrix: Matrix {
        isMatrix ? Matrix(rows: rows, columns: columns) : Matrix(rows: 1, columns: rows)
    }
}
