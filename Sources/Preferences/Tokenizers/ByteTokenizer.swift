import Diagnostics
import Foundation

/// A tokenizer of plain bytes for demonstrations and small models, written as an ordinary Hugging Face tokenizer.
///
/// Byte b is id b; `<s>` (256) is put before a text and `</s>` (257) ends a response.
package enum ByteTokenizer {
    package static let vocabularySize = 258
    package static let bosTokenID: Int32 = 256
    package static let eosTokenID: Int32 = 257

    /// The content of its tokenizer.json: byte-level byte-pair encoding without merges.
    package static func tokenizerJSON() -> Data {
        let vocabulary = ByteLevelAlphabet.scalars.enumerated().map { id, scalar in
            (scalar == "\"" || scalar == "\\" ? "\"\\\(scalar)\"" : "\"\(scalar)\"") + ": \(id)"
        }
        func added(_ id: Int32, _ content: String) -> String {
            """
            {"id": \(id), "content": "\(content)", "single_word": false, "lstrip": false, "rstrip": false, \
            "normalized": false, "special": true}
            """
        }
        return Data(
            """
            {
              "version": "1.0",
              "truncation": null,
              "padding": null,
              "added_tokens": [
                \(added(bosTokenID, "<s>")),
                \(added(eosTokenID, "</s>"))
              ],
              "normalizer": null,
              "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
              "post_processor": {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [
                  {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                  {"Sequence": {"id": "B", "type_id": 1}}
                ],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [\(bosTokenID)], "tokens": ["<s>"]}}
              },
              "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
              "model": {
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": {\(vocabulary.joined(separator: ", "))},
                "merges": []
              }
            }

            """.utf8)
    }

    /// The content of its tokenizer_config.json.
    package static func tokenizerConfigJSON() -> Data {
        Data(
            """
            {
              "tokenizer_class": "PreTrainedTokenizerFast",
              "bos_token": "<s>",
              "eos_token": "</s>",
              "clean_up_tokenization_spaces": false
            }

            """.utf8)
    }

    /// Writes both files into the directory at `path`.
    /// - Throws: `RDOError.usage` when they cannot be written.
    package static func write(to path: String) throws {
        let directory = URL(ofFile: path)
        for (name, content) in [("tokenizer.json", tokenizerJSON()), ("tokenizer_config.json", tokenizerConfigJSON())] {
            let file = directory.appendingPathComponent(name)
            do {
                try content.write(to: file, options: .atomic)
            } catch {
                throw RDOError(
                    .usage, "the tokenizer cannot be written", at: file.path,
                    remedy: "choose a directory that exists and that you may write to")
            }
        }
    }
}
