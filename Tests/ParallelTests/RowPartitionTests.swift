import Testing

@testable import Parallel

@Suite struct RowPartitionTests {
    @Test func coversEveryRowOnceInOrder() {
        for rows in 0...40 {
            for shards in 1...17 {
                let partition = RowPartition(rows: rows, shards: shards)
                let parts = (0..<shards).map { partition[$0] }
                #expect(parts.flatMap(Array.init) == Array(0..<rows))
                #expect(parts.allSatisfy { $0.count == rows / shards || $0.count == rows / shards + 1 })
            }
        }
    }

    @Test func followsTheFormula() {
        let partition = RowPartition(rows: 10, shards: 4)
        #expect((0..<4).map { partition[$0] } == [0..<2, 2..<5, 5..<7, 7..<10])
    }
}
