import Foundation
import Synchronization
import TestSupport

/// What a judge's server was asked, taken apart.
struct JudgeQuestion {
    let query: String
    let first: String
    let second: String
    /// 0, and one more each time that the judge is asked to correct its answer.
    let repeats: Int
    let authorization: String?

    init?(_ request: HTTPServer.Request) {
        guard let json = try? JSONSerialization.jsonObject(with: request.body) as? [String: Any],
            let messages = json["messages"] as? [[String: String]], messages.count >= 2,
            let text = messages[1]["content"]
        else { return nil }
        func part(_ title: String) -> String? {
            guard let start = text.range(of: "[\(title) "),
                let open = text.range(of: "]\n", range: start.upperBound..<text.endIndex),
                let close = text.range(of: "\n[end ", range: open.lowerBound..<text.endIndex)
            else { return nil }
            return open.upperBound <= close.lowerBound ? String(text[open.upperBound..<close.lowerBound]) : ""
        }
        guard let query = part("request"), let first = part("response 1"), let second = part("response 2") else {
            return nil
        }
        (self.query, self.first, self.second) = (query, first, second)
        repeats = (messages.count - 2) / 2
        authorization = request.headers["authorization"]
    }
}

/// Bodies as servers of chat completions send them.
enum Completion {
    static func body(
        _ text: String, finish: String = "stop", refusal: String? = nil, input: Int = 100, output: Int = 10
    ) -> String {
        let message: [String: Any] = ["role": "assistant", "content": text, "refusal": refusal ?? NSNull()]
        let json: [String: Any] = [
            "choices": [["index": 0, "message": message, "finish_reason": finish] as [String: Any]],
            "usage": ["prompt_tokens": input, "completion_tokens": output],
        ]
        let data = try? JSONSerialization.data(withJSONObject: json, options: [.sortedKeys])
        return String(decoding: data ?? Data(), as: UTF8.self)
    }

    static func scores(_ first: Int, _ second: Int) -> HTTPServer.Answer {
        .reply(200, body("The first has \(first), the second \(second).\nSCORES: \(first), \(second)"))
    }

    /// Prefers the response that calls itself good, whatever its place; neither, where both or none do.
    static func honest(_ question: JudgeQuestion) -> HTTPServer.Answer {
        scores(question.first.contains("good") ? 9 : 2, question.second.contains("good") ? 9 : 2)
    }
}

/// Two files of responses and a configuration of judges, and `rdo judge` on them.
struct JudgeWorkspace {
    let directory: TemporaryDirectory

    static let key = "sk-not-for-anybody-42"

    /// The first policy is good for two of three queries, the second for the third; the last query has equal responses.
    init(prompts: Int = 24) throws {
        directory = try TemporaryDirectory()
        func rows(_ response: (Int) -> String) -> String {
            (0..<prompts).map { #"{"query": "query \#($0)", "responses": ["\#(response($0))", "unused"]}"# }
                .joined(separator: "\n") + "\n"
        }
        try directory.write(
            rows { $0 == prompts - 1 ? "same" : $0 % 3 == 2 ? "bad \($0)" : "a good answer to \($0)" }, to: "a.jsonl")
        try directory.write(
            rows { $0 == prompts - 1 ? "same" : $0 % 3 == 2 ? "good \($0)" : "a rather bad answer to \($0)" },
            to: "b.jsonl")
    }

    func path(_ name: String) -> String { directory.path + "/" + name }

    /// - Parameter judges: name, url and further keys of each.
    func configure(_ judges: [(name: String, url: String, more: String)], more: String = "") throws {
        let list = judges.map { "  - { name: \($0.name), url: \"\($0.url)\", model: m, backoff: 0.01\($0.more) }" }
        try directory.write("seed: 3\n\(more)judges:\n" + list.joined(separator: "\n") + "\n", to: "judges.yaml")
    }

    @discardableResult
    func judge(
        _ out: String = "out", _ arguments: [String] = [], whileRunning: (Process) throws -> Void = { _ in }
    ) throws -> ProcessResult {
        try CommandRunner.run(
            "rdo",
            ["judge", path("a.jsonl"), path("b.jsonl"), "--config", path("judges.yaml"), "--out", path(out)]
                + arguments, timeout: 120,
            environment: ["JUDGE_KEY": Self.key, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"],
            whileRunning: whileRunning)
    }

    func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

    /// result.json.
    func result(_ out: String = "out") throws -> [String: Any] {
        let data = try Data(contentsOf: URL(fileURLWithPath: path(out + "/result.json")))
        return try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
    }

    /// What result.json says of a judge.
    func tally(_ name: String, _ out: String = "out") throws -> [String: Any] {
        let judges = try result(out)["judges"] as? [[String: Any]] ?? []
        return judges.first { $0["name"] as? String == name } ?? [:]
    }

    /// Every byte below the directory.
    func everyByte(_ out: String = "out") throws -> Data {
        let files = FileManager.default.enumerator(atPath: path(out))?.compactMap { $0 as? String } ?? []
        return try files.reduce(into: Data()) { all, file in
            var isDirectory: ObjCBool = false
            let full = path(out + "/" + file)
            if FileManager.default.fileExists(atPath: full, isDirectory: &isDirectory), !isDirectory.boolValue {
                all += try Data(contentsOf: URL(fileURLWithPath: full))
            }
        }
    }
}
