import Diagnostics
import Storage

/// Every visit to one pair: its life.
package struct PairHistory: Encodable, Sendable {
    package struct Visit: Encodable, Sendable {
        package let step: Int
        package let row: Int
        package let better: Int?
        package let worse: Int?
        package let coefficient: Double
        package let margin: Double
        package let loss: Double
        package let gradientScale: Double
    }

    package let path: String
    package let pass: String?
    package let key: String
    package let visits: [Visit]

    /// Finds the pair whose key begins with `prefix`.
    ///
    /// - Parameter prefix: hexadecimal digits; as many as it takes to mean one key.
    /// - Throws: `RDOError(.usage)` when it is no key, or none or several keys begin with it;
    ///   `.artefact` when the file is damaged.
    package init(of prefix: String, in path: String) throws {
        let kind = try Artefacts.kind(of: path)
        guard kind == .ledger else {
            throw RDOError(
                .usage, "--pair is for ledgers, and the kind of this file is \(kind.rawValue)", at: path,
                remedy: "a training pass with `ledger: true` writes ledger.h5")
        }
        let wanted = prefix.lowercased()
        guard (1...32).contains(wanted.utf8.count), wanted.allSatisfy({ "0123456789abcdef".contains($0) }) else {
            throw RDOError(.usage, "--pair \(prefix) is no key", remedy: "give up to 32 hexadecimal digits")
        }
        let file = try LedgerFile.read(path)
        let keys = Set(file.visits.map(\.key))
        let matching = keys.filter { $0.description.hasPrefix(wanted) }
        guard let found = matching.first, matching.count == 1 else {
            throw PairHistory.failure(wanted, matching.map(\.description).sorted(), keys.map(\.description), path)
        }
        self.path = path
        pass = file.pass
        key = found.description
        visits = zip(file.steps, file.visits).filter { $1.key == found }.map { step, visit in
            Visit(
                step: step, row: visit.row, better: visit.better, worse: visit.worse, coefficient: visit.coefficient,
                margin: visit.margin, loss: visit.loss, gradientScale: visit.gradientScale)
        }
    }

    private static func failure(_ wanted: String, _ matching: [String], _ keys: [String], _ path: String) -> RDOError {
        func listed(_ keys: [String]) -> String {
            keys.prefix(3).joined(separator: ", ") + (keys.count > 3 ? ", …" : "")
        }
        if matching.count > 1 {
            return RDOError(
                .usage, "\(matching.count) keys begin with \(wanted): \(listed(matching))", at: path,
                remedy: "give more digits")
        }
        // The longest beginning that some key shares, and who does.
        let shared = keys.map { $0.commonPrefix(with: wanted).count }.max() ?? 0
        let nearest = keys.filter { $0.commonPrefix(with: wanted).count == shared }.sorted()
        return RDOError(
            .usage,
            "no key begins with \(wanted)" + (keys.isEmpty ? ": the ledger is empty" : "; nearest: \(listed(nearest))"),
            at: path, remedy: "`rdo inspect \(path) --pairs 10` lists keys")
    }

    /// Lines for a terminal, one a visit.
    package var text: String {
        let title = "\(path): pair \(key), \(visits.count) visits" + (pass.map { " by \($0)" } ?? "")
        let rows = visits.map {
            [
                String($0.step), String($0.row), responses(better: $0.better, worse: $0.worse), rounded($0.coefficient),
                rounded($0.margin), rounded($0.loss), significant($0.gradientScale),
            ]
        }
        let header = ["step", "row", "responses", "coefficient", "margin", "loss", "gradient scale"]
        return ([title] + table(header, rows)).joined(separator: "\n") + "\n"
    }
}
