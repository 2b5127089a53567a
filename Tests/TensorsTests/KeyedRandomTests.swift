import Foundation
import Testing

@testable import Tensors

extension TensorsTests {
    @Suite struct KeyedRandomTests {
        @Test func permutationIsABijection() {
            let counts = Array(1...300) + [511, 512, 513, 1000, 4095, 4096, 4097, 65_537, 100_003]
            for count in counts {
                for key in [UInt64(0), 1, UInt64(count) &* 0x1234_5678_9ABC_DEF1] {
                    var isHit = [Bool](repeating: false, count: count)
                    for index in 0..<count { isHit[KeyedRandom.permuted(index, count: count, key: key)] = true }
                    #expect(isHit.allSatisfy { $0 }, "count \(count), key \(key)")
                }
            }
        }

        @Test func permutationCoversHugeCounts() {
            let count = Int.max / 3
            let images = Set((0..<1000).map { KeyedRandom.permuted($0, count: count, key: 5) })
            #expect(images.count == 1000 && images.allSatisfy { (0..<count).contains($0) })
        }

        /// Each element lands everywhere equally often over keys: chi-squared within 6 standard deviations.
        @Test(arguments: [2, 3, 5, 6, 16, 33])
        func permutationIsUniformOverKeys(count: Int) {
            let keys = 20_000
            for index in [0, count / 2, count - 1] {
                var hits = [Double](repeating: 0, count: count)
                for key in 0..<keys { hits[KeyedRandom.permuted(index, count: count, key: UInt64(key))] += 1 }
                let expected = Double(keys) / Double(count)
                let chiSquared = hits.reduce(0) { $0 + ($1 - expected) * ($1 - expected) / expected }
                let freedom = Double(count - 1)
                #expect(chiSquared < freedom + 6 * (2 * freedom).squareRoot())
            }
        }

        /// Neighbours must not stay neighbours: correlation of position and image near 0.
        @Test func permutationHasNoOrderLeft() {
            let count = 10_000
            for key in UInt64(0)..<5 {
                let middle = Double(count - 1) / 2
                let covariance = (0..<count).reduce(0.0) { sum, index in
                    let image = KeyedRandom.permuted(index, count: count, key: key)
                    return sum + (Double(index) - middle) * (Double(image) - middle)
                }
                let variance = Double(count) * Double(count) / 12 * Double(count)
                #expect(abs(covariance / variance) < 0.05)
            }
        }

        @Test func valuesDependOnAllThreeNumbersOnly() {
            let random = KeyedRandom(seed: 7, stream: 3)
            #expect(random.bits(at: 5) == KeyedRandom(seed: 7, stream: 3).bits(at: 5))
            var all: Set<UInt64> = []
            for seed in UInt64(0)..<20 {
                for stream in UInt64(0)..<20 {
                    for counter in UInt64(0)..<20 {
                        all.insert(KeyedRandom(seed: seed, stream: stream).bits(at: counter))
                    }
                }
            }
            #expect(all.count == 8000)
        }

        @Test func momentsOfUniformAndNormal() {
            let random = KeyedRandom(seed: 42, stream: 0)
            let count = 200_000
            let uniform = (0..<count).map { random.uniform(at: UInt64($0)) }
            let normal = (0..<count).map { random.normal(at: UInt64($0)) }
            func mean(_ x: [Double]) -> Double { x.reduce(0, +) / Double(x.count) }
            #expect(uniform.allSatisfy { $0 >= 0 && $0 < 1 })
            #expect(abs(mean(uniform) - 0.5) < 0.004)
            #expect(abs(mean(uniform.map { $0 * $0 }) - 1 / 3.0) < 0.004)
            #expect(normal.allSatisfy { $0.isFinite })
            #expect(abs(mean(normal)) < 0.012)
            #expect(abs(mean(normal.map { $0 * $0 }) - 1) < 0.02)
            #expect(abs(mean(normal.map { pow($0, 4) }) - 3) < 0.15)
            #expect(abs(mean(zip(uniform, normal).map { ($0 - 0.5) * $1 })) < 0.004)
        }
    }
}
