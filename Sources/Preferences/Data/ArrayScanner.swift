/// Cuts a text that is one JSON array into its elements, by commas outside of strings and of what is nested. What stands
/// between them is not judged: an element that is no JSON is a bad row, as a line would be.
struct ArrayScanner {
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    /// Something of the element has been seen.
    private var hasBegun = false
    private var isOpen = false
    /// An element must follow.
    private var isBehindComma = false
    /// Bytes behind the closing bracket.
    private var isClosed = false

    /// Nil when the text does not begin with an array.
    init?(start: ArraySlice<UInt8>) {
        let text = start.starts(with: [0xEF, 0xBB, 0xBF]) ? start.dropFirst(3) : start
        guard text.first(where: { !Self.isSpace($0) }) == UInt8(ascii: "[") else { return nil }
    }

    /// What a chunk holds of the next element.
    struct Step {
        var bytes: ArraySlice<UInt8>
        /// Where the rest of the chunk begins.
        var end: Int
        var isComplete: Bool
    }

    mutating func scan(_ chunk: ArraySlice<UInt8>) -> Step {
        var start = chunk.startIndex
        for index in chunk.indices {
            let byte = chunk[index]
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "[") where !isOpen:
                isOpen = true
                start = index + 1
            case _ where !isOpen: start = index + 1  // a byte order mark, white space
            case UInt8(ascii: ",") where depth == 0 && !isClosed:
                // Where nothing stands, the comma itself is the row, and no good one.
                let element = hasBegun ? chunk[start..<index] : chunk[index...index]
                (hasBegun, isBehindComma) = (false, true)
                return Step(bytes: element, end: index + 1, isComplete: true)
            case UInt8(ascii: "]") where depth == 0 && !isClosed:
                isClosed = true
                guard hasBegun || isBehindComma else {
                    start = index + 1
                    continue
                }
                let element = hasBegun ? chunk[start..<index] : chunk[index...index]
                hasBegun = false
                return Step(bytes: element, end: index + 1, isComplete: true)
            default:
                if !Self.isSpace(byte) { hasBegun = true }
                if byte == UInt8(ascii: "\"") { isInString = true }
                if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") { depth += 1 }
                if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") { depth -= 1 }
            }
        }
        return Step(bytes: chunk[start...], end: chunk.endIndex, isComplete: false)
    }

    enum End { case nothing, element, cutShort }

    /// What the end of the text makes of what was scanned last.
    mutating func end() -> End {
        guard isClosed else { return .cutShort }
        defer { hasBegun = false }
        return hasBegun ? .element : .nothing
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }
}
