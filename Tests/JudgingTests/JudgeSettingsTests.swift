import Diagnostics
import Foundation
import Settings
import TestSupport
import Testing

@testable import Judging

/// The file of judges, and that a key cannot get into it or out of its variable.
@Suite struct JudgeSettingsTests {
    private static let key = "sk-verysecret-0123456789"

    private func load(_ yaml: String) throws -> JudgingSettings {
        let directory = try TemporaryDirectory()
        let path = try directory.write(yaml, to: "judges.yaml")
        return try JudgingSettings.load(JudgingSettings.text(of: path), source: path)
    }

    private func failure(_ yaml: String) -> String {
        do {
            _ = try load(yaml)
            return ""
        } catch { return "\(error)" }
    }

    @Test func aFileThatCannotBeReadIsNamed() throws {
        let directory = try TemporaryDirectory()
        for path in [directory.path, directory.path + "/none.yaml"] {
            let error = #expect(throws: RDOError.self) { try JudgingSettings.text(of: path) }
            #expect(error?.kind == .usage && error?.place == path)
        }
    }

    @Test func judgesAreAList() throws {
        let settings = try load(
            """
            seed: 7
            both_orders: true
            judges:
              - { name: one, url: "https://a.example/v1", model: m, key_env: ONE_KEY, input_price: 2.5 }
              - name: two
                url: http://[::1]:80/v1/
                model: org/m:free
                temperature: null
                limit_key: max_completion_tokens
                system: |
                  Line one.
                  Line two.
            """)
        #expect(settings.seed == 7 && settings.bothOrders && settings.judges.map(\.name) == ["one", "two"])
        #expect(settings.judges[0].keyVariable == "ONE_KEY" && settings.judges[0].temperature == 0)
        #expect(settings.judges[1].temperature == nil && settings.judges[1].system == "Line one.\nLine two.")
        #expect(settings.judges[1].limitKey == .completionTokens)
        #expect(try JudgingSettings(reading: settings.yaml, settings: [], source: "again") == settings)
        #expect(try JudgingSettings(reading: JudgingSettings().yaml, settings: [], source: "none") == JudgingSettings())
        #expect(settings.judges[0].cost(input: 2_000_000, output: 1_000_000) == 5)
        #expect(settings.judges[1].cost(input: 1, output: 1) == nil)
    }

    @Test(arguments: [
        ("seed: 1", "judges is empty"), ("judges: one", "judges must be a list of sections"),
        ("judges: {name: one}", "judges must be a list of sections"),
        ("judges:\n  -", "judge 1: name must be"),
        ("judges:\n  - {name: a b, url: http://h/v1, model: m}", "judge 1: name must be"),
        ("judges:\n  - {name: majority, url: http://h/v1, model: m}", "judge 1: name must be"),
        ("judges:\n  - {name: a, url: http://h/v1}", "judge 1: model is empty"),
        ("judges:\n  - {name: a, model: m}", "judge 1: url is not http(s)://"),
        ("judges:\n  - {name: a, url: ftp://h/v1, model: m}", "judge 1: url is not http(s)://"),
        ("judges:\n  - {nam: a}", "judges.yaml:2: unknown key judges.nam; the nearest known key is judges.name"),
        (
            "judges:\n  - {name: a, url: http://h/v1, model: m}\n  - {name: a, url: http://h/v1, model: m}",
            "two judges have the name a"
        ),
        (
            "judges:\n  - {name: a, url: http://h/v1, model: m, concurrency: 0}",
            "judges.concurrency must be integer 1 to 256"
        ),
    ]) func mistakesAreNamed(_ yaml: String, _ message: String) {
        #expect(failure(yaml).contains(message), "\(failure(yaml))")
    }

    @Test(arguments: [
        "api_key: KEY", "key: KEY", "authorization: Bearer KEY", "key_env: KEY", "key_env: \"$(echo KEY)\"",
        "url: \"https://KEY@host/v1\"", "url: \"https://user:KEY@host/v1\"", "url: \"https://host/v1?key=KEY\"",
        "url: \"https://host/v1#KEY\"",
    ]) func keysInTheFileAreRefusedAndNotRepeated(_ line: String) {
        let url = line.hasPrefix("url") ? "" : ", url: http://localhost/v1"
        let message = failure("judges:\n  - {name: a, model: m\(url), \(line.replacing("KEY", with: Self.key))}")
        #expect(!message.isEmpty && !message.contains(Self.key), "\(message)")
    }

    private func secrets(
        _ environment: [String: String], text: String = "", arguments: [String] = []
    ) throws -> (Secrets, JudgeSettings) {
        var judge = JudgeSettings()
        (judge.name, judge.keyVariable) = ("one", "ONE_KEY")
        let secrets = try Secrets(
            of: [judge], environment: environment, configuration: ("judges.yaml", text), arguments: arguments)
        return (secrets, judge)
    }

    @Test func keysComeFromTheEnvironmentAlone() throws {
        let (secrets, judge) = try secrets(["ONE_KEY": Self.key])
        #expect(secrets.authorization(of: judge) == "Authorization: Bearer " + Self.key)
        #expect(secrets.redacted("a \(Self.key)\(Self.key) b") == "a [key][key] b")
        #expect(secrets.authorization(of: JudgeSettings()) == nil)
        let bad: [([String: String], String, [String])] = [
            ([:], "", []), (["ONE_KEY": ""], "", []), (["ONE_KEY": "short"], "", []),
            (["ONE_KEY": Self.key + "\n"], "", []), (["ONE_KEY": Self.key + "\r\nX: y"], "", []),
            (["ONE_KEY": Self.key], "model: \(Self.key)", []), (["ONE_KEY": Self.key], "", ["--out=" + Self.key]),
        ]
        for (environment, text, arguments) in bad {
            let error = #expect(throws: RDOError.self) {
                _ = try self.secrets(environment, text: text, arguments: arguments)
            }
            #expect(error?.kind == .usage && error?.description.contains(Self.key) == false)
        }
    }

    @Test(arguments: [
        ("http://127.0.0.1:80/v1", false), ("http://localhost/v1", false), ("http://[::1]:1/v1", false),
        ("https://h.example/v1", false), ("http://h.example/v1", true), ("http://localhost.example/v1", true),
        ("http://127.0.0.1.example/v1", true),
    ]) func keysInTheOpenAreSaid(_ url: String, _ isOpen: Bool) {
        var judge = JudgeSettings()
        judge.url = url
        #expect(!judge.sendsKeyInTheOpen)
        judge.keyVariable = "KEY"
        #expect(judge.sendsKeyInTheOpen == isOpen)
    }

    /// docs/judging.md has every key with its default.
    @Test func thePageHasEveryKey() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/judging.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        for row in JudgingSettings().rows {
            let line = "| `\(row.key)` | \(row.kind) | `\(row.value)` | \(row.help) |"
            #expect(text.contains(line), "docs/judging.md lacks the line\n\(line)")
        }
    }
}
