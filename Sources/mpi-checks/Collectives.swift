import Diagnostics
import Parallel

func checkCollectives(_ world: Communicator) throws {
    let (rank, size) = (world.rank, world.size)
    try world.barrier()
    try require(Communicator.launchedRank == rank, "rank as the launcher tells it")

    let ranks = 0..<size
    let large = .max / Int64(size)
    let sums = try world.allReduceSum([Int64(rank), large])
    try require(sums == [Int64(ranks.reduce(0, +)), large * Int64(size)], "sum of integers")
    try require(try world.allReduceMax(-rank) == 0 && world.allReduceMax(rank) == size - 1, "maximum")

    for root in ranks {
        let message = [UInt8](repeating: UInt8(root), count: 3 * root)
        try require(
            try world.broadcast(rank == root ? message : [1, 2], from: root) == message, "broadcast from \(root)")
    }
    // Lengths differ and may be zero.
    func message(_ rank: Int) -> [UInt8] { (0..<(5 * (rank % 2) * rank)).map { UInt8(truncatingIfNeeded: $0 + rank) } }
    try require(try world.allGather(message(rank)) == ranks.map(message), "all-gather")

    let parity = try world.split(color: rank % 2, key: -rank)
    let members = ranks.filter { $0 % 2 == rank % 2 }
    try require(parity.size == members.count, "size of a part")
    try require(parity.rank == members.filter { $0 > rank }.count, "a part is ordered by key")
    try require(try parity.allReduceSum([Int64(rank)])[0] == Int64(members.reduce(0, +)), "sum over a part")

    let misfit = try refusal("a mesh that does not fit must be refused") {
        _ = try Mesh(world: world, shards: size + 1)
    }
    try require(misfit.kind == .usage, "a mesh that does not fit is a usage error")
    for shards in ranks.map({ $0 + 1 }) where size % shards == 0 {
        let mesh = try Mesh(world: world, shards: shards)
        try require(mesh.shards.size == shards && mesh.replicas.size == size / shards, "shape of the mesh")
        try require(rank == mesh.replica * shards + mesh.shard, "place in the mesh")
    }
    try require(try Mesh(world: world).shards.size == size, "all ranks are shards by default")
}

func checkAgreement(_ world: Communicator) throws {
    struct Foreign: Error {}
    let (rank, size) = (world.rank, world.size)
    try world.agree(nil)
    try require(try world.collectively { rank } == rank, "result of a body that succeeds")
    func failure(of rank: Int) -> RDOError {
        RDOError(.artefact, "zeile \(rank) ü", at: rank % 2 == 0 ? nil : "a:\(rank)", remedy: "")
    }
    for first in 0..<size {
        let agreed = try refusal("an error on one rank must be an error on all") {
            try world.collectively { if rank >= first { throw failure(of: rank) } }
        }
        try require(agreed == failure(of: first), "the error of the lowest rank: \(agreed)")
        let unknown = try refusal("an unknown error on one rank must be an error on all") {
            try world.agree(rank == first ? Foreign() : nil)
        }
        try require(
            unknown.kind == .artefact && unknown.what.contains("Foreign"), "an unknown error is carried: \(unknown)")
    }
    try world.barrier()
}
