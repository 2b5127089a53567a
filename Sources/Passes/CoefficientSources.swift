import Configuration
import Diagnostics
import Objectives
import Preferences
import Storage

/// Where the weights of a training pass come from: coefficient files, joined by content key and never by row number, and
/// the rows' own `weight`.
struct CoefficientSources {
    private let files: [CoefficientFile]
    private let settings: CoefficientSettings
    let rule: CoefficientRule

    /// - Parameters:
    ///   - defaultPath: the file when the settings name none.
    ///   - needsFiles: read the files even where weights do not come from them.
    /// - Throws: `RDOError.artefact` when a file is missing, damaged or of another tokenizer.
    init(
        _ settings: CoefficientSettings, defaultPath: String, tokenizer: any Tokenizer, needsFiles: Bool = false
    ) throws {
        self.settings = settings
        rule = CoefficientRule(
            alpha: settings.alpha, symmetric: settings.symmetric, disagreement: settings.disagreement)
        let paths = needsFiles || settings.column != .only ? settings.file ?? [defaultPath] : []
        guard needsFiles || !paths.isEmpty || settings.column == .only else {
            throw RDOError(
                .usage, "coefficients.file names no file",
                remedy: "name one, remove the key, or set coefficients.use to false")
        }
        files = try paths.map { path in
            let file = try CoefficientFile.read(path)
            try requireTokenizer(tokenizer, made: file.provenance, path: path)
            return file
        }
    }

    /// For messages.
    var description: String {
        let names = files.map(\.path)
        return (settings.column == .ignore || names.isEmpty ? names : names + ["the rows' own weights"])
            .joined(separator: ", ")
    }

    /// The weight of every (chosen, rejected) pair.
    ///
    /// - Throws: `RDOError.artefact` when a file lacks pairs, `.data` when a row has no weight of its own and should.
    func weights(of examples: [TokenizedExample]) throws -> [(weight: Double, flipped: Bool)] {
        let columns = try examples.map(column)
        guard settings.column != .only else { return columns.map { ($0, false) } }
        let found = try differences(of: examples, pairs: examples.map { _ in [(0, 1)] })
        return zip(columns, found).map { weight($1[0], column: $0) }
    }

    /// The row's own weight where it counts, else 1.
    func column(_ example: TokenizedExample) throws -> Double {
        guard settings.column != .ignore else { return 1 }
        guard let weight = example.weight else {
            throw RDOError(
                .data, "row \(example.row + 1) has no field \"weight\"",
                remedy: "add it, or set coefficients.column to ignore")
        }
        return weight
    }

    /// The weight of the ordered pair (better, worse) of a list's responses.
    ///
    /// - Parameter differences: what the files say of (better, worse).
    func weight(_ differences: [RewardDifference], column: Double) -> (weight: Double, flipped: Bool) {
        guard settings.column != .only else { return (column, false) }
        let (weight, flipped) = rule.weight(differences, combined: settings.combine)
        return (column * weight, flipped)
    }

    /// What the files say of pairs of an example's responses, whichever of the two stands first there.
    ///
    /// - Parameter pairs: of each example, the pairs (first, second) that are needed.
    /// - Returns: for each of them one value per file, of first over second.
    /// - Throws: `RDOError.artefact` when a file lacks pairs: how many, and which first.
    func differences(
        of examples: [TokenizedExample], pairs: [[(first: Int, second: Int)]]
    ) throws -> [[[RewardDifference]]] {
        var missing: [(path: String, row: Int, first: Int, second: Int)] = []
        let found = zip(examples, pairs).map { example, pairs in
            pairs.map { first, second in
                files.compactMap { file -> RewardDifference? in
                    if let entry = file[example.pairKey(first, second)] { return RewardDifference(entry) }
                    if let entry = file[example.pairKey(second, first)] { return RewardDifference(entry).exchanged }
                    missing.append((file.path, example.row, first, second))
                    return nil
                }
            }
        }
        guard let first = missing.first else { return found }
        throw RDOError(
            .artefact,
            "\(missing.count) of \(pairs.reduce(0) { $0 + $1.count } * files.count) pairs are missing, the first is of responses "
                + "\(first.first + 1) and \(first.second + 1) of row \(first.row + 1)",
            at: first.path, remedy: "make the file again from the same data, template and tokenizer")
    }
}

/// A file that names its tokenizer must name ours; one made by another program may say nothing.
func requireTokenizer(_ tokenizer: any Tokenizer, made provenance: Provenance, path: String) throws {
    guard let digest = provenance.tokenizerDigest, digest != tokenizer.digest else { return }
    throw RDOError(
        .artefact, "the file was made with another tokenizer", at: path,
        remedy: "run the pass that makes it again with this configuration")
}

extension RewardDifference {
    init(_ entry: CoefficientFile.Entry) {
        self.init(difference: Double(entry.difference), reversed: entry.reversed.map(Double.init))
    }
}

extension TokenizedExample {
    /// Key of the pair (chosen, rejected) in a coefficient file.
    var pairKey: ContentKey { pairKey(0, 1) }

    /// Key of an ordered pair of responses.
    func pairKey(_ first: Int, _ second: Int) -> ContentKey {
        ContentKey.pair(query: prompt, first: responses[first], second: responses[second])
    }
}
