import Coding
import Foundation
import Inspection

/// One question as it goes over the wire: the same question is the same bytes, and so has the same key in the cache.
struct ChatRequest: Sendable {
    let body: [UInt8]
    /// Of address, model, parameters and messages; nothing of it is a secret.
    let key: Digest

    init(_ messages: [ChatTurn], for judge: JudgeSettings) {
        let turns = messages.map {
            "{\"role\": \($0.role.quotedAsJSON), \"content\": \($0.content.quotedAsJSON)}"
        }
        let temperature = judge.temperature.map { ", \"temperature\": \($0)" } ?? ""
        body = Array(
            """
            {"model": \(judge.model.quotedAsJSON), "messages": [\(turns.joined(separator: ", "))], \
            "\(judge.limitKey.rawValue)": \(judge.maxTokens)\(temperature)}
            """.utf8)
        let digest = DigestStream()
        digest.update(judge.endpoint)
        digest.update(body)
        key = digest.digest
    }
}

/// What a judge answered, as it is kept: everything that was paid for.
struct ChatReply: Sendable, Codable, Equatable {
    /// Empty where the judge said nothing.
    let text: String
    /// The server's reason for the end: `stop`, `length`, `content_filter`, ….
    let finish: String?
    /// What the server calls a refusal.
    let refusal: String?
    /// Nil where the server does not count them.
    let inputTokens: Int?
    let outputTokens: Int?

    enum CodingKeys: String, CodingKey {
        case text, finish, refusal
        case inputTokens = "input_tokens"
        case outputTokens = "output_tokens"
    }
}

extension ChatReply {
    /// - Throws: why the body is no chat completion.
    init(_ body: [UInt8], _ secrets: Secrets) throws(NoCompletion) {
        let json: JSONValue
        do { json = try JSONParser.parse(body) } catch { throw NoCompletion(why: "no JSON: \(error.what)") }
        guard let choice = json["choices"]?.elements?.first, let message = choice["message"] else {
            throw NoCompletion(why: "JSON, but no chat completion")
        }
        func text(_ value: JSONValue?) -> String? { value?.text.map(secrets.redacted) }
        func count(_ name: String) -> Int? {
            json["usage"]?[name]?.integer.flatMap { (0...1_000_000_000).contains($0) ? $0 : nil }
        }
        // Some servers give a list of parts.
        let parts = message["content"]?.elements?.compactMap { $0["text"]?.text }.joined()
        self.init(
            text: text(message["content"]) ?? parts.map(secrets.redacted) ?? "", finish: text(choice["finish_reason"]),
            refusal: text(message["refusal"]), inputTokens: count("prompt_tokens"),
            outputTokens: count("completion_tokens"))
    }
}

/// Why an answer cannot be read as one of a judge.
struct NoCompletion: Error { let why: String }

/// What a server says of an error, on one line, without keys.
enum ServerMessage {
    static func text(_ body: [UInt8], _ secrets: Secrets) -> String {
        let json = try? JSONParser.parse(body)
        let said = json?["error"]?["message"]?.text ?? json?["error"]?.text ?? json?["message"]?.text
        // Before it is shortened, so that no half of a key is left.
        return oneLine(secrets.redacted(said ?? String(decoding: body, as: UTF8.self)), limit: 160)
    }
}
