#!/usr/bin/env python3
"""Golden values of Tests/PreferencesTests/ChatTemplateTests.swift: chats as `transformers` renders them.

    Tests/scripts/golden_chat_templates.py ASSETS > Tests/PreferencesTests/chat-templates.json

The templates below say the public formats once more, in Jinja of this project's own: Llama 3 Instruct (headers, texts
trimmed), Mistral 7B Instruct v0.2 as it came out and its later versions, Gemma 3 and Gemma 1/2 (role `model`, texts
trimmed), Zephyr 7B, FastChat's `vicuna_v1.1`, ChatML. `transformers` renders them with its own settings of Jinja
(`apply_chat_template`); the beginning-of-text token, which no template of rdo emits, is the empty text here. A chat that
a template refuses is null.

ASSETS is the directory with models/smollm2-135m-instruct and models/llama32k-tokenizer: the first one's own template is
rendered too, and texts that they can spell are tokenised. Made with transformers 5.24, jinja2 3.1.

With --compare DIR the files DIR/NAME.jinja or DIR/NAME@SOURCE.jinja are compared with the templates of the same names on
all chats instead: what other packages carry as these models' originals.
"""

import argparse
import json
import pathlib
import sys

from transformers import AutoTokenizer

ALTERNATE = (
    "{%- for message in turns -%}{%- if (message.role == 'user') == (loop.index0 % 2 == 1) -%}"
    "{{- raise_exception('user and assistant in turn') -}}{%- endif -%}{%- endfor -%}")
REFUSE_SYSTEM = "{%- if messages[0].role == 'system' -%}{{- raise_exception('no system message') -}}{%- endif -%}"
LEADING_SYSTEM = (
    "{%- if messages[0].role == 'system' -%}{%- set lead = messages[0].content -%}{%- set turns = messages[1:] -%}"
    "{%- else -%}{%- set turns = messages -%}{%- endif -%}")


def mistral(user, assistant, system=None):
    """Users' and assistants' turns as expressions; `system` says in which turn of the user it stands."""
    if system is None:
        return (REFUSE_SYSTEM + "{%- set turns = messages -%}" + ALTERNATE + "{{- bos_token -}}{%- for message in turns -%}"
                "{%- if message.role == 'user' -%}{{- '" + user[0] + "' + message.content + '" + user[1] + "' -}}"
                "{%- else -%}{{- " + assistant + " -}}{%- endif -%}{%- endfor -%}")
    return (LEADING_SYSTEM + ALTERNATE + "{{- bos_token -}}{%- for message in turns -%}"
            "{%- if message.role == 'user' -%}{%- if loop." + system + " and lead is defined -%}"
            "{{- '" + user[0] + "' + lead + '\\n\\n' + message.content + '" + user[1] + "' -}}"
            "{%- else -%}{{- '" + user[0] + "' + message.content + '" + user[1] + "' -}}{%- endif -%}"
            "{%- else -%}{{- " + assistant + " -}}{%- endif -%}{%- endfor -%}")


VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and "
    "polite answers to the user\\'s questions.")

# Name: (the template of `data.template`, or None where it is only recognised; Jinja; texts of tokens).
TEMPLATES = {
    "chatml": ("chatml", """
{%- for message in messages -%}
  {{- "<|im_start|>" ~ message["role"] ~ "\\n" ~ message["content"] ~ "<|im_end|>\\n" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- "<|im_start|>assistant\\n" -}}{%- endif -%}
""", "<|im_end|>"),
    "llama3": ("llama3", """
{%- for turn in messages -%}
  {%- if loop.first -%}{{- bos_token -}}{%- endif -%}
  {{- '<|start_header_id|>' + turn.role + '<|end_header_id|>\\n\\n' + turn.content | trim + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}{%- endif -%}
""", "<|eot_id|>"),
    "mistral": ("mistral", mistral(("[INST] ", " [/INST]"), "message.content + eos_token"), "</s>"),
    "mistral v0.1": (None, mistral(("[INST] ", " [/INST]"), "message.content + eos_token + ' '"), "</s>"),
    "mistral v0.1 and v0.2 with system": (
        None, mistral((" [INST] ", " [/INST]"), "' ' + message.content + eos_token", "first"), "</s>"),
    "mistral v0.3": (
        None, mistral(("[INST] ", "[/INST]"), "' ' + message.content|trim + eos_token", "last"), "</s>"),
    "gemma": ("gemma", """
{{- bos_token -}}
{%- if messages[0].role == 'system' -%}
  {%- set first_user_prefix = messages[0].content + '\\n\\n' -%}
  {%- set turns = messages[1:] -%}
{%- else -%}
  {%- set first_user_prefix = '' -%}
  {%- set turns = messages -%}
{%- endif -%}
""" + ALTERNATE + """
{%- for message in turns -%}
  {%- set role = {'user': 'user', 'assistant': 'model'}[message.role] -%}
  {{- '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else '') -}}
  {%- if message.content is string -%}{{- message.content | trim -}}{%- endif -%}
  {{- '<end_of_turn>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif -%}
""", "<end_of_turn>"),
    "gemma 1 and 2": (None, "{{- bos_token -}}" + REFUSE_SYSTEM + "{%- set turns = messages -%}" + ALTERNATE + """
{%- for message in turns -%}
  {%- if message.role == 'assistant' -%}{%- set role = 'model' -%}{%- else -%}{%- set role = message.role -%}{%- endif -%}
  {{- '<start_of_turn>' + role + '\\n' + message.content | trim + '<end_of_turn>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<start_of_turn>model\\n' -}}{%- endif -%}
""", "<end_of_turn>"),
    # Statements and raw texts on lines of their own, where trim_blocks and lstrip_blocks matter.
    "zephyr": ("zephyr", """{% for message in messages %}
  {% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
  {% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
  {% else %}
{{ '<|assistant|>\\n' + message['content'] + eos_token }}
  {% endif %}
  {% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
  {% endif %}
{% endfor %}
""", "</s>"),
    "vicuna": ("vicuna", """
{{- bos_token -}}
{%- if messages[0].role == 'system' -%}
  {{- messages[0].content + ' ' -}}{%- set turns = messages[1:] -%}
{%- else -%}
  {{- '""" + VICUNA + """' + ' ' -}}{%- set turns = messages -%}
{%- endif -%}
""" + ALTERNATE + """
{%- for message in turns -%}
  {%- if message.role == 'user' -%}{{- 'USER: ' + message.content + ' ' -}}
  {%- else -%}{{- 'ASSISTANT: ' + message.content + eos_token -}}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- 'ASSISTANT:' -}}{%- endif -%}
""", "</s>"),
}

