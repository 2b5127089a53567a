import Diagnostics
import TestSupport
import Testing

@testable import Preferences

/// Templates of turns against `transformers`, byte by byte.
@Suite struct ChatTemplateTests {
    private static let named = ["chatml", "llama3", "mistral", "gemma", "zephyr", "vicuna"]

    @Test(arguments: named) func rendersAsTransformersDoes(_ name: String) throws {
        let goldens = try ChatTemplateGoldens.read()
        let golden = try #require(goldens.template(name))
        let template = try #require(TemplateName(rawValue: name)?.builtIn)
        let turns = try #require(template.turns)
        #expect(golden.template == name && golden.chats.count == (turns.tool == nil ? 12 : 14))
        for (title, chat) in golden.chats {
            let messages = goldens.messages(title)
            let text = template.text(messages)
            #expect(text.map { Array($0.utf8) } == chat.prompt.map { Array($0.utf8) }, "\(title): \(text ?? "refused")")
            if messages.count == 1 {
                #expect(template.prompt(messages[0].content) == text, "\(title): the query alone")
            }
            guard let answered = chat.answered, let text else { continue }
            let whole = text + template.response(ChatTemplateGoldens.answer) + turns.assistant.suffix
            #expect(whole.hasSameBytes(as: answered), "\(title): \(whole)")
        }
    }

    @Test func everyBuiltInTemplateOfTurnsHasGoldens() {
        let turns = TemplateName.allCases.filter { if case .turns = $0.builtIn { true } else { false } }
        #expect(turns.map(\.rawValue) == Self.named)
        #expect(Set(TemplateName.allCases.compactMap(\.builtIn)).count == TemplateName.allCases.count - 2)
    }

    /// As ids too: a real tokenizer knows the marks as tokens, BOS comes from the plan.
    @Test(
        .enabled(if: Assets.has("models/llama32k-tokenizer", "models/smollm2-135m-instruct"), "no assets"),
        arguments: [
            ("chatml", "smollm2-135m-instruct"), ("smollm2", "smollm2-135m-instruct"),
            ("mistral", "llama32k-tokenizer"), ("zephyr", "llama32k-tokenizer"), ("vicuna", "llama32k-tokenizer"),
        ])
    func tokenisesAsTransformersDoes(_ name: String, _ model: String) throws {
        let goldens = try ChatTemplateGoldens.read()
        let golden = try #require(goldens.template(name))
        let directory = Assets.path("models/" + model)
        let own = try OwnChatTemplate.read(directory)?.known?.template
        let template = try #require(TemplateName(rawValue: name)?.builtIn ?? own)
        let tokenizer = try TokenizerLoader.load(directory)
        let eos = try #require(tokenizer.id(of: golden.eos))
        let plan = try TokenizationPlan(
            tokenizer: tokenizer, template: template, eosTokenID: eos, bosTokenID: tokenizer.bosTokenID,
            maxTokens: 4096)
        var compared = 0
        for (title, chat) in golden.chats {
            guard let ids = chat.smollm2 ?? chat.llama32k else { continue }
            var record = pair("q", "a", "b")
            record.messages = goldens.messages(title)
            #expect(try plan.example(of: record).prompt == ids, "\(title)")
            compared += 1
        }
        #expect(compared >= 6)
    }

    // MARK: - What a template cannot render

    private func chat(_ roles: ChatMessage.Role...) -> [ChatMessage] {
        roles.map { ChatMessage(role: $0, content: "x") }
    }

