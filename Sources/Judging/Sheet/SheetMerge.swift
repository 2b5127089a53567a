import Diagnostics
import Foundation
import Storage

/// `rdo judge --merge KEY ANSWERS…`: the raters' answers, with the policies put back.
package struct SheetMerge {
    package let judgement: Judgement
    private let judged: [JudgedPair]

    /// - Throws: `RDOError.artefact` when a file is none of this sheet's, `.usage` when a rater stands twice.
    package init(key path: String, answers files: [String]) throws {
        let key = try SheetKey.read(path)
        var raters: [(name: String, answers: [Int: SheetAnswers.Choice])] = []
        for file in files {
            let rater = try Self.rater(file, key)
            guard !raters.contains(where: { $0.name == rater.name }) else {
                throw RDOError(
                    .usage, "the answers of \(rater.name) are there twice", at: file,
                    remedy: "name each rater's file once; two people need two names")
            }
            raters.append(rater)
        }
        judged =
            key.items.map { item in
                JudgedPair(
                    pair: item.pair,
                    opinions: raters.map { rater in
                        Opinion(judge: rater.name, readings: [Self.reading(rater.answers[item.number], item.left)])
                    })
            } + key.identical.map { JudgedPair(pair: $0, opinions: []) }
        judgement = Judgement(judged, names: raters.map(\.name), coverage: key.coverage, seed: key.seed)
    }

    /// Writes verdicts.jsonl and result.json.
    /// - Throws: `RDOError.artefact` when the directory holds anything else, or cannot be written.
    package func write(to directory: String) throws {
        try JudgementFiles.require(directory)
        try JudgementFiles.write(judged, judgement, to: directory)
    }

    private static func rater(
        _ file: String, _ key: SheetKey
    ) throws -> (name: String, answers: [Int: SheetAnswers.Choice]) {
        let answers = try SheetFile.read(
            SheetAnswers.self, file, schema: SheetAnswers.schema, what: "file of answers that a sheet saved")
        guard answers.sheet == key.sheet else {
            throw RDOError(
                .artefact, "these are answers to another sheet", at: file, remedy: "name the key of that sheet")
        }
        var choices: [Int: SheetAnswers.Choice] = [:]
        for (number, choice) in answers.answers {
            guard let number = Int(number), (1...key.items.count).contains(number) else {
                throw RDOError(.artefact, "the sheet has no item \"\(number)\"", at: file)
            }
            choices[number] = choice
        }
        let name = answers.rater.trimmingCharacters(in: .whitespacesAndNewlines)
        let isUsable = !name.isEmpty && name != Judgement.majorityName
        return (isUsable ? name : URL(ofFile: file).lastPathComponent, choices)
    }

    private static func reading(_ choice: SheetAnswers.Choice?, _ left: Side) -> Reading {
        switch choice {
        case nil: Reading(shownFirst: left, missing: .unanswered)
        case .tie: Reading(shownFirst: left, outcome: .tie)
        case .left: Reading(shownFirst: left, outcome: left == .a ? .win : .lose)
        case .right: Reading(shownFirst: left, outcome: left == .a ? .lose : .win)
        }
    }
}
