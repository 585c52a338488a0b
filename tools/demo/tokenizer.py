"""The demo model's tokenizer: byte-level BPE with the splitting rule of `qwen35` and exactly 4096 entries.

Order of ids: 256 bytes, the merges, then the special tokens. The GGUF file holds all of it; `from_tokens` builds the
same tokenizer from what the file says.
"""
from typing import Iterator

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SIZE = 4096
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
USER_DEFINED = ["<think>", "</think>"]
SPECIAL = CONTROL + USER_DEFINED
SPLIT = (r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
         r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TEMPLATE = ("{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}"
            "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}")


def dress(model: models.BPE) -> Tokenizer:
    """Normalisation, splitting and bytes around a BPE model."""
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train(texts: Iterator[str]) -> Tokenizer:
    tokenizer = dress(models.BPE())
    strip = (piece for text in texts for piece in split_special(text))
    tokenizer.train_from_iterator(strip, trainers.BpeTrainer(
        vocab_size=SIZE - len(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tokenizer.add_special_tokens(SPECIAL)
    assert tokenizer.get_vocab_size() == SIZE, "the text is too small for this many merges"
    return tokenizer


def split_special(text: str) -> list[str]:
    """The text between special tokens, which BPE never sees."""
    for token in SPECIAL:
        text = text.replace(token, "\0")
    return [piece for piece in text.split("\0") if piece]


def from_tokens(tokens: list[str], merges: list[str]) -> Tokenizer:
    """The tokenizer that a GGUF file describes."""
    plain = {t: i for i, t in enumerate(tokens) if t not in SPECIAL}
    tokenizer = dress(models.BPE(plain, [tuple(m.split(" ")) for m in merges]))
    tokenizer.add_special_tokens(tokens[len(plain):])
    return tokenizer
