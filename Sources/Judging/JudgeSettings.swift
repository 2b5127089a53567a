import Coding
import Diagnostics
import Foundation
import Settings

/// What `rdo judge --config` reads: the judges, and how they are asked (docs/judging.md).
package struct JudgingSettings: ConfigurationSection {
    package var seed = 1
    package var bothOrders = false
    package var judges: [JudgeSettings] = []

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .value(
                \.seed, "seed", .atLeast(0), "Draws which response a judge sees first, and the prompts of `--limit`."),
            .value(
                \.bothOrders, "both_orders",
                "Ask every judge twice, in both orders; one that does not say the same twice sees a tie."),
            .sections(\.judges, "judges", "The judges; an odd number leaves fewer ties of the majority."),
        ]
    }
}

/// One judge: a model behind an endpoint that speaks OpenAI's chat completions.
package struct JudgeSettings: ConfigurationSection {
    package var name = ""
    package var url = ""
    package var model = ""
    package var keyVariable: String?
    package var temperature: Double? = 0
    package var maxTokens = 1024
    package var limitKey = LimitKey.tokens
    package var timeout = 120.0
    package var concurrency = 4
    package var retries = 5
    package var backoff = 1.0
    package var repeats = 1
    package var inputPrice: Double?
    package var outputPrice: Double?
    package var system: String?

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .value(\.name, "name", "What tables and files call the judge: letters, digits, `.`, `_` and `-`."),
            .value(\.url, "url", "Where `/chat/completions` stands, such as `https://HOST/v1`; never with a key."),
            .value(\.model, "model", "The model's name there."),
            .value(
                \.keyVariable, "key_env",
                "The environment variable that holds the key, never the key itself; null where the server wants none."),
            .value(\.temperature, "temperature", .within(0, 2), "Null leaves it to the server."),
            .value(\.maxTokens, "max_tokens", .within(16, 1_000_000), "The most tokens of an answer."),
            .value(\.limitKey, "limit_key", "What the server calls that limit."),
            .value(\.timeout, "timeout", .within(0.1, 86400), "Seconds for one answer."),
            .value(\.concurrency, "concurrency", .within(1, 256), "Requests at a time."),
            .value(
                \.retries, "retries", .within(0, 20),
                "How often a request is sent again after 429, 500, 502, 503, 504, a time-out or a lost connection."),
            .value(
                \.backoff, "backoff", .within(0, 600),
                "Seconds before the first of these; each later one waits twice as long."),
            .value(
                \.repeats, "repeats", .within(0, 5),
                "How often a judge is asked to correct an answer without a line of scores."),
            .value(\.inputPrice, "input_price", .atLeast(0), "Price of a million tokens read, in any currency."),
            .value(\.outputPrice, "output_price", .atLeast(0), "Price of a million tokens written."),
            .value(\.system, "system", "Said to the judge after the program's own instructions."),
        ]
    }
}

/// How servers call the limit of an answer.
package enum LimitKey: String, SettingChoice {
    case tokens = "max_tokens"
    case completionTokens = "max_completion_tokens"
}

extension JudgingSettings {
    /// - Throws: `RDOError.usage` when the file cannot be read.
    static func text(of path: String) throws -> String {
        guard let text = try InputFile.text(of: path, called: "the file of judges", .usage) else {
            throw RDOError(.usage, "cannot read the judges (there is no such file)", at: path)
        }
        return text
    }

    /// Reads and checks a file's text.
    /// - Throws: `RDOError.usage` naming file and key; a value that may hold a key is never repeated.
    static func load(_ text: String, source path: String) throws -> JudgingSettings {
        let settings = try JudgingSettings(reading: text, settings: [], source: path)
        guard !settings.judges.isEmpty else { throw RDOError(.usage, "judges is empty", at: path) }
        var names: Set<String> = []
        for (index, judge) in settings.judges.enumerated() {
            do throws(RDOError) { try judge.validate() } catch {
                throw RDOError(.usage, "judge \(index + 1): \(error.what)", at: path, remedy: error.remedy)
            }
            guard names.insert(judge.name).inserted else {
                throw RDOError(.usage, "two judges have the name \(judge.name)", at: path)
            }
        }
        return settings
    }
}

extension JudgeSettings {
    fileprivate func validate() throws(RDOError) {
        guard !name.isEmpty, name.wholeMatch(of: /[A-Za-z0-9._-]{1,64}/) != nil, name != Judgement.majorityName else {
            throw RDOError(.usage, "name must be 1 to 64 letters, digits, `.`, `_` or `-`, and not `majority`")
        }
        guard !model.isEmpty else { throw RDOError(.usage, "model is empty") }
        // The value is not shown: it may be the key.
        if let keyVariable, keyVariable.wholeMatch(of: /[A-Z_][A-Z0-9_]{0,63}/) == nil {
            throw RDOError(
                .usage, "key_env is not the name of an environment variable in capitals",
                remedy: "write the name of the variable that holds the key, and never the key itself")
        }
        guard url.wholeMatch(of: /https?:\/\/[^\s\/?#@]+(\/[^\s?#@]*)?/) != nil else {
            throw RDOError(
                .usage, "url is not http(s)://HOST[:PORT]/PATH without user, password, ? and #",
                remedy: "a key is given by key_env, never in an address")
        }
    }

    /// Where a question goes.
    var endpoint: String { (url.hasSuffix("/") ? String(url.dropLast()) : url) + "/chat/completions" }

    /// Host and port of the address.
    private var host: Substring { url.split(separator: "/", maxSplits: 2)[1].prefix { $0 != "/" } }

    /// A key would go over a network for everybody to read.
    var sendsKeyInTheOpen: Bool {
        guard keyVariable != nil, url.hasPrefix("http:") else { return false }
        return host.wholeMatch(of: /(localhost|127(\.\d+){3}|\[::1\])(:\d+)?/) == nil
    }

    /// What the tokens cost; nil without prices.
    func cost(input: Int, output: Int) -> Double? {
        guard inputPrice != nil || outputPrice != nil else { return nil }
        return (Double(input) * (inputPrice ?? 0) + Double(output) * (outputPrice ?? 0)) / 1e6
    }
}
