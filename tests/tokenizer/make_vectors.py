#!/usr/bin/env python3
"""Writes splits.json and qwen3_ids.json: our own random strings, and what independent programs make of them.

The Python package `tokenizers` cuts and encodes, `unicodedata` normalises. Usage, in an environment with `tokenizers`:
    make_vectors.py QWEN3_TOKENIZER_JSON
The strings are ours and lengths and ids are all that is kept of the answers: no vocabulary is copied here.
"""
import json
import pathlib
import random
import re
import sys
import unicodedata

import tokenizers
from tokenizers import Regex, Tokenizer
from tokenizers.pre_tokenizers import Sequence, Split

HERE = pathlib.Path(__file__).parent
SEED = 20250117

APOSTROPHE = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"\s*[\r\n]+|\s+(?!\S)|\s+"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
PATTERNS = {
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
    "gpt-2": [GPT2],
    "qwen2": [APOSTROPHE + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + TAIL],
    "qwen35": [APOSTROPHE + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + TAIL],
    "glm4": [APOSTROPHE + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + TAIL],
}


def deepseek_letters():
    header = HERE.parent.parent / "src/text/tokenizer/deepseek_letters.h"
    numbers = [int(n, 16) for n in re.findall(r"0x[0-9a-f]+", header.read_text())]
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in zip(numbers[::2], numbers[1::2]))


PATTERNS["deepseek-llm"] = [
    r"[\r\n]",
    r"\s?[" + deepseek_letters() + "]+",
    "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
    r"\s+$",
    "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
    r"\p{N}+",
]

PARTS = [
    list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ["the", "Hello", "world", "Straße", "naïve", "Äpfel", "Việt", "ǅ", "ﬁ", "ĳ", "İ", "ſ", "K", "Å"],
    list("0123456789") + ["12", "345", "6789", "½", "²", "Ⅷ", "٣", "९", "１２３", "𝟘", "②"],
    ["'s", "'S", "'T", "'t", "'re", "'RE", "'Ve", "'M", "'lL", "'ll", "'d", "'D", "'", "''", "’s", "'ſ", "'x", "'r"],
    [" ", "  ", "   ", "\t", "\t\t", " \t ", "\u00a0", "\u3000", "\u2003", "\u200b", "\u2028", "\u0085", "\x0b", "\x1c"],
    ["\n", "\r\n", "\r", "\n\n", " \n", "\n ", "\r\n\r\n", " \n \n ", "\n\t"],
    list(".,;:!?()[]{}<>/\\|@#$%^&*-_=+~`\"") + ["...", "://", "-->", "—", "…", "«", "»", "¿", "§", "€", "～", "，", "。"],
    ["e\u0301", "a\u0300", "\u0301", "n\u0303", "o\u0302\u0301", "u\u031b\u0301", "q\u0323\u0307", "\u0307\u0323",
     "\u0308\u0301", "\u212b", "\u1100\u1161\u11a8", "\uac00\u11a8", "\u0958", "\u2126", "\u20dd", "\u0344"],
    ["中文", "我想在", "日本語", "カタカナ", "ひらがな", "한국어", "﨑", "㐀", "𠀀", "々"],
    ["สวัสดี", "ที่", "กำ", "مرحبا", "بِسْمِ", "ـ", "नमस्ते", "क्षि", "বাংলা", "தமிழ்", "කැ", "កាន់", "ສະບາຍ", "မြန်မာ"],
    ["🚀", "👩‍👩‍👧", "🏳️‍🌈", "👍🏽", "🇩🇪", "❤️", "😶‍🌫️", "☃", "♥", "𝒳", "𐐀", "𞤀"],
    ["Привет", "ё", "Ѐ", "Ελληνικά", "ς", "Հայ", "ქართული", "Ⴀ", "ᏣᎳᎩ", "ꙁ", "שלום", "שָׁ"],
    ["\x00", "\x07", "\x7f", "\ufeff", "\ufffd", "\ue000", "\U0010ffff", "\u00ad", "\u061c"],
]
WEIGHTS = [8, 5, 5, 5, 8, 4, 5, 5, 3, 4, 3, 3, 1]
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>", "<tool_call>", "<|im_", "<|fim_pad|>"]


def random_string(rng, parts, weights):
    groups = rng.choices(parts, weights, k=rng.randint(1, 14))
    return "".join(rng.choice(group) for group in groups)


def lengths(pieces):
    return [len(text) for text, _ in pieces]


def write(name, head, cases):
    rows = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    text = json.dumps(head, ensure_ascii=True)[:-1] + f', "cases": [\n{rows}\n]}}\n'
    (HERE / name).write_text(text, encoding="utf-8", newline="")


def main():
    rng = random.Random(SEED)
    made_with = {"made_with": f"tokenizers {tokenizers.__version__}, unicodedata {unicodedata.unidata_version}, seed {SEED}"}
    pre_tokenizers = {
        name: Sequence([Split(Regex(pattern), behavior="isolated") for pattern in patterns])
        for name, patterns in PATTERNS.items()
    }
    strings = sorted({random_string(rng, PARTS, WEIGHTS) for _ in range(200)})
    write("splits.json", made_with, [
        {"text": s, "nfc": unicodedata.normalize("NFC", s)}
        | {name: lengths(p.pre_tokenize_str(s)) for name, p in pre_tokenizers.items()} for s in strings
    ])

    qwen3 = Tokenizer.from_file(sys.argv[1])
    strings = sorted({random_string(rng, PARTS + [SPECIAL], WEIGHTS + [2]) for _ in range(250)})
    write("qwen3_ids.json", made_with,
          [{"text": s, "ids": qwen3.encode(s, add_special_tokens=False).ids} for s in strings])


if __name__ == "__main__":
    main()
