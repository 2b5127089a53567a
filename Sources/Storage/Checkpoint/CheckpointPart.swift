/// One of the arrays that a checkpoint keeps for every parameter. All are f32.
package enum CheckpointKind: CaseIterable, Sendable, Hashable {
    /// The weights.
    case model
    /// AdamW's running mean of gradients.
    case firstMoment
    /// AdamW's running mean of squared gradients.
    case secondMoment

    /// Where its datasets are, in shards and in the index.
    var group: String {
        switch self {
        case .model: "/model"
        case .firstMoment: "/optimizer/m"
        case .secondMoment: "/optimizer/v"
        }
    }
}

/// Which rows of an array a shard holds.
struct CheckpointPart: Hashable {
    let kind: CheckpointKind
    let name: String
    /// The whole array's.
    let shape: [Int]
    let rows: Range<Int>
}
