/// Alpaca's `{instruction, input, output}`: the input follows the instruction after a line end. `output` is one response, or
/// two with the better one first; or `chosen` and `rejected` stand in its place (LLaMA-Factory). `history` holds earlier
/// questions and answers.
enum InstructionFormat {
    static func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        var question = try row.string("instruction")
        if row.has("input") {
            let input = try row.string("input")
            if !input.isBlank { question += (question.isBlank ? "" : "\n") + input }
        }
        let earlier = try history(row)
        let messages = earlier.isEmpty ? nil : earlier + [ChatMessage(role: .user, content: question)]
        let prompt = messages.map(ChatFormat.text(of:)) ?? question
        func record(
            _ kind: PreferenceRecord.Kind, _ responses: [String], label: Bool? = nil
        ) throws(RowError) -> PreferenceRecord {
            try row.record(
                kind, prompt: prompt, messages: messages, responses: responses, label: label,
                reads: ["input", "history"])
        }
        if row.has("chosen") { return try record(.pair, [row.string("chosen"), row.string("rejected")]) }
        if row.isArray("output") {
            let outputs = try row.strings("output")
            guard outputs.count == 2 else { throw RowError("field \"output\" does not hold two responses") }
            return try record(.pair, outputs)
        }
        let label = row.has("kto_tag") ? try row.bool("kto_tag") : nil
        return try record(.unpaired, [try row.string("output")], label: label)
    }

    private static func history(_ row: JSONRow) throws(RowError) -> [ChatMessage] {
        guard row.has("history") else { return [] }
        var messages: [ChatMessage] = []
        for turn in try row.stringLists("history") {
            guard turn.count == 2 else {
                throw RowError("field \"history\" does not hold questions with an answer each")
            }
            messages.append(ChatMessage(role: .user, content: turn[0]))
            messages.append(ChatMessage(role: .assistant, content: turn[1]))
        }
        return messages
    }
}
