import Tensors

/// What stands on top of the trunk.
package enum HeadKind: String, Sendable, Codable {
    /// Vocabulary logits, tied to the embedding or not.
    case languageModel
    /// One number at chosen rows: `score.weight`, `[1, hidden]`, no bias. The model then has no language-model head.
    case scalar
}

/// One parameter: its Hugging Face name, its shape and the group it is gathered and reduced with.
package struct ParameterSpec: Sendable, Equatable {
    package let name: String
    /// One or two dimensions.
    package let shape: [Int]
    /// 0: embedding; 1 ... layers: blocks; layers + 1: final norm and head.
    package let group: Int

    package init(name: String, shape: [Int], group: Int) {
        precondition((1...2).contains(shape.count), "a parameter is a vector or a matrix")
        self.name = name
        self.shape = shape
        self.group = group
    }

    /// Dimension 0: parameters are split over ranks by rows.
    package var rows: Int { shape[0] }
    /// Floats in a row; 1 for a vector.
    package var columns: Int { shape.count == 2 ? shape[1] : 1 }
    package var count: Int { rows * columns }
    /// Weight decay applies to matrices only.
    package var isMatrix: Bool { shape.count >= 2 }
}

/// All parameters of a model, in group order.
package struct ParameterLayout: Sendable, Equatable {
    package let specs: [ParameterSpec]
    package let groupCount: Int
    /// Indices into `specs` for each group.
    package let groups: [Range<Int>]

    /// - Precondition: groups count up from 0 without gaps.
    package init(specs: [ParameterSpec]) {
        self.specs = specs
        var groups: [Range<Int>] = []
        for (index, spec) in specs.enumerated() {
            if spec.group == groups.count { groups.append(index..<index) }
            precondition(spec.group == groups.count - 1, "parameters must be listed group by group")
            groups[spec.group] = groups[spec.group].lowerBound..<(index + 1)
        }
        self.groups = groups
        groupCount = groups.count
    }

    package var parameterCount: Int { specs.reduce(0) { $0 + $1.count } }
}

/// Gives a model the full parameters of a group when it needs them.
///
/// Collective: every rank of a mesh acquires the same groups in the same order, even a rank without tokens.
package protocol ParameterSource: AnyObject {
    /// The group's parameters in layout order: a matrix as `[rows, columns]`, a vector as `[1, rows]`.
    func acquire(group: Int) throws -> [Matrix]
    /// The caller is done with the group for now.
    func release(group: Int)
    /// The group will be acquired soon: a source that communicates may begin.
    func prefetch(group: Int)
}

/// Takes the gradients of one leaf (micro-batch), group by group, from the last group to the first.
///
/// Collective in the same way as `ParameterSource`.
package protocol GradientSink: AnyObject {
    /// Full-size matrices, shaped as `ParameterSource.acquire` shapes them, zero at the start of a leaf; the backward pass adds to them.
    func gradients(group: Int) -> [Matrix]
    /// This leaf adds nothing more to the group.
    func finish(group: Int) throws
}