CHATS = {
    "one": ["user: What is a prime?"],
    "system": ["system: Answer in one word.", "user: What is a prime?"],
    "turns": ["user: Hello.", "assistant: Hello, how can I help?", "user: Name a colour.", "assistant: Blue.", "user: Another?"],
    "system and turns": ["system: Be brief.", "user: Hello.", "assistant: Hello!", "user: Name a colour."],
    "white space": ["user:  \n two words \t\n", "assistant: \u00a0an answer\u2003\x1c", "user:   x\n\n"],
    "spaced system": ["system:  Be brief.\n", "user:  Hi. "],
    "scripts": ["user: Où est l’été? e\u0301 漢字 🙂", "assistant: 「はい」\r\n", "user: {{ x }} {% y %} ⟦z⟧"],
    "markers": ["user: say </s> and <|im_end|>", "assistant: [INST]", "user: <end_of_turn> USER: "],
    "empty answer": ["user: a", "assistant: ", "user: b"],
    "two users": ["user: a", "user: b"],
    "assistant first": ["assistant: a", "user: b"],
    "late system": ["user: a", "assistant: b", "system: c", "user: d"],
}
# Of templates that put in the name of any role.
TOOL_CHATS = {
    "tool": ["user: What is the weather?", "assistant: weather()", "tool:  sunny, 21 \u00b0C\n", "user: And now?"],
    "tool last": ["system: Be brief.", "user: Weather?", "assistant: weather()", "tool: rain"],
}
WITH_TOOLS = ("chatml", "llama3", "smollm2")


def messages(chat):
    return [dict(zip(("role", "content"), line.split(": ", 1))) for line in chat]


def rendered(tokenizer, jinja, chat, eos, answer=None):
    turns = messages(chat) + ([{"role": "assistant", "content": answer}] if answer else [])
    try:
        return tokenizer.apply_chat_template(
            turns, chat_template=jinja, tokenize=False, add_generation_prompt=answer is None, bos_token="", eos_token=eos)
    except Exception as error:  # whatever `raise_exception` raises
        if any(words in str(error).lower() for words in ("in turn", "system", "alternate", "only user")):
            return None
        raise


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assets", type=pathlib.Path)
    parser.add_argument("--compare", type=pathlib.Path)
    options = parser.parse_args()
    models = options.assets / "models"
    smollm = AutoTokenizer.from_pretrained(models / "smollm2-135m-instruct")
    llama = AutoTokenizer.from_pretrained(models / "llama32k-tokenizer")
    if options.compare:
        sys.exit(compare(llama, options.compare))
    result = []
    own = json.loads((models / "smollm2-135m-instruct/tokenizer_config.json").read_text())["chat_template"]
    for name, (template, jinja, eos) in [*TEMPLATES.items(), ("smollm2", (None, own, "<|im_end|>"))]:
        chats = {}
        for title, chat in (CHATS | TOOL_CHATS if name in WITH_TOOLS else CHATS).items():
            prompt = rendered(llama, jinja, chat, eos)
            entry = {"prompt": prompt}
            if prompt is not None and chat[-1].startswith(("user", "tool")):
                entry["answered"] = rendered(llama, jinja, chat, eos, answer="7, and 9 \n")
            if prompt is not None and name in ("chatml", "smollm2"):
                entry["smollm2"] = smollm(prompt, add_special_tokens=False)["input_ids"]
            if prompt is not None and name in ("mistral", "zephyr", "vicuna"):
                whole = messages(chat)
                entry["llama32k"] = llama.apply_chat_template(
                    whole, chat_template=("" if "bos_token" in jinja else "{{ bos_token }}") + jinja, tokenize=True,
                    add_generation_prompt=True, return_dict=False)
            chats[title] = entry
        entry = {"name": name, "template": template, "eos": eos, "chats": chats}
        if name != "smollm2":
            entry["jinja"] = jinja
        result.append(entry)
    lines = [json.dumps(entry) for entry in result]
    chats = json.dumps({title: messages(chat) for title, chat in (CHATS | TOOL_CHATS).items()})
    print(f'{{"chats": {chats},\n"templates": [\n' + ",\n".join(lines) + "\n]}")


def compare(tokenizer, directory):
    """Prints every chat that an original renders in another way; the number of those."""
    different = 0
    for path in sorted(directory.glob("*.jinja")):
        _, jinja, eos = TEMPLATES[path.stem.split("@")[0]]
        for title, chat in CHATS.items():
            ours, theirs = (rendered(tokenizer, each, chat, eos) for each in (jinja, path.read_text()))
            if ours != theirs:
                different += 1
                print(f"{path.stem}: {title}: {ours!r} and {theirs!r}")
        print(f"{path.stem}: {len(CHATS)} chats")
    return different


if __name__ == "__main__":
    main()
