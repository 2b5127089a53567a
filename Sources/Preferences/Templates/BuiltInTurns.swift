/// The built-in templates that are made of turns; `PromptTemplate` says in a table what each is.
extension TurnTemplate {
    /// Anthropic's HH dialogues.
    static let hh = TurnTemplate(
        system: SystemTurn(Turn("\n\nSystem: ", "")), user: Turn("\n\nHuman: ", ""),
        assistant: Turn("\n\nAssistant: ", ""))

    /// Open AI's ChatML, as most models with `<|im_start|>` have it.
    static let chatml = TurnTemplate { role in Turn("<|im_start|>\(role)\n", "<|im_end|>\n") }

    /// Llama 3 Instruct. From Llama 3.1 on a date stands before it: another template.
    static let llama3 = TurnTemplate { role in
        Turn("<|start_header_id|>\(role)<|end_header_id|>\n\n", "<|eot_id|>", trim: true)
    }

    /// Mistral 7B Instruct v0.2 as it came out.
    static let mistral = TurnTemplate(
        system: nil, user: Turn("[INST] ", " [/INST]"), assistant: Turn("", "</s>"), alternate: true)

    /// Gemma 3.
    static let gemma = TurnTemplate(
        system: SystemTurn(Turn("", "\n\n"), place: .firstUser),
        user: Turn("<start_of_turn>user\n", "<end_of_turn>\n", trim: true),
        assistant: Turn("<start_of_turn>model\n", "<end_of_turn>\n", trim: true), alternate: true)

    /// Zephyr 7B.
    static let zephyr = TurnTemplate(hasTools: false) { role in Turn("<|\(role)|>\n", "</s>\n") }

    /// Vicuna 1.1 to 1.5, as FastChat's `vicuna_v1.1`.
    static let vicuna = TurnTemplate(
        system: SystemTurn(
            Turn("", " "),
            standard: "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
                + "helpful, detailed, and polite answers to the user's questions."),
        user: Turn("USER: ", " "), assistant: Turn("ASSISTANT: ", "</s>"), alternate: true)
}
