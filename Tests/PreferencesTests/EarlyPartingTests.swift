import Diagnostics
import Foundation
import Testing

@testable import Preferences

/// Two chats that differ before their last turn: the query ends where they part, and the rest are the responses.
@Suite struct EarlyPartingTests {
    let directory: DataDirectory

    init() throws { directory = try DataDirectory() }

    private static func turns(_ texts: [String]) -> String {
        let objects = texts.enumerated().map { index, text in
            #"{"role": "\#(index % 2 == 0 ? "user" : "assistant")", "content": "\#(text)"}"#
        }
        return "[\(objects.joined(separator: ", "))]"
    }

    private func record(_ chosen: [String], _ rejected: [String], under: String = "chosen") throws -> PreferenceRecord {
        let line =
            under == "chosen"
            ? #"{"chosen": \#(Self.turns(chosen)), "rejected": \#(Self.turns(rejected))}"#
            : #"{"messages": \#(Self.turns(chosen)), "rejected_messages": \#(Self.turns(rejected))}"#
        let data = try PreferenceReader().read([try directory.write([line])])
        return try #require(data.records.first)
    }

    @Test(arguments: ["chosen", "messages"]) func theRestIsTheResponse(_ under: String) throws {
        let record = try record(["q", "a", "r", "b"], ["q", "c", "r", "d"], under: under)
        #expect(record.messages?.map(\.content) == ["q"] && record.prompt == "q")
        #expect(record.responses == ["a\n\nr\n\nb", "c\n\nr\n\nd"] && record.differsEarly)
        #expect(
            try PromptTemplate.turns(.chatml).prompt(of: record)
                == "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n")
        #expect(
            try PromptTemplate.turns(.chatml).response(record.responses[0], of: record)
                == "a<|im_end|>\n<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\nb")
        // One that ends a prompt before a space.
        let (vicuna, start) = (PromptTemplate.turns(.vicuna), "USER: q ASSISTANT:")
        #expect(try vicuna.prompt(of: record).hasSuffix(start))
        #expect(try vicuna.response(record.responses[1], of: record) == " c</s>USER: r ASSISTANT: d")
    }

    /// A response begins with a turn of the assistant, so that a question that differs follows the answer before it.
    @Test func partingInAQuestion() throws {
        let record = try record(["q", "a", "r", "b"], ["q", "a", "s", "d"])
        #expect(record.messages?.map(\.content) == ["q"])
        #expect(record.responses == ["a\n\nr\n\nb", "a\n\ns\n\nd"])
    }

    @Test func oneEndsEarlier() throws {
        let record = try record(["q", "a"], ["q", "a", "r", "b"])
        #expect(record.messages?.map(\.content) == ["q"])
        #expect(record.responses == ["a", "a\n\nr\n\nb"])
    }

    @Test func nothingShared() throws {
        let error = #expect(throws: RDOError.self) { _ = try record(["q", "a", "r", "b"], ["p", "a", "r", "b"]) }
        #expect(error?.what.contains("the prompts of chosen and rejected differ") == true)
    }

    /// A template that puts a system message into the last question cannot render more turns after the same prompt.
    @Test func aPromptThatChanges() throws {
        var turns = TurnTemplate.chatml
        turns.system?.place = .lastUser
        turns.system?.standard = "s"
        let record = try record(["q", "a", "r", "b"], ["q", "c", "r", "d"])
        let error = #expect(throws: RowError.self) {
            _ = try PromptTemplate.turns(turns).response(record.responses[0], of: record)
        }
        #expect(error?.reason == TurnTemplate.queryChanges)
    }
}
