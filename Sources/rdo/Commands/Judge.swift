import ArgumentParser
import Diagnostics
import Foundation
import Judging

struct Judge: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let language models, or people, judge two policies' responses. Needs no MPI.",
        discussion: """
            rdo judge A.jsonl B.jsonl --config judges.yaml --out DIR asks the judges. rdo judge --human A.jsonl B.jsonl \
            --out sheet.html makes a blind sheet for people, and rdo judge --merge sheet.key.json ANSWERS... takes their \
            answers together (docs/judging.md).
            """)

    @Argument(help: "The responses of two policies, JSONL; with --merge files of answers.")
    var paths: [String]

    @Option(help: "The judges (YAML). Keys stand in environment variables that it names.")
    var config: String?

    @Option(help: "The directory for answers, verdicts and result; of --human the sheet.")
    var out: String?

    @Option(help: "At most so many prompts, drawn from the seed.")
    var limit: Int?

    @Flag(help: "Say what would be asked, and ask nothing.")
    var dryRun = false

    @Flag(help: "Make a sheet for people, and beside it the key that says which side is which.")
    var human = false

    @Option(help: "Of --human: draws sides, order and the prompts of --limit.")
    var seed: Int?

    @Option(help: "The key of a sheet, whose answers are merged.")
    var merge: String?

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit \(limit) is not at least 1") }
        if let seed, seed < 0 { throw ValidationError("--seed \(seed) is negative") }
        if human && merge != nil { throw ValidationError("--human makes a sheet, --merge reads answers: one of both") }
        if (human || merge != nil) && (config != nil || dryRun) {
            throw ValidationError("--config and --dry-run are for language models")
        }
        if merge != nil && (limit != nil || seed != nil) {
            throw ValidationError("--limit and --seed are of the sheet, and stand in its key")
        }
        if seed != nil && !human { throw ValidationError("--seed is for --human: judges have theirs in --config") }
        if merge == nil && paths.count != 2 { throw ValidationError("name two files of responses") }
        if merge == nil && out == nil { throw ValidationError("--out is missing") }
        if merge == nil && !human && config == nil { throw ValidationError("--config is missing") }
    }

    func run() throws {
        let log = Log(speaking: true)
        if let merge {
            let merged = try SheetMerge(key: merge, answers: paths)
            if let out { try merged.write(to: out) }
            return try StandardOutput.write(merged.judgement.text, terminator: "")
        }
        guard let out else { return }
        if human {
            let sheet = try HumanSheet(paths[0], paths[1], limit: limit, seed: seed ?? 1)
            sheet.notes.forEach { log.warning($0) }
            try sheet.write(to: out)
            return try StandardOutput.write(
                "\(out): \(sheet.count) pairs\n\(HumanSheet.keyPath(of: out)): which side is which; raters must not see it"
            )
        }
        guard let config else { return }
        StopSignal.install()
        let run = try JudgeRun(
            paths[0], paths[1], configuration: config, directory: out, limit: limit,
            environment: ProcessInfo.processInfo.environment, arguments: CommandLine.arguments, isDryRun: dryRun,
            log: log)
        if dryRun { return try StandardOutput.write(run.plan, terminator: "") }
        let (judgement, failure) = try run.run()
        try StandardOutput.write(judgement.text, terminator: "")
        if let failure { throw failure }
    }
}
