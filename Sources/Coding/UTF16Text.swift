/// Text in UTF-16, which some programs write and nothing here reads.
package enum UTF16Text {
    package static let what = "text in UTF-16, not UTF-8"

    /// Whether a text begins as one in UTF-16: with its byte order mark, or as JSON does, with two characters of ASCII.
    package static func isAt(startOf bytes: some Sequence<UInt8>) -> Bool { encoding(of: bytes) != nil }

    /// The command that makes UTF-8 of the file at `path`.
    ///
    /// - Parameter bytes: with which the file begins.
    package static func remedy(_ bytes: some Sequence<UInt8>, path: String, output: String) -> String {
        "convert it: iconv -f \(encoding(of: bytes) ?? "utf-16") -t utf-8 \(path) > \(output)"
    }

    /// As iconv calls it. Without a mark it must be told the order of the bytes.
    private static func encoding(of bytes: some Sequence<UInt8>) -> String? {
        // Every row of a data set is asked.
        var rest = bytes.makeIterator()
        guard let one = rest.next(), let two = rest.next() else { return nil }
        if (one, two) == (0xFF, 0xFE) || (one, two) == (0xFE, 0xFF) { return "utf-16" }
        guard (one == 0) != (two == 0), let three = rest.next(), let four = rest.next(), (one == 0) == (three == 0),
            (two == 0) == (four == 0)
        else { return nil }
        return two == 0 ? "utf-16le" : "utf-16be"
    }
}
