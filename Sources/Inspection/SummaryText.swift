import Foundation

/// "label   value" lines in one column; pairs without a value are left out.
func labelled(_ pairs: [(String, String)]) -> [String] {
    pairs.filter { !$0.1.isEmpty }.map { label, value in
        "  " + label + String(repeating: " ", count: max(1, 22 - label.count)) + value
    }
}

/// Six decimals; "none" for nil.
func rounded(_ value: Double?) -> String { value.map { String(format: "%.6f", $0) } ?? "none" }

/// Six digits, however small.
func significant(_ value: Double) -> String { String(format: "%.6g", value) }

/// Columns aligned to the right, those of texts to the left.
package func table(_ header: [String], _ rows: [[String]], isText: [Bool]? = nil) -> [String] {
    let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
    return ([header] + rows).map { row in
        let cells = row.indices.map { column in
            let gap = String(repeating: " ", count: widths[column] - row[column].count)
            if isText?[column] != true { return "  " + gap + row[column] }
            return "  " + row[column] + (column == row.count - 1 ? "" : gap)
        }
        return "  " + cells.joined()
    }
}

/// A text on one line, or its start where that is longer.
package func oneLine(_ text: String, limit: Int) -> String {
    // More than this many characters of white space between words are rare.
    let line = text.prefix(4 * limit).split(whereSeparator: \.isWhitespace).joined(separator: " ")
    return withoutControls(line.count > limit ? line.prefix(limit - 1) + "…" : line)
}

/// A text cannot move the cursor of the terminal that it is shown on.
func withoutControls(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
    return String(
        String.UnicodeScalarView(
            text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
}

/// Which responses a visit compared, counted from 0 in the row: `0 > 1`, or of KTO `0 +` (desirable) and `1 -`.
func responses(better: Int?, worse: Int?) -> String {
    switch (better, worse) {
    case (let better?, let worse?): "\(better) > \(worse)"
    case (let better?, nil): "\(better) +"
    case (nil, let worse?): "\(worse) -"
    case (nil, nil): ""
    }
}
