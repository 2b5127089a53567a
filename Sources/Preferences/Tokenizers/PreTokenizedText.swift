/// A text cut into pieces that the model then encodes one by one.
struct PreTokenizedText {
    private(set) var bytes: [UInt8]
    /// Where the pieces lie in `bytes`; none is empty.
    private(set) var pieces: [Range<Int>]
    /// True while the first piece stands at the very beginning of the whole text.
    private(set) var startsText: Bool
    /// Most bytes that it may come to.
    private let limit: Int

    init(_ bytes: [UInt8], startsText: Bool) {
        (self.bytes, self.startsText) = (bytes, startsText)
        pieces = bytes.isEmpty ? [] : [0..<bytes.count]
        limit = TextGrowth.limit(bytes.count)
    }

    /// Cuts every piece: `cut` appends the ranges to keep, counted from the piece's own start.
    mutating func split(
        _ cut: (_ piece: UnsafeBufferPointer<UInt8>, _ parts: inout [Range<Int>]) throws(TextError) -> Void
    ) throws(TextError) {
        var result: [Range<Int>] = []
        var parts: [Range<Int>] = []
        let pieces = pieces
        try bytes.withUnsafeBufferPointer { (bytes) throws(TextError) in
            for piece in pieces {
                parts.removeAll(keepingCapacity: true)
                try cut(UnsafeBufferPointer(rebasing: bytes[piece]), &parts)
                for part in parts where !part.isEmpty {
                    result.append(piece.lowerBound + part.lowerBound..<piece.lowerBound + part.upperBound)
                }
            }
        }
        startsText = startsText && result.first?.lowerBound == pieces.first?.lowerBound
        self.pieces = result
    }

    /// Replaces the bytes of every piece by what `rewrite` appends.
    mutating func rewrite(
        _ rewrite: (_ piece: UnsafeBufferPointer<UInt8>, _ isFirst: Bool, _ output: inout [UInt8]) -> Void
    ) throws(TextError) {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + bytes.count / 2)
        var pieces = pieces
        let limit = limit
        try bytes.withUnsafeBufferPointer { (bytes) throws(TextError) in
            for index in pieces.indices {
                let start = output.count
                rewrite(UnsafeBufferPointer(rebasing: bytes[pieces[index]]), index == 0, &output)
                pieces[index] = start..<output.count
                try TextGrowth.check(output.count, limit)
            }
        }
        bytes = output
        self.pieces = pieces.filter { !$0.isEmpty }
    }

    /// Cuts every piece at the matches of `pattern`.
    mutating func split(
        at pattern: TextPattern, _ behavior: SplitBehavior, inverted: Bool = false
    ) throws(TextError) {
        var stretches: [SplitBehavior.Stretch] = []
        try split { (piece, parts) throws(TextError) in
            stretches.removeAll(keepingCapacity: true)
            var end = 0
            try pattern.forEachMatch(in: piece) { match in
                if end < match.lowerBound { stretches.append(.init(range: end..<match.lowerBound, isMatch: inverted)) }
                stretches.append(.init(range: match, isMatch: !inverted))
                end = match.upperBound
            }
            if end < piece.count { stretches.append(.init(range: end..<piece.count, isMatch: inverted)) }
            behavior.append(stretches, to: &parts)
        }
    }

    /// Cuts every piece at the characters that `isDelimiter` takes; each is a match.
    mutating func split(
        _ behavior: SplitBehavior, where isDelimiter: (Unicode.Scalar) -> Bool
    ) throws(TextError) {
        var stretches: [SplitBehavior.Stretch] = []
        try split { piece, parts in
            stretches.removeAll(keepingCapacity: true)
            var index = 0
            var start = 0
            while index < piece.count {
                let (scalar, length) = piece.scalar(at: index)
                if isDelimiter(scalar) {
                    if start < index { stretches.append(.init(range: start..<index, isMatch: false)) }
                    stretches.append(.init(range: index..<index + length, isMatch: true))
                    start = index + length
                }
                index += length
            }
            if start < piece.count { stretches.append(.init(range: start..<piece.count, isMatch: false)) }
            behavior.append(stretches, to: &parts)
        }
    }
}
