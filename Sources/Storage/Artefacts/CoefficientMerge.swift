import Coding
import Columns
import Diagnostics

/// Several coefficient files of one scorer as one: parts of a data set, or the shards of a scoring job array.
package struct CoefficientMerge {
    package let contents: CoefficientContents
    /// Pairs that several files hold, with the same value: each stands once.
    package let repeatedCount: Int
    /// The files are calibrated, and not alike: what comes of them is not.
    package let losesCalibration: Bool

    /// A row of the files, counted through from the first file's first.
    private struct Places {
        let starts: [Int]

        func file(of row: Int) -> Int { (starts.firstIndex { $0 > row } ?? starts.count) - 1 }
        func name(_ row: Int, _ files: [CoefficientFile]) -> String {
            let file = file(of: row)
            return "\(files[file].path) /pairs[\(row - starts[file])]"
        }
    }

    /// - Throws: `RDOError(.artefact)` when a file is damaged, of another scorer, model, tokenizer or template, has other
    ///   columns, or gives a pair another value or label.
    package init(_ paths: [String]) throws {
        precondition(!paths.isEmpty, "a merge has files")
        let files = try paths.map(CoefficientFile.read)
        for file in files.dropFirst() { try Self.requireSame(files[0], file) }
        let tables = try files.map { try $0.readTablesIfPresent() }
        let labels = try files.map { try $0.readLabels() }
        try Self.requireAlike(files, "texts", tables.map { $0 != nil })
        try Self.requireAlike(files, "labels", labels.map { $0 != nil })
        let rewards = try zip(files, tables).map { file, tables in
            try tables.flatMap { try file.readRewards(responses: $0.responseTexts.count) }
        }
        try Self.requireAlike(files, "rewards", rewards.map { $0 != nil })

        var starts: [Int] = [0]
        for file in files.dropLast() { starts.append(starts[starts.count - 1] + file.count) }
        let places = Places(starts: starts)
        let (all, differences, reversed) = (ScratchColumn<ContentKey>(), ScratchColumn<Float>(), ScratchColumn<Float>())
        let allLabels = ScratchColumn<Int8>()
        for (file, labels) in zip(files, labels) {
            try all.append(contentsOf: file.keys)
            try differences.append(contentsOf: file.differences)
            if let own = file.reversed { try reversed.append(contentsOf: own) }
            if let labels { try allLabels.append(contentsOf: labels) }
        }
        let repeated = ScratchColumn<Int>()
        let values = [("differences", differences)] + (files[0].reversed == nil ? [] : [("reversed", reversed)])
        _ = try KeyIndex(all) { earlier, row in
            func contradiction(_ what: String, _ a: some Any, _ b: some Any) -> RDOError {
                RDOError(
                    .artefact, "the pair \(all[row]) has the \(what) \(b), and \(a) in \(places.name(earlier, files))",
                    at: places.name(row, files), remedy: "merge files of one scorer over one data set")
            }
            for (name, values) in values where !isRounding(values[earlier], values[row]) {
                throw contradiction(name, values[earlier], values[row])
            }
            if !allLabels.isEmpty, allLabels[earlier] != allLabels[row] {
                throw contradiction("label", allLabels[earlier], allLabels[row])
            }
            try repeated.append(row)
        }
        let left = repeated.sorted()
        repeatedCount = left.count
        let calibrations = files.map(\.calibration)
        let calibration = calibrations.allSatisfy { $0 == calibrations[0] } ? calibrations[0] : nil
        losesCalibration = calibration == nil && calibrations.contains { $0 != nil }
        func kept<Value>(_ column: ScratchColumn<Value>) throws -> ScratchColumn<Value> {
            left.isEmpty ? column : try ScratchColumn(Rows(column).leavingOut(left))
        }
        let merged = try MergedTables(tables.compactMap { $0 }, leavingOut: left)
        let (keys, keptLabels) = (Rows(try kept(all)), Rows(try kept(allLabels)))
        contents = CoefficientContents(
            scorer: files[0].scorer, provenance: Self.provenance(files.map(\.provenance)), keys: keys,
            tables: tables[0] == nil ? nil : merged.tables(labels: keptLabels, keys: keys),
            labels: labels[0] == nil ? nil : keptLabels,
            differences: try kept(differences), reversed: files[0].reversed == nil ? nil : try kept(reversed),
            rewards: try rewards[0] == nil ? nil : merged.rewards(of: rewards.compactMap { $0 }),
            calibration: calibration)
    }

    private static func requireSame(_ first: CoefficientFile, _ other: CoefficientFile) throws {
        try other.requireSameScorer(
            as: first, remedy: "merge files of one scorer; training takes files of several scorers as they are")
        try requireAlike([first, other], "differences in both orders", [first, other].map { $0.reversed != nil })
    }

    private static func requireAlike(_ files: [CoefficientFile], _ what: String, _ has: [Bool]) throws {
        guard let odd = has.firstIndex(where: { $0 != has[0] }) else { return }
        let (with, without) = has[0] ? (0, odd) : (odd, 0)
        throw RDOError(
            .artefact, "it has \(what), \(files[without].path) has none", at: files[with].path,
            remedy: "merge files that hold the same columns")
    }

    /// What all say alike; data and inputs are then those of a part alone.
    private static func provenance(_ all: [Provenance]) -> Provenance {
        func same(_ value: (Provenance) -> String?) -> String? {
            all.allSatisfy { value($0) == value(all[0]) } ? value(all[0]) : nil
        }
        return Provenance(
            modelDigest: same(\.modelDigest), tokenizerDigest: same(\.tokenizerDigest), dataDigest: same(\.dataDigest),
            inputDigest: same(\.inputDigest), template: same(\.template))
    }
}

