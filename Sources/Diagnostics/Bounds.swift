/// The numbers that a setting allows.
package enum Bounds: Sendable, Hashable {
    case any
    case atLeast(Double)
    case above(Double)
    /// The lower end excluded.
    case aboveUpTo(Double, Double)
    /// Both ends allowed.
    case within(Double, Double)
    /// The upper end excluded.
    case below(Double, Double)

    package var text: String? {
        func short(_ x: Double) -> String { x == x.rounded() ? String(Int(x)) : String(x) }
        return switch self {
        case .any: nil
        case .atLeast(let low): "≥ \(short(low))"
        case .above(let low): "> \(short(low))"
        case .aboveUpTo(let low, let high): "> \(short(low)) and ≤ \(short(high))"
        case .within(let low, let high): "\(short(low)) to \(short(high))"
        case .below(let low, let high): "≥ \(short(low)) and < \(short(high))"
        }
    }

    package func contains(_ x: Double) -> Bool {
        switch self {
        case .any: true
        case .atLeast(let low): x >= low
        case .above(let low): x > low
        case .aboveUpTo(let low, let high): x > low && x <= high
        case .within(let low, let high): x >= low && x <= high
        case .below(let low, let high): x >= low && x < high
        }
    }
}
