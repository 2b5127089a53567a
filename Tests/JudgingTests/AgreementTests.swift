import Testing

@testable import Inspection
@testable import Judging

/// Figures that come from statsmodels, and once more from exact fractions (`Tests/scripts/golden_agreement.py`).
@Suite struct AgreementTests {
    private func ratings(_ items: Int, _ raters: Int) -> [[Int]] {
        (0..<items).map { i in (0..<raters).map { r in (i * i + (i % 3 == 0 ? 0 : r * (i % 5))) % 3 } }
    }

    @Test(arguments: [(40, 3, 0.335180055401662), (25, 2, 0.33155080213903737), (60, 5, 0.47245017584994164)])
    func kappa(_ items: Int, _ raters: Int, _ expected: Double) throws {
        let agreement = try #require(Agreement(of: ratings(items, raters)))
        #expect(agreement.items == items && agreement.raters == raters)
        #expect(abs(try #require(agreement.kappa) - expected) < 1e-12)
    }

    @Test func withoutMeaning() {
        #expect(Agreement(of: [[Int]]()) == nil)
        #expect(Agreement(of: [[1], [2]]) == nil)
        // Everybody says the same of everything: chance explains it.
        #expect(Agreement(of: [[1, 1], [1, 1]])?.kappa == nil)
        #expect(Agreement(of: [[1, 1], [2, 2]])?.kappa == 1)
    }

    @Test(arguments: [
        (24, 24, 0.8620237953250198, 1), (7, 24, 0.14914648196960875, 0.4916769366449665),
        (0, 5, 0, 0.43448246478317487),
    ]) func intervals(_ hits: Int, _ count: Int, _ low: Double, _ high: Double) throws {
        let share = try #require(Share(of: hits, among: count))
        #expect(abs(share.low - low) < 1e-12 && abs(share.high - high) < 1e-12)
    }
}
