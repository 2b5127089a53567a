"""Small random sequence classifiers of several architectures, and tokenizers that are trained on given texts.

Needs torch and transformers.
"""

import json

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '[' + message['role'] + '] ' + message['content'] + ' ' + "
    "eos_token }}{% endfor %}")


def trained(model, trainer, texts, decoder=None, pre=None):
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer, tokenizer.decoder = pre, decoder
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def byte_pairs(texts, special):
    return trained(
        models.BPE(), trainers.BpeTrainer(
            vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False),
        texts, decoders.ByteLevel(), pre_tokenizers.ByteLevel(add_prefix_space=False))


def deberta(texts):
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=special, unk_token="[UNK]", show_progress=False)
    unigram = trained(models.Unigram(), trainer, texts, pre=pre_tokenizers.Metaspace())
    vocabulary = json.loads(unigram.to_str())["model"]["vocab"]
    tokenizer = transformers.DebertaV2Tokenizer(
        vocab=[tuple(each) for each in vocabulary], unk_id=special.index("[UNK]"), model_max_length=120)
    config = transformers.DebertaV2Config(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=512, relative_attention=True, position_buckets=16, norm_rel_ebd="layer_norm",
        share_att_key=True, pos_att_type=["p2c", "c2p"], position_biased_input=False, type_vocab_size=0, num_labels=1,
        pooler_hidden_size=32, initializer_range=0.2)
    return config, tokenizer


def gptj(texts):
    """No padding token, as GPT-J has none."""
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=byte_pairs(texts, ["<|endoftext|>"]), eos_token="<|endoftext|>", bos_token="<|endoftext|>")
    config = transformers.GPTJConfig(
        vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=256, rotary_dim=4, num_labels=1,
        bos_token_id=0, eos_token_id=0, initializer_range=0.2)
    return config, tokenizer


def llama(texts, **own):
    """With a chat template and a padding token; its own habit is to pad on the left."""
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=byte_pairs(texts, ["<s>", "</s>", "<pad>"]), bos_token="<s>", eos_token="</s>",
        pad_token="<pad>", padding_side="left")
    tokenizer.chat_template = CHAT_TEMPLATE
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=1024, bos_token_id=0, eos_token_id=1, pad_token_id=2,
        num_labels=1, initializer_range=0.2)
    config.update(own)
    return config, tokenizer


def bert(texts):
    """Three labels, token types, positions that are learned."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = trained(
        models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(
            vocab_size=200, special_tokens=special, show_progress=False),
        texts, pre=pre_tokenizers.BertPreTokenizer())
    tokenizer = transformers.BertTokenizer(vocab=pieces.get_vocab())
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=256, num_labels=3, id2label={0: "bad", 1: "good", 2: "odd"}, initializer_range=0.2)
    return config, tokenizer


def pad_is_eos(texts):
    """Llama that pads with its EOS: a text that ends in it is read before it, alone or not."""
    return llama(texts, pad_token_id=1)


def make_scorer(make, directory, texts):
    config, tokenizer = make(texts)
    torch.manual_seed(3)
    model = transformers.AutoModelForSequenceClassification.from_config(config).float().eval()
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
