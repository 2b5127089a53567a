import Diagnostics
import Methods
import Preferences
import Settings
import Storage

/// Reads and tokenises the data as training will, without any weights, and says what it will see: bad rows, lengths, what
/// is cut, and whether every training pass can learn from them.
package struct PreparePass: CommandPass {
    package static let name = PassName(rawValue: "prepare")
    package static let summary = "Read and tokenise the data, and say what training will see."

    package init() {}

    package func recipe(_ configuration: Configuration, _ digests: KnownDigests) throws -> Recipe {
        try Recipe(configuration, digests, trainFiles: nil, reader: configuration.baseModel)
    }

    package func artefacts(in configuration: Configuration) -> [String] { [] }

    package func progress(in configuration: Configuration) throws -> String { "" }

    package func run(_ session: Session) throws {
        let data = try session.dataSets(model: session.configuration.baseModel)
        for (title, part) in [("train", data.train), ("test", data.test)] {
            guard let part else { continue }
            session.log.info("prepare: \(title): " + Self.summary(of: part))
            for example in part.examples.prefix(session.configuration.prepare.examples) {
                for response in example.responses {
                    let text = try data.conventions.tokenizer.decode(example.prompt + response)
                    session.log.info("prepare: \(title) row \(example.row + 1): \(text)")
                }
            }
        }
        let context = session.context(data.conventions)
        for stage in Configuration.trainingPasses where session.configuration.passes.contains(stage.name) {
            let settings = stage.settings(in: session.configuration)
            let files = try stage.rows(session, start: session.configuration.baseModel)
            let count = try stage.anyMethod(in: session.configuration).prepare(files, context).train.examples.count
            session.log.info(
                "prepare: \(stage.name): \(count) examples, \(settings.training.totalSteps(exampleCount: count)) steps")
        }
    }

    private static func summary(of part: DataSet) -> String {
        var (prompts, responses, cutPrompts, cut) = (Lengths(), Lengths(), 0, 0)
        for example in part.examples {
            prompts.add(example.prompt.count)
            for response in example.responses { responses.add(response.count) }
            cutPrompts += example.isPromptTruncated ? 1 : 0
            cut += example.truncatedResponses.count { $0 }
        }
        return
            "\(part.examples.count) rows, tokens of a prompt \(prompts), of a response \(responses); "
            + "\(cutPrompts) prompts and \(cut) responses are cut"
    }
}

/// Mean and longest of some lengths.
private struct Lengths: CustomStringConvertible {
    private var (count, sum, longest) = (0, 0, 0)

    mutating func add(_ length: Int) { (count, sum, longest) = (count + 1, sum + length, max(longest, length)) }

    var description: String { "mean \(sum / max(count, 1)), longest \(longest)" }
}

package struct PrepareSettings: ConfigurationSection {
    package var examples = 0

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .value(
                \.examples, "examples", .atLeast(0),
                "Rows of each part to print as the model reads them, special tokens included.")
        ]
    }
}
