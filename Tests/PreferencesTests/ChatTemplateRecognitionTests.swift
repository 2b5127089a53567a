import Diagnostics
import TestSupport
import Testing

@testable import Preferences

/// Chat templates of model directories: which they are, and from which file.
@Suite struct ChatTemplateRecognitionTests {
    /// A known template renders what its Jinja text renders.
    @Test func everyKnownTemplateIsRecognised() throws {
        let goldens = try ChatTemplateGoldens.read()
        var names: [String] = []
        for golden in goldens.templates {
            guard let jinja = golden.jinja else { continue }
            let known = try #require(
                KnownChatTemplate.recognised(jinja, tokens: ["eos_token": golden.eos]), "\(golden.name)")
            #expect(known.name == golden.name)
            names.append(known.name)
            if let name = golden.template { #expect(PromptTemplate.turns(known.turns).identity == name) }
            for (title, chat) in golden.chats {
                let text = PromptTemplate.turns(known.turns).text(goldens.messages(title))
                #expect(text == chat.prompt, "\(golden.name), \(title)")
            }
        }
        #expect(names.count == 10)
    }

    private func recognised(_ jinja: String, eos: String = "</s>") -> String? {
        KnownChatTemplate.recognised(jinja, tokens: ["eos_token": eos])?.name
    }