    @Test func whatCannotBeRenderedIsSaidByName() throws {
        let (mistral, gemma) = (PromptTemplate.turns(.mistral), PromptTemplate.turns(.gemma))
        #expect(mistral.refusal(of: chat(.system, .user)) == "the template has no place for a system message")
        #expect(mistral.refusal(of: chat(.user, .assistant, .system, .user)) == TurnTemplate.systemUnsupported)
        #expect(
            gemma.refusal(of: chat(.user, .assistant, .system, .user))
                == "the template has a place for a system message at the beginning only")
        for refused in [chat(.user, .user), chat(.assistant, .user), chat(.user, .assistant), chat(.system)] {
            #expect(
                gemma.refusal(of: refused)
                    == "the template needs messages of user and assistant in turn, the last one of the user")
        }
        #expect(gemma.refusal(of: chat(.system, .user, .assistant, .user)) == nil)
        for turns in [TurnTemplate.zephyr, .gemma, .hh] {
            #expect(
                PromptTemplate.turns(turns).refusal(of: chat(.user, .assistant, .tool, .user))
                    == "the template has no place for a tool's message")
        }
        var strict = TurnTemplate.chatml
        strict.alternate = true
        let refusal = { PromptTemplate.turns(strict).refusal(of: $0) }
        #expect(refusal(chat(.user, .assistant, .tool)) == nil && refusal(chat(.user, .assistant, .tool, .user)) == nil)
        #expect(refusal(chat(.user, .tool, .user)) == TurnTemplate.notAlternating)
        #expect(PromptTemplate.plain.refusal(of: chat(.user)) == "chat messages need a template for chats")
    }

    /// Row errors are counted by their reason and come with a remedy.
    @Test func aRefusedChatIsABadRow() throws {
        var record = pair("x", "a", "b")
        record.messages = chat(.system, .user)
        let results = try plan(.turns(.mistral)).examples(of: [record], rows: 0..<1)
        var report = DataReport()
        report.count(DataReport.File(path: "f", format: .messages, rows: 1), kept: 1, bad: BadRows())
        let error = #expect(throws: RDOError.self) { _ = try report.admit(results, policy: .fail) }
        #expect(error?.what.contains(TurnTemplate.systemUnsupported) == true)
        #expect(error?.remedy?.contains("data.template") == true)
        guard case .failure(let row) = try plan(.turns(.mistral)).differenceExamples(of: [record], rows: 0..<1)[0]
        else {
            Issue.record("the difference model's query was rendered")
            return
        }
        #expect(row.reason == TurnTemplate.systemUnsupported)
    }

    // MARK: - Templates of one's own

    @Test func systemMessagesStandWhereTheTemplateSays() {
        func text(_ place: TurnTemplate.SystemPlace, standard: String? = nil, _ messages: [ChatMessage]) -> String? {
            let system = TurnTemplate.SystemTurn(.init("<s:", ">"), place: place, standard: standard)
            return PromptTemplate.turns(
                TurnTemplate(system: system, user: .init("(", ")"), assistant: .init("[", "]"))
            ).text(messages)
        }
        let messages = [
            ChatMessage(role: .system, content: "s"), ChatMessage(role: .user, content: "1"),
            ChatMessage(role: .assistant, content: "a"), ChatMessage(role: .user, content: "2"),
        ]
        #expect(text(.turn, messages) == "<s:s>(1)[a](2)[")
        #expect(text(.firstUser, messages) == "(<s:s>1)[a](2)[")
        #expect(text(.lastUser, messages) == "(1)[a](<s:s>2)[")
        let rest = Array(messages.dropFirst())
        #expect(text(.lastUser, standard: "d", rest) == "(1)[a](<s:d>2)[")
        #expect(text(.turn, standard: "d", rest) == "<s:d>(1)[a](2)[")
        #expect(text(.turn, standard: "d", messages) == "<s:s>(1)[a](2)[")
        #expect(text(.firstUser, rest + messages) == nil)
        #expect(text(.firstUser, standard: "d", [rest[1]]) == nil)
        #expect(text(.turn, rest + messages) == "(1)[a](2)<s:s>(1)[a](2)[")
    }

    @Test func aSpaceAtTheEndOfTheAssistantsPrefixGoesToTheResponse() {
        func template(_ prefix: String, trim: Bool = false) -> PromptTemplate {
            .turns(TurnTemplate(system: nil, user: .init("Q: ", "\n"), assistant: .init(prefix, "\n", trim: trim)))
        }
        #expect(template("A: ").prompt("q") == "Q: q\nA:")
        #expect(template("A: ").response("a") == " a" && template("A: ").response(" a") == " a")
        #expect(template("A:").prompt("q") == "Q: q\nA:" && template("A:").response("a ") == "a ")
        #expect(template("A:  ").prompt("q") == "Q: q\nA: ")
        #expect(template("A: ", trim: true).response("\u{A0} a\u{1F}") == " a")
        #expect(template("A:", trim: true).response(" \n") == "")
    }

    @Test func identitiesTellTextsApart() {
        #expect(
            TemplateName.allCases.compactMap { $0.builtIn?.identity }.prefix(5) == [
                "plain", "hh", "alpaca", "tldr", "chatml",
            ])
        var turns = TurnTemplate.chatml
        #expect(PromptTemplate.turns(turns).identity == "chatml")
        turns.assistant.suffix += "\n"
        let other = PromptTemplate.turns(turns).identity
        #expect(other.contains("<|im_start|>assistant") && other != "chatml")
        turns.system?.standard = "Be brief."
        #expect(PromptTemplate.turns(turns).identity != other)
    }
}
