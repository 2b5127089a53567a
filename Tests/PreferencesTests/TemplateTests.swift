import Testing

@testable import Preferences

@Suite struct TemplateTests {
    @Test func plainLeavesEverythingAsItIs() {
        #expect(PromptTemplate.plain.prompt("q\n") == "q\n")
        #expect(PromptTemplate.plain.response(" a ") == " a ")
    }

    @Test func hhWrapsOnlyWhatIsNoDialogueYet() {
        let dialogue = "\n\nHuman: q\n\nAssistant:"
        #expect(PromptTemplate.hh.prompt("q") == dialogue)
        #expect(PromptTemplate.hh.prompt(dialogue) == dialogue)
        // To Swift "\r\n" is one character: the suffix must be found all the same.
        #expect(PromptTemplate.hh.prompt("x\r\n\nAssistant:") == "x\r\n\nAssistant:")
        #expect(PromptTemplate.hh.response("a") == " a")
        #expect(PromptTemplate.hh.response(" a") == " a")
    }

    @Test func alpaca() {
        #expect(
            PromptTemplate.alpaca.prompt("Name a colour.") == """
                Below is an instruction that describes a task. Write a response that appropriately completes the request.

                ### Instruction:
                Name a colour.

                ### Response:
                """)
        #expect(PromptTemplate.alpaca.response("Red.") == "Red.")
    }

    @Test func tldr() {
        let whole = "SUBREDDIT: r/s\n\nTITLE: t\n\nPOST: p\n\nTL;DR:"
        #expect(PromptTemplate.tldr.prompt(whole) == whole)
        #expect(PromptTemplate.tldr.prompt("SUBREDDIT: r/s\n\nTITLE: t\n\nPOST: p") == whole)
        #expect(PromptTemplate.tldr.prompt("p") == "POST: p\n\nTL;DR:")
        #expect(PromptTemplate.tldr.response("a") == " a")
        #expect(PromptTemplate.tldr.response(" a") == " a")
    }

    @Test func chats() throws {
        let chat = [
            ChatMessage(role: .system, content: "s"), ChatMessage(role: .user, content: "q"),
            ChatMessage(role: .assistant, content: "a"), ChatMessage(role: .user, content: "r"),
        ]
        #expect(
            try PromptTemplate.hh.prompt(chat) == "\n\nSystem: s\n\nHuman: q\n\nAssistant: a\n\nHuman: r\n\nAssistant:")
        for template in [PromptTemplate.plain, .alpaca, .tldr] {
            #expect(template.text(chat) == nil)
            var record = pair("s", "a", "b")
            record.messages = chat
            guard case .failure(let row) = try plan(template).examples(of: [record], rows: 0..<1)[0] else {
                Issue.record("a chat was rendered by \(template)")
                continue
            }
            #expect(row.reason == "chat messages need a template for chats")
        }
    }
}
