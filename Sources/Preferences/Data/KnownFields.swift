import Coding

/// Which of the fields that formats know a row has, a bit each: one walk over its members answers all that every row is
/// asked.
struct KnownFields {
    private(set) var arrays: UInt64 = 0
    /// Texts, objects, numbers.
    private(set) var others: UInt64 = 0
    var all: UInt64 { arrays | others }

    /// A null counts as absent; of equal names the last counts.
    init(_ members: [(key: [UInt8], value: JSONValue)]) {
        for member in members {
            let bit = Self.table.bit(of: member.key)
            guard bit != 0 else { continue }
            (arrays, others) = (arrays & ~bit, others & ~bit)
            switch member.value {
            case .null: break
            case .array: arrays |= bit
            default: others |= bit
            }
        }
    }

    private static let table = FieldTable(DataFormat.fieldNames.union(JSONRow.fieldNames).sorted())

    static func bits(of names: some Sequence<String>) -> UInt64 {
        names.reduce(0) { $0 | table.bit(of: Array($1.utf8)) }
    }
}

/// A hash table of names without deletion; every row asks it for each of its members.
private struct FieldTable: Sendable {
    private var slots = [(name: [UInt8], bit: UInt64)](repeating: ([], 0), count: 256)

    init(_ names: [String]) {
        precondition(names.count <= 64, "a bit for each field")
        for (place, name) in names.enumerated() {
            let slot = slot(of: Array(name.utf8))
            slots[slot] = (Array(name.utf8), 1 << UInt64(place))
        }
    }

    /// 0 for a name that is not there.
    func bit(of name: [UInt8]) -> UInt64 { slots[slot(of: name)].bit }

    /// Where a name is, or belongs.
    private func slot(of name: [UInt8]) -> Int {
        guard let first = name.first, let last = name.last else { return 0 }
        var slot = (name.count &* 37 &+ Int(first) &* 7 &+ Int(last)) & 0xFF
        while slots[slot].bit != 0 && slots[slot].name != name { slot = (slot + 1) & 0xFF }
        return slot
    }
}
