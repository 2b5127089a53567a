import Diagnostics
import Parallel
import Tensors
import Transformer

/// A small layout with everything that can go wrong: vectors, one row, fewer rows than ranks, sizes that are no multiple
/// of anything, a matrix of several messages and small parameters that share messages with it.
let layout = ParameterLayout(specs: [
    ParameterSpec(name: "embedding", shape: [13, 6], role: .embedding, group: .embedding),
    ParameterSpec(name: "norm", shape: [5], role: .norm, group: .block(0)),
    ParameterSpec(name: "query", shape: [7, 5], role: .weight(.query), group: .block(0)),
    ParameterSpec(name: "large", shape: [700, 1100], role: .weight(.up), group: .block(0)),
    ParameterSpec(name: "bias", shape: [3], role: .bias(.query), group: .block(0)),
    ParameterSpec(name: "norm", shape: [6], role: .norm, group: .head),
    ParameterSpec(name: "score", shape: [1, 6], role: .scalarHead, group: .head),
])

/// A float that depends on all arguments and on nothing else, of widely varying magnitude so that the order of a sum shows.
func value(_ parameter: Int, _ element: Int, _ variant: Int) -> Float {
    var bits =
        UInt64(truncatingIfNeeded: (parameter &* 0x1_0000_0001 &+ element) &* 64 &+ variant) &* 0x9E37_79B9_7F4A_7C15
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    bits ^= bits >> 31
    let magnitude = Float(sign: .plus, exponent: Int(bits >> 59) - 16, significand: 1)
    return (Float(bits & 0xFF_FFFF) / Float(1 << 23) - 1) * magnitude
}

/// All meshes that `world` can form: with memory shared within the node and without, and on several nodes of two or
/// three ranks, which need not divide the ranks.
func meshes(_ world: Communicator) throws -> [Mesh] {
    try (1...world.size).filter { world.size % $0 == 0 }.flatMap { shards in
        try [true, false].map { try Mesh(world: world, shards: shards, sharesMemory: $0) }
            + [2, 3].filter { $0 < world.size }.map { try Mesh(world: world, shards: shards, ranksPerNode: $0) }
    }
}

func fill(_ parameters: ShardedParameters, variant: Int) throws {
    for (index, spec) in parameters.layout.specs.enumerated() {
        let first = parameters.ownRows(index).lowerBound * spec.columns
        let elements = parameters.slice(index).elements
        for element in elements.indices { elements[element] = value(index, first + element, variant) }
    }
    try parameters.invalidate()
}

func checkParameters(_ world: Communicator) throws {
    for mesh in try meshes(world) {
        for policy in [GatherPolicy.step, .block] {
            let parameters = try ShardedParameters(layout: layout, mesh: mesh, gather: policy)
            for variant in 0..<3 {
                try fill(parameters, variant: variant)
                // Forward and backward, each group twice and beside the next, as the embedding of a tied head is.
                let order: [ParameterGroup] = [.embedding, .block(0), .head, .head, .block(0), .embedding]
                for (group, next) in zip(order, order.dropFirst() + order.prefix(1)) {
                    try requireValues(try parameters.acquire(group: group), group, variant)
                    let again = try parameters.acquire(group: group)
                    let other = try parameters.acquire(group: next)
                    parameters.release(group: next)
                    parameters.release(group: group)
                    try requireValues(again, group, variant)
                    if policy == .step { try requireValues(other, next, variant) }
                    parameters.release(group: group)
                }
            }
            try require(
                parameters.isGatheredOncePerNode == (mesh.shards.size > 1 && mesh.sharesMemory), "where copies live")
            let held = layout.specs.indices.map { parameters.slice($0).rows }
            let total = try mesh.shards.allReduceSum(held.map(Int64.init))
            try require(total == layout.specs.map { Int64($0.rows) }, "every row is held once")
        }
    }
}

private func requireValues(_ matrices: [Matrix], _ group: ParameterGroup, _ variant: Int) throws {
    for (index, matrix) in zip(layout.groups[layout.requiredPlace(of: group)], matrices) {
        let spec = layout.specs[index]
        let shape = spec.isMatrix ? spec.shape : [1, spec.rows]
        try require([matrix.rows, matrix.columns] == shape, "shape of \(spec.name)")
        let isRight = matrix.elements.enumerated().allSatisfy { $1 == value(index, $0, variant) }
        try require(isRight, "values of \(spec.name), variant \(variant)")
    }
}

/// Frozen parameters are whole on every rank; bfloat16 holds what it can hold exactly and refuses the rest.
func checkFrozen(_ world: Communicator) throws {
    func frozen(_ mesh: Mesh, _ storage: FrozenStorage, _ value: @escaping (Int, Int) -> Float) throws
        -> FrozenParameters
    {
        try FrozenParameters(layout: layout, mesh: mesh, storage: storage) { index, rows, values in
            let columns = layout.specs[index].columns
            for element in 0..<(rows.count * columns) {
                values[element] = value(index, rows.lowerBound * columns + element)
            }
        }
    }
    func short(_ index: Int, _ element: Int) -> Float {
        Float(bitPattern: value(index, element, 4).bitPattern & 0xFFFF_0000)
    }
    for mesh in try meshes(world) {
        for storage in FrozenStorage.allCases {
            let parameters = try frozen(mesh, storage, short)
            // The one rank that asks is not waited for by the others.
            let order: [ParameterGroup] = world.rank == 0 ? [.embedding, .block(0), .head, .block(0), .embedding] : []
            for group in order {
                let indices = layout.groups[layout.requiredPlace(of: group)]
                for (index, matrix) in zip(indices, parameters.acquire(group: group)) {
                    let isRight = matrix.elements.enumerated().allSatisfy { $1 == short(index, $0) }
                    try require(isRight, "values of \(layout.specs[index].name)")
                }
                parameters.release(group: group)
            }
            try world.barrier()
        }
        let error = try refusal("weights that bf16 would round must be refused") {
            _ = try frozen(mesh, .bf16) { value($0, $1, 4) }
        }
        try require(error.kind == .usage && error.what.contains("bf16"), "\(error)")
    }
}
