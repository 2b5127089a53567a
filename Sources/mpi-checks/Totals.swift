import Parallel
import Tensors
import Transformer

/// The gradient total of V leaves, on every mesh: equal to the tree summed serially, and printed for the comparison
/// between numbers of ranks. On numbers of ranks that are no power of two the sums agree to rounding only.
func checkTotals(_ world: Communicator) throws {
    let isPowerOfTwo = world.size & (world.size - 1) == 0
    let accumulators = try meshes(world).map { (mesh: $0, accumulator: GradientAccumulator(layout: layout, mesh: $0)) }
    for leafCount in [1, 2, 4, 6, 7, 8, 16] {
        let expected = world.rank == 0 ? reference(leaves: Array(0..<leafCount)) : []
        for (mesh, accumulator) in accumulators {
            // A leaf that failed half-way must leave no trace.
            accumulator.leaf().gradients(group: .block(0))[2].fill(7)
            accumulator.reset()
            for subStep in 0..<((leafCount + world.size - 1) / world.size) {
                try runLeaf(subStep * world.size + world.rank, of: leafCount, accumulator)
            }
            let totals = try gatheredTotals(accumulator, mesh)
            guard world.rank == 0 else { continue }
            let place = "V=\(leafCount) shards=\(mesh.shards.size)"
            if isPowerOfTwo {
                try require(digest(totals) == digest(expected), place + ": the total is not the tree's")
            } else {
                try require(isClose(totals, expected), place + ": the total is not the sum")
            }
            print(place, digest(totals))
        }
    }
    // The order of the sum matters for these leaves; otherwise equal digests would say nothing.
    if world.rank == 0 {
        let rotated = digest(reference(leaves: [1, 2, 3, 4, 5, 6, 7, 0]))
        try require(rotated != digest(reference(leaves: Array(0..<8))), "leaves whose order does not matter")
    }
}

/// Equal to the rounding of at most 16 addends, none larger than 2^16.
private func isClose(_ a: [[Float]], _ b: [[Float]]) -> Bool {
    zip(a, b).allSatisfy { a, b in zip(a, b).allSatisfy { abs($0 - $1) <= 0.125 } }
}

/// One leaf as a backward pass runs it: last group first, the embedding touched early as by a tied head.
private func runLeaf(_ leaf: Int, of leafCount: Int, _ accumulator: GradientAccumulator) throws {
    let sink = accumulator.leaf()
    for (group, indices) in zip(layout.groupNames, layout.groups).reversed() {
        if leaf < leafCount {
            for (index, matrix) in zip(indices, sink.gradients(group: group)) {
                let elements = matrix.elements
                for element in elements.indices { elements[element] += value(index, element, leaf) }
            }
            if group == .head { sink.gradients(group: .embedding)[0].fill(0) }
        }
        try sink.finish(group: group)
    }
}

/// The whole totals by parameter, on every rank; replicas must agree.
private func gatheredTotals(_ accumulator: GradientAccumulator, _ mesh: Mesh) throws -> [[Float]] {
    let carrier = try ShardedParameters(layout: layout, mesh: mesh, gather: .block)
    for (index, spec) in layout.specs.enumerated() {
        let slice = carrier.slice(index)
        let total = try accumulator.total(group: layout.requiredPlace(of: spec.group))
        slice.pointer.update(from: total.pointer + slice.offset, count: slice.rows * slice.columns)
    }
    var totals: [[Float]] = []
    for group in layout.groupNames {
        totals += try carrier.acquire(group: group).map { Array($0.elements) }
        carrier.release(group: group)
    }
    let digests = try mesh.world.allGather(Array(digest(totals).utf8))
    try require(digests.allSatisfy { $0 == digests[0] }, "ranks disagree about a total")
    return totals
}

/// The tree over `leaves`, as its definition says: the left part is the largest power of two below the count.
private func reference(leaves: [Int]) -> [[Float]] {
    guard leaves.count > 1 else {
        return layout.specs.enumerated().map { index, spec in (0..<spec.count).map { value(index, $0, leaves[0]) } }
    }
    var left = 1
    while 2 * left < leaves.count { left *= 2 }
    return zip(reference(leaves: Array(leaves.prefix(left))), reference(leaves: Array(leaves.dropFirst(left)))).map {
        zip($0, $1).map { $0 + $1 }
    }
}

/// FNV-1a over the bits of floats.
private func digest(_ parameters: [[Float]]) -> String {
    var state: UInt64 = 0xCBF2_9CE4_8422_2325
    for value in parameters.joined() { state = (state ^ UInt64(value.bitPattern)) &* 0x100_0000_01B3 }
    return String(state, radix: 16)
}

/// Norms and losses: the same bits on every mesh and, by comparison of what is printed, on every number of ranks.
func checkNorms(_ world: Communicator) throws {
    var norms: Set<UInt64> = []
    for mesh in try meshes(world) {
        let parameters = try ShardedParameters(layout: layout, mesh: mesh, gather: .block)
        try fill(parameters, variant: 5)
        let gradients = parameters.makePackedBuffers()
        for (index, spec) in layout.specs.enumerated() {
            let slice = parameters.slice(index)
            (gradients[layout.requiredPlace(of: spec.group)].pointer + slice.offset).update(
                from: slice.pointer, count: slice.rows * slice.columns)
        }
        norms.insert(try squaredNorm(gradients, of: parameters).bitPattern)

        if world.rank == 0, let first = layout.specs.indices.first(where: { !parameters.ownRows($0).isEmpty }) {
            let slice = parameters.slice(first)
            gradients[layout.requiredPlace(of: layout.specs[first].group)].pointer[slice.offset] = Float.nan
        }
        let poisoned = try squaredNorm(gradients, of: parameters)
        try require(
            poisoned.isNaN == (mesh.replica == 0), "a NaN on one shard must reach the whole replica, and no other")
    }
    try require(norms.count == 1, "norms differ between meshes")

    // 64 losses dealt out to the ranks.
    var sums = [ExactSum(), ExactSum()]
    for leaf in stride(from: world.rank, to: 64, by: world.size) {
        sums[0].add(Double(value(0, leaf, 9)) / 3)
        sums[1].add(leaf % 2 == 0 ? 1e300 : -1e300)
    }
    let totals = try ExactSum.totals(sums, over: world)
    try require(totals[1] == 0, "large addends that cancel leave nothing")
    if world.rank == 0 {
        print("norm \(String(norms.first ?? 0, radix: 16)) loss \(String(totals[0].bitPattern, radix: 16))")
    }
}

private func squaredNorm(_ gradients: [FloatBuffer], of parameters: ShardedParameters) throws -> Double {
    let norm = GradientNorm(parameters)
    for (group, gradient) in gradients.enumerated() { norm.add(group: group, gradient) }
    return try norm.squared()
}