/// The tables of several files end to end, every different query once.
private struct MergedTables {
    private let sources: [CoefficientTables]
    private let queryKeys = ScratchColumn<ContentKey>()
    /// Where each query's text stands.
    private let queryPlaces = ScratchColumn<Place>()
    private let responsePlaces = ScratchColumn<Place>()
    private let responseQueries = ScratchColumn<Int32>()
    private let pairQueries = ScratchColumn<Int32>()
    private let firsts = ScratchColumn<Int32>()
    private let seconds = ScratchColumn<Int32>()
    private let left: [Int]

    private struct Place: BitwiseCopyable {
        let source: Int32
        let row: Int32
    }

    init(_ sources: [CoefficientTables], leavingOut left: [Int]) throws {
        (self.sources, self.left) = (sources, left)
        let all = try KeyIndex(sources.lazy.flatMap(\.queryKeys))
        let merged = ScratchColumn<Int32>()
        for (source, tables) in sources.enumerated() {
            let (start, firstResponse) = (merged.count, Int32(responseQueries.count))
            for (row, key) in tables.queryKeys.enumerated() {
                guard let known = all[key], known < start + row else {
                    try merged.append(Int32(queryKeys.count))
                    try queryKeys.append(key)
                    try queryPlaces.append(Place(source: Int32(source), row: Int32(row)))
                    continue
                }
                try merged.append(merged[known])
            }
            for (row, query) in tables.responseQueries.enumerated() {
                try responseQueries.append(merged[start + Int(query)])
                try responsePlaces.append(Place(source: Int32(source), row: Int32(row)))
            }
            for row in 0..<tables.pairCount {
                try pairQueries.append(merged[start + Int(tables.pairQueries[row])])
                try firsts.append(firstResponse + tables.pairFirsts[row])
                try seconds.append(firstResponse + tables.pairSeconds[row])
            }
        }
    }

    /// - Parameters: of the pairs that are left.
    func tables(labels: Rows<Int8>, keys: Rows<ContentKey>) -> CoefficientTables {
        func value<Value>(_ places: ScratchColumn<Place>, _ column: @escaping (CoefficientTables) -> Rows<Value>)
            -> Rows<
                Value
            >
        {
            let columns = sources.map(column)
            return Rows(count: places.count) {
                let place = places[$0]
                return columns[Int(place.source)][Int(place.row)]
            }
        }
        return CoefficientTables(
            queryTexts: value(queryPlaces, \.queryTexts), queryKeys: Rows(queryKeys),
            responseTexts: value(responsePlaces, \.responseTexts), responseQueries: Rows(responseQueries),
            responseTokenCounts: value(responsePlaces, \.responseTokenCounts),
            pairQueries: Rows(pairQueries).leavingOut(left), pairFirsts: Rows(firsts).leavingOut(left),
            pairSeconds: Rows(seconds).leavingOut(left), labels: labels, pairKeys: keys)
    }

    func rewards(of sources: [ScratchColumn<Float>]) throws -> ScratchColumn<Float> {
        try ScratchColumn(sources.lazy.joined())
    }
}
