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

/// Columns aligned to the right.
func table(_ header: [String], _ rows: [[String]]) -> [String] {
    let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
    return ([header] + rows).map { row in
        "  " + zip(row, widths).map { String(repeating: " ", count: 2 + $1 - $0.count) + $0 }.joined()
    }
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
