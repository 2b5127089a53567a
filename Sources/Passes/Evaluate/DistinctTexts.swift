import Diagnostics
import Preferences

/// Texts without repetitions, compared byte by byte.
struct DistinctTexts {
    let texts: [String]
    /// Of each text that was given, its place among the distinct ones.
    let places: [Int]

    init(_ all: [String]) {
        var (texts, known) = ([String](), [[UInt8]: Int]())
        places = all.map { text in
            let bytes = Array(text.utf8)
            if let place = known[bytes] { return place }
            known[bytes] = texts.count
            texts.append(text)
            return texts.count - 1
        }
        self.texts = texts
    }
}

extension [Double] {
    /// The mean, the same bits in whatever order the values stand.
    /// - Precondition: there is a value.
    var orderlessMean: Double { sorted().reduce(0, +) / Double(count) }
}

/// What a model reads of a row that no setting allows to leave out.
/// - Throws: `RDOError.data` for a row that it cannot use.
func required<Row>(_ read: () throws(BadRow) -> Row) throws -> Row {
    do throws(BadRow) { return try read() } catch {
        throw RDOError(
            .data, error.reason, at: "\(error.file):\(error.line)",
            remedy: "raise data.max_tokens, set data.over_long to truncate, or correct the row")
    }
}
