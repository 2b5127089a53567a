import Tensors

/// What stands on top of the trunk.
package enum HeadKind: String, Sendable, Codable, CaseIterable {
    /// Vocabulary logits, tied to the embedding or not.
    case languageModel
    /// One number at chosen rows: `score.weight`, `[1, hidden]`, no bias. The model then has no language-model head.
    case scalar

    /// The head's parameter in files.
    package var weightName: String { self == .languageModel ? "lm_head.weight" : "score.weight" }
}

/// What a parameter does in the model; its name is for files alone.
package enum ParameterRole: Sendable, Hashable {
    case embedding
    case norm
    case weight(Projection)
    case bias(Projection)
    /// The two matrices of a projection's low-rank term.
    case adapterA(Projection)
    case adapterB(Projection)
    case vocabularyHead
    case scalarHead

    /// Part of an adapter, which stands in no model's own files.
    package var isAdapter: Bool {
        switch self {
        case .adapterA, .adapterB: true
        default: false
        }
    }
}

/// The parameters that are gathered, reduced and updated together. Layouts list them in this order.
package enum ParameterGroup: Sendable, Hashable, Comparable {
    case embedding
    case block(Int)
    /// Final norm and head.
    case head

    package var isBlock: Bool { if case .block = self { true } else { false } }
}

/// One parameter: its Hugging Face name, its shape, what it does and the group it is gathered and reduced with.
package struct ParameterSpec: Sendable, Equatable {
    package let name: String
    /// One or two dimensions.
    package let shape: [Int]
    package let role: ParameterRole
    package let group: ParameterGroup

    package init(name: String, shape: [Int], role: ParameterRole, group: ParameterGroup) {
        precondition((1...2).contains(shape.count), "a parameter is a vector or a matrix")
        (self.name, self.shape, self.role, self.group) = (name, shape, role, group)
    }

    /// Dimension 0: parameters are split over ranks by rows.
    package var rows: Int { shape[0] }
    /// Floats in a row; 1 for a vector.
    package var columns: Int { shape.count == 2 ? shape[1] : 1 }
    package var count: Int { rows * columns }
    /// Weight decay applies to matrices only.
    package var isMatrix: Bool { shape.count >= 2 }
}

/// All parameters of a model, or those that are trained, in group order.
package struct ParameterLayout: Sendable, Equatable {
    package let specs: [ParameterSpec]
    /// Ascending.
    package let groupNames: [ParameterGroup]
    /// Indices into `specs` for each group.
    package let groups: [Range<Int>]

    /// - Precondition: specs are listed group by group.
    package init(specs: [ParameterSpec]) {
        self.specs = specs
        var names: [ParameterGroup] = []
        var groups: [Range<Int>] = []
        for (index, spec) in specs.enumerated() {
            if spec.group == names.last {
                groups[groups.count - 1] = groups[groups.count - 1].lowerBound..<(index + 1)
            } else {
                precondition(names.last.map { $0 < spec.group } ?? true, "parameters must be listed group by group")
                names.append(spec.group)
                groups.append(index..<(index + 1))
            }
        }
        (groupNames, self.groups) = (names, groups)
    }

    package var groupCount: Int { groups.count }
    package var parameterCount: Int { specs.reduce(0) { $0 + $1.count } }

    /// Where `group` stands among the groups; nil when the layout has nothing of it.
    package func place(of group: ParameterGroup) -> Int? { groupNames.firstIndex(of: group) }

    /// The same for a group that the layout has.
    package func requiredPlace(of group: ParameterGroup) -> Int {
        guard let place = place(of: group) else { preconditionFailure("the layout has no group \(group)") }
        return place
    }

    /// Empty when the layout has nothing of the group.
    package func specs(of group: ParameterGroup) -> ArraySlice<ParameterSpec> {
        place(of: group).map { specs[groups[$0]] } ?? []
    }
}

/// Gives a model the full parameters of a group when it needs them.
///
/// Collective: every rank of a mesh acquires the same groups in the same order, even a rank without tokens.
package protocol ParameterSource: AnyObject {
    /// The group's parameters in layout order: a matrix as `[rows, columns]`, a vector as `[1, rows]`.
    func acquire(group: ParameterGroup) throws -> [Matrix]
    /// The caller is done with the group for now.
    func release(group: ParameterGroup)
    /// The group will be acquired soon: a source that communicates may begin.
    func prefetch(group: ParameterGroup)
}

/// Takes the gradients of one leaf (micro-batch), group by group, from the last group to the first.
///
/// Collective in the same way as `ParameterSource`.
package protocol GradientSink: AnyObject {
    /// Gradients of the group's trained parameters, none where it is frozen: full-size matrices, shaped as
    /// `ParameterSource.acquire` shapes them, zero at the start of a leaf; the backward pass adds to them.
    func gradients(group: ParameterGroup) -> [Matrix]
    /// This leaf adds nothing more to the group.
    func finish(group: ParameterGroup) throws
}
