/// Turns a query and its responses into the texts that a model reads. No template emits BOS, or the EOS that ends a
/// response: `TokenizationPlan` alone does.
///
/// | template | query | response |
/// |---|---|---|
/// | `plain` | as is | as is |
/// | `hh` | `\n\nHuman: {query}\n\nAssistant:`, unless it ends in `\n\nAssistant:` already | a space before it, unless there is one |
/// | `alpaca` | Stanford Alpaca's prompt for an instruction without input, ending in `### Response:` | as is |
/// | `tldr` | `POST: {query}\n\nTL;DR:`; no `POST: ` when it begins with `SUBREDDIT: `, nothing when it ends in `\n\nTL;DR:` | a space before it, unless there is one |
///
/// Those of turns render a query as a chat of one user message; `hh` has turns for chats too. "Trimmed" is without white
/// space around the text, in the prompt and in the response:
///
/// | template | system | user | assistant before | opens the response |
/// |---|---|---|---|---|
/// | `hh` | `\n\nSystem: {text}` | `\n\nHuman: {text}` | `\n\nAssistant: {text}` | `\n\nAssistant:` |
/// | `chatml` | `<\|im_start\|>system\n{text}<\|im_end\|>\n` | the same with `user` | with `assistant` | `<\|im_start\|>assistant\n` |
/// | `llama3`, trimmed | `<\|start_header_id\|>system<\|end_header_id\|>\n\n{text}<\|eot_id\|>` | the same with `user` | with `assistant` | `<\|start_header_id\|>assistant<\|end_header_id\|>\n\n` |
/// | `mistral` | refused | `[INST] {text} [/INST]` | `{text}</s>` | nothing |
/// | `gemma`, trimmed | `{text}\n\n` (as it is) before the first user's text | `<start_of_turn>user\n{text}<end_of_turn>\n` | the same with `model` | `<start_of_turn>model\n` |
/// | `zephyr` | `<\|system\|>\n{text}</s>\n` | the same with `user` | with `assistant` | `<\|assistant\|>\n` |
/// | `vicuna` | `{text} `, FastChat's sentence when there is none | `USER: {text} ` | `ASSISTANT: {text}</s>` | `ASSISTANT:`, then a space before the response, unless there is one |
///
/// Only `vicuna` adds a system message. `mistral`, `gemma` and `vicuna` need user and assistant in turn, a system message
/// at the beginning only and a user's message at the end. Beside the BOS they are the public chat templates of Llama 3
/// Instruct (not 3.1, which begins with a date), Mistral 7B Instruct v0.2 as it came out, Gemma 3 (Gemma 1 and 2 refuse
/// system messages and are the same otherwise), Zephyr 7B and FastChat's `vicuna_v1.1`. Mistral's later files, which take
/// a system message, are known to `data.template: auto` (`KnownChatTemplate`).
package enum PromptTemplate: Sendable, Hashable {
    case plain, hh, alpaca, tldr
    case turns(TurnTemplate)

    static let chatUnsupported = "chat messages need a template for chats"

    /// The turns of a chat; nil when the template renders no chats.
    package var turns: TurnTemplate? {
        switch self {
        case .plain, .alpaca, .tldr: nil
        case .hh: .hh
        case .turns(let turns): turns
        }
    }

    /// The same, if no row has a tool's message.
    package var withoutTools: PromptTemplate {
        guard case .turns(var turns) = self else { return self }
        turns.tool = nil
        return .turns(turns)
    }

    /// Tells apart templates that render anything in another way: the name of a built-in one, else all of its texts.
    package var identity: String {
        if let name = TemplateName.allCases.first(where: { $0.builtIn == self }) { return name.rawValue }
        guard case .turns(let turns) = self else { preconditionFailure("a template without turns has a name") }
        return turns.json
    }

    /// The model's text for a query.
    package func prompt(_ query: String) -> String {
        switch self {
        case .plain: query
        case .hh: query.hasByteSuffix(DialogueFormat.assistantTurn) ? query : TurnTemplate.hh.prompt(query)
        case .alpaca:
            "Below is an instruction that describes a task. Write a response that appropriately completes the request."
                + "\n\n### Instruction:\n\(query)\n\n### Response:"
        case .tldr:
            query.hasByteSuffix(Self.summaryTurn)
                ? query : (query.hasBytePrefix("SUBREDDIT: ") ? query : "POST: \(query)") + Self.summaryTurn
        case .turns(let turns): turns.prompt(query)
        }
    }

    /// The model's text for a chat.
    /// - Throws: what of the chat the template cannot render.
    func prompt(_ messages: [ChatMessage]) throws(RowError) -> String {
        guard let turns else { throw RowError(Self.chatUnsupported) }
        return try turns.prompt(messages)
    }

    /// The model's text for a response.
    package func response(_ response: String) -> String {
        switch self {
        case .plain, .alpaca: response
        case .tldr: response.hasBytePrefix(" ") ? response : " " + response
        case .hh: TurnTemplate.hh.response(response)
        case .turns(let turns): turns.response(response)
        }
    }

    /// The model's text for one of the record's responses.
    func response(_ response: String, of record: PreferenceRecord) throws(RowError) -> String {
        guard let continuation = record.continuation(response) else { return self.response(response) }
        guard let turns else { throw RowError(Self.chatUnsupported) }
        return try turns.response(continuation, after: record.messages ?? [])
    }

    /// The text that stands for one of the record's responses in the difference model's input.
    func answer(_ response: String, of record: PreferenceRecord) throws(RowError) -> String {
        record.continuation(response) == nil ? response : try self.response(response, of: record)
    }

    /// The text that stands for the record's query in the difference model's input: the query without template; a
    /// chat as `prompt` renders it.
    func query(of record: PreferenceRecord) throws(RowError) -> String {
        record.messages == nil ? record.prompt : try prompt(of: record)
    }

    func prompt(of record: PreferenceRecord) throws(RowError) -> String {
        try record.messages.map { messages throws(RowError) in try prompt(messages) } ?? prompt(record.prompt)
    }

    private static let summaryTurn = "\n\nTL;DR:"
}

/// The values of `data.template`.
package enum TemplateName: String, Sendable, CaseIterable {
    case plain, hh, alpaca, tldr, chatml, llama3, mistral, gemma, zephyr, vicuna
    /// That of `data.turns`.
    case custom
    /// The base model's own, where it is known.
    case auto

    /// Nil for those that are not built in.
    package var builtIn: PromptTemplate? {
        switch self {
        case .plain: .plain
        case .hh: .hh
        case .alpaca: .alpaca
        case .tldr: .tldr
        case .chatml: .turns(.chatml)
        case .llama3: .turns(.llama3)
        case .mistral: .turns(.mistral)
        case .gemma: .turns(.gemma)
        case .zephyr: .turns(.zephyr)
        case .vicuna: .turns(.vicuna)
        case .custom, .auto: nil
        }
    }

    /// The built-in ones that render chats, for messages.
    static var forChats: String {
        allCases.filter { $0.builtIn?.turns != nil }.map(\.rawValue).joined(separator: ", ")
    }
}