    /// Quotes, white space, escapes, subscripts and names of variables do not matter.
    @Test(arguments: [
        #"{% for m in messages %}{{"<|im_start|>" ~ m.role ~ "\n" ~ m.content ~ "<|im_end|>\n"}}{% endfor %}{{"<|im_start|>assistant\n"}}"#,
        """
        {%- for message in messages %}
            {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
        {%- endfor %}
        {%- if add_generation_prompt %}
            {{- '<|im_start|>assistant\\n' }}
        {%- endif %}
        """,
        """
        {# turns as they are #}
        {% for message in messages %}
        <|im_start|>{{ message.role }}
        {{ message.content }}<|im_end|>
        {% endfor %}
        {% if add_generation_prompt %}
        <|im_start|>assistant
        {% endif %}

        """,
        """
        {%- for message in messages %}
            {%- if message.content is string %}{%- set text = message.content %}{%- endif %}
            {%- if message.role == 'user' %}
                {{- '<|im_start|>user\n' + text + '<|im_end|>\n' }}
            {%- elif message.role == 'system' %}
                {{- '<|im_start|>system\n' + text + '<|im_end|>\n' }}
            {%- else %}
                {{- '<|im_start|>assistant\n' + text + '<|im_end|>\n' }}
            {%- endif %}
        {%- endfor %}
        {{- '<|im_start|>assistant\n' }}
        """,
    ]) func spellingsAreTheSame(_ jinja: String) { #expect(recognised(jinja) == "chatml") }

    @Test func similarTemplatesAreNotKnown() throws {
        let goldens = try ChatTemplateGoldens.read()
        func jinja(_ name: String) throws -> String { try #require(goldens.template(name)?.jinja) }
        // Zephyr's marks without the end of a turn; with another model's.
        #expect(recognised(try jinja("zephyr").replacing(" + eos_token", with: "")) == nil)
        #expect(recognised(try jinja("zephyr"), eos: "<|end|>") == nil)
        #expect(KnownChatTemplate.recognised(try jinja("zephyr"), tokens: [:]) == nil)
        // Llama 3.1 begins with a date.
        let dated = "{{- 'Cutting Knowledge Date: December 2023\\n' -}}" + (try jinja("llama3"))
        #expect(recognised(dated, eos: "<|eot_id|>") == nil)
        #expect(recognised(try jinja("chatml").replacing("assistant\\n", with: "assistant\\n<think>\\n")) == nil)
        // Spaces are part of the format.
        #expect(recognised(try jinja("mistral").replacing("[INST] ", with: "[INST]")) == nil)
        // It takes a system message where the known one takes none.
        let folding = "{%- if messages[0].role == 'system' -%}{{- '[INST] ' + messages[0].content -}}{%- endif -%}"
        #expect(recognised(folding + (try jinja("mistral"))) == nil)
        // Without the texts trimmed it is another one.
        #expect(recognised(try jinja("llama3").replacing(" | trim", with: "")) == nil)
        for text in ["", "{{", "{% for", "{{ 'a", "}}", "{{ messages[0]['content'] }}", "plain text"] {
            #expect(recognised(text) == nil)
        }
    }

    @Test func aSystemMessageOfItsOwnIsTaken() throws {
        let jinja = try #require(ChatTemplateGoldens.read().template("chatml")?.jinja)
        let standard =
            "{%- if messages[0].role != 'system' -%}{{- '<|im_start|>system\\nBe\\'s brief.<|im_end|>\\n' -}}{%- endif -%}"
        let known = try #require(KnownChatTemplate.recognised(standard + jinja, tokens: [:]))
        #expect(known.name == "chatml with a system message of its own")
        #expect(known.turns.system?.standard == "Be's brief.")
        let other = standard.replacing("brief", with: "long")
        #expect(KnownChatTemplate.recognised(standard + other + jinja, tokens: [:]) == nil)
        let vicuna = try #require(ChatTemplateGoldens.read().template("vicuna")?.jinja)
        let without = vicuna.replacing(/\{\{- 'A chat.*? ' ' -\}\}/, with: "")
        #expect(without != vicuna && recognised(without) == "vicuna without its system message")
    }

    @Test func toolsAreRolesWhereTheTemplateSaysNothingOfThem() throws {
        let goldens = try ChatTemplateGoldens.read()
        func tool(_ jinja: String?) throws -> TurnTemplate.Turn? {
            let jinja = try #require(jinja)
            return try #require(KnownChatTemplate.recognised(jinja, tokens: ["eos_token": "</s>"])).turns.tool
        }
        let chatml = goldens.template("chatml")?.jinja
        #expect(try tool(chatml) == TurnTemplate.Turn("<|im_start|>tool\n", "<|im_end|>\n"))
        #expect(try tool(goldens.template("llama3")?.jinja) == TurnTemplate.llama3.tool)
        #expect(try tool(chatml.map { $0 + "{%- if tools -%}x{%- endif -%}" }) == nil)
        for name in ["zephyr", "gemma", "mistral", "vicuna"] { #expect(try tool(goldens.template(name)?.jinja) == nil) }
        // By their names: what is said of a tool is not known.
        let apart = ["user", "assistant", "system"].map {
            "{{'<|im_start|>\($0)\\n' + m.content + '<|im_end|>\\n'}}{% x %}"
        }
        #expect(try tool(apart.joined() + "{{'<|im_start|>assistant\\n'}}") == nil)
    }

    // MARK: - Files

    private let directory: DataDirectory

    init() throws { directory = try DataDirectory() }

    private func write(_ text: String, as name: String) throws { _ = try directory.write(Array(text.utf8), as: name) }

    private func own() throws -> (file: String, name: String?)? {
        try OwnChatTemplate.read(directory.path).map { ($0.file, $0.known?.name) }
    }

    private static let zephyr =
        #"{{ '<|' + m.role + '|>\n' + m.content + eos_token + '\n' }}{% set x %}{{ '<|assistant|>\n' }}"#
    private static let chatml =
        #"{{'<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n'}}{% if x %}{{'<|im_start|>assistant\n'}}"#

    private func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    @Test func theFilesCountInTheOrderOfTransformers() throws {
        #expect(try own() == nil)
        try write("{}", as: "tokenizer_config.json")
        #expect(try own() == nil)
        try write(#"{"chat_template": \#(quoted(Self.chatml))}"#, as: "chat_template.json")
        #expect(try own()?.name == "chatml" && own()?.file == directory.path + "/chat_template.json")
        try write(
            #"{"eos_token": {"content": "</s>"}, "chat_template": \#(quoted(Self.zephyr))}"#,
            as: "tokenizer_config.json")
        #expect(try own()?.name == "zephyr" && own()?.file == directory.path + "/tokenizer_config.json")
        try write("{{ x }}", as: "chat_template.jinja")
        #expect(try own()?.name == nil && own()?.file == directory.path + "/chat_template.jinja")
    }

    @Test func ofSeveralTheDefaultCounts() throws {
        let list = #"[{"name": "tools", "template": "x"}, {"name": "default", "template": \#(quoted(Self.chatml))}]"#
        try write(#"{"chat_template": \#(list)}"#, as: "tokenizer_config.json")
        #expect(try own()?.name == "chatml")
    }

    @Test(arguments: ["{\"chat_template\":", "{\"chat_template\": 3}", "{\"chat_template\": \"a\", \"eos_token\": 1}"])
    func aDamagedFileIsSaid(_ text: String) throws {
        try write(text, as: "tokenizer_config.json")
        let error = #expect(throws: RDOError.self) { _ = try OwnChatTemplate.read(directory.path) }
        #expect(error?.kind == .artefact && error?.place?.contains("tokenizer_config.json") == true)
    }

    @Test(.enabled(if: Assets.has("models/smollm2-135m-instruct"), "no assets")) func smolLMsOwn() throws {
        let own = try OwnChatTemplate.read(Assets.path("models/smollm2-135m-instruct"))
        let known = try #require(own?.known)
        #expect(known.name == "chatml with a system message of its own")
        let goldens = try ChatTemplateGoldens.read()
        for (title, chat) in try #require(goldens.template("smollm2")).chats {
            #expect(known.template.text(goldens.messages(title)) == chat.prompt, "\(title)")
        }
    }
}
