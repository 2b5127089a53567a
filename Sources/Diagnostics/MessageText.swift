extension String {
    /// Control characters as `\u{1B}`: a terminal obeys them wherever they come from.
    ///
    /// - Parameter lineEnds: whether those are escaped too.
    package func escapingControlCharacters(lineEnds: Bool = true) -> String {
        func isEscaped(_ scalar: Unicode.Scalar) -> Bool { scalar.isControl && (lineEnds || scalar != "\n") }
        guard unicodeScalars.contains(where: isEscaped) else { return self }
        var text = ""
        for scalar in unicodeScalars {
            if isEscaped(scalar) {
                text += "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    /// The beginning and the end of a text that has more than `count` code points: a character may be of any number.
    package func shortened(to count: Int) -> String {
        guard unicodeScalars.count > count else { return self }
        let half = (count - 1) / 2
        return String(unicodeScalars.prefix(half)) + "…" + String(unicodeScalars.suffix(half))
    }
}

extension Unicode.Scalar {
    /// Also the marks that turn the direction of a line's text.
    fileprivate var isControl: Bool {
        properties.generalCategory == .control || (0x202A...0x202E).contains(value) || (0x2066...0x2069).contains(value)
    }
}
