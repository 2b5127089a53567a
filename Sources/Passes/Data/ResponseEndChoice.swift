import Diagnostics
import Preferences
import Settings

/// The token that ends a response: what `data.response_end` names, else the one that ends an assistant's turn in the
/// template, where the tokenizer has it, else the model's EOS.
///
/// A base model's config.json often names another token than the one that its chats end a turn with; trained to end in the
/// former, a chat model does not stop where programs that serve chats expect it.
struct ResponseEndChoice {
    let token: Int32
    let remark: TemplateChoice.Remark?

    /// - Parameter eos: the model's, at least one.
    /// - Throws: `RDOError.usage` when the tokenizer lacks the token that was named.
    init(_ setting: String?, _ template: PromptTemplate, _ tokenizer: any Tokenizer, eos: [Int32]) throws {
        if let setting, setting != Self.eos {
            guard let id = tokenizer.id(of: setting) else {
                throw RDOError(
                    .usage, "data.response_end is \(setting), which is no token of the tokenizer",
                    remedy: "name a token as the tokenizer spells it, or eos")
            }
            (token, remark) = (id, nil)
            return
        }
        guard let end = template.turns?.endToken, let id = tokenizer.id(of: end), !eos.contains(id), setting == nil
        else {
            (token, remark) = (eos[0], nil)
            return
        }
        token = id
        remark = TemplateChoice.Remark(
            text: "responses end in \(end) (\(id)), as turns of the template do, and not in config.json's eos_token_id "
                + "\(eos[0]) (data.response_end: eos)", isWarning: true)
    }

    /// `data.response_end` for the first of config.json's `eos_token_id`.
    static let eos = "eos"
}
