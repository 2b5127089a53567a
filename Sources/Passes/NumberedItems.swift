/// The items of examples, such as their responses, numbered through from the first example's first.
struct NumberedItems {
    /// The first item of each example, and the end.
    private let starts: [Int32]

    /// - Parameter counts: items of each example.
    init(counts: some Sequence<Int>) { starts = counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + Int32($1)) } }

    var count: Int { Int(starts[starts.count - 1]) }

    /// The examples that a range of items belongs to, and which of each one's items are in it.
    func groups(_ range: Range<Int>) -> [(example: Int, items: Range<Int>)] {
        var (low, high) = (0, starts.count - 1)
        while high - low > 1 {
            let middle = (low + high) / 2
            if Int(starts[middle]) <= range.lowerBound { low = middle } else { high = middle }
        }
        return (low..<max(low, starts.count - 1)).lazy.prefix { starts[$0] < range.upperBound }.compactMap { example in
            let own = Int(starts[example])..<Int(starts[example + 1])
            let items = own.clamped(to: range)
            return items.isEmpty
                ? nil : (example, items.lowerBound - own.lowerBound..<items.upperBound - own.lowerBound)
        }
    }
}
