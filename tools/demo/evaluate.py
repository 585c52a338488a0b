"""Measures a demo model as its GGUF file has it, on text that was held out by construction.

    python3 evaluate.py ../../models/demo.gguf             # the numbers of the model card
    python3 evaluate.py ../../models/demo.gguf --show 8    # and some of the continuations

Speculation is not run but counted: greedy text is the same with it and without, so the draft of k tokens from position p
is right as far as the k draft passes over that very text agree with it.
"""
import argparse
import ast
import json
import re
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

import export
import text
from model import Demo, rope, rope_table, unit


class Decoder:
    """Greedy decoding of several texts at once, token by token as an engine does it: the delta rule as it is written."""

    def __init__(self, model: Demo, batch: int, length: int):
        c = model.c
        self.m, self.c, self.table, self.p = model, c, rope_table(c, length), 0
        new = lambda *shape: torch.zeros(batch, *shape)
        channels = (2 * c.key_heads + c.value_heads) * c.state
        self.state = [[new(0, c.kv_heads, c.head_dim)] * 2 if c.is_attention(i) else
                      [new(c.conv - 1, channels), new(c.value_heads, c.state, c.state)] for i in range(c.layers)]

    def mix(self, i: int, x: Tensor) -> Tensor:
        """Layer i's attention or delta net for one token of each text; x (B, D)."""
        c, blk, state, b = self.c, self.m.blk[i], self.state[i], len(x)
        if blk.attends:
            turn = lambda y: rope(y[:, :, None], tuple(t[self.p:self.p + 1] for t in self.table))[:, :, 0]
            q, gate = blk.attn_q(x).reshape(b, c.heads, -1).split(c.head_dim, -1)
            k, v = blk.attn_k(x).reshape(b, c.kv_heads, -1), blk.attn_v(x).reshape(b, c.kv_heads, -1)
            state[0] = torch.cat([state[0], turn(blk.attn_k_norm(k))[:, None]], 1)           # (B, T, G, head_dim)
            state[1] = torch.cat([state[1], v[:, None]], 1)
            k, v = (s.repeat_interleave(c.heads // c.kv_heads, 2) for s in state)
            score = torch.einsum("bhd,bthd->bht", turn(blk.attn_q_norm(q)), k) * c.head_dim ** -0.5
            o = torch.einsum("bht,bthd->bhd", score.softmax(-1), v) * torch.sigmoid(gate)
            return blk.attn_output(o.flatten(1))
        window = torch.cat([state[0], blk.attn_qkv(x)[:, None]], 1)                         # (B, taps, channels)
        state[0] = window[:, 1:]
        mixed = F.silu((window * blk.ssm_conv1d.weight.T).sum(1))
        q, k, v = (y.reshape(b, -1, c.state) for y in mixed.split(
            [c.key_heads * c.state, c.key_heads * c.state, c.value_heads * c.state], -1))
        tile = (1, c.value_heads // c.key_heads, 1)
        q, k = unit(q, c.eps).repeat(tile) * c.state ** -0.5, unit(k, c.eps).repeat(tile)
        keep = (-blk.ssm_a_log.exp() * F.softplus(blk.ssm_alpha(x) + blk.ssm_dt.bias)).exp()
        memory = state[1] * keep[..., None, None]
        wrong = v - torch.einsum("bhk,bhkv->bhv", k, memory)
        memory = memory + torch.einsum("bhk,bhv->bhkv", k, torch.sigmoid(blk.ssm_beta(x))[..., None] * wrong)
        state[1] = memory
        o = blk.ssm_norm(torch.einsum("bhk,bhkv->bhv", q, memory)).flatten(1)
        return blk.ssm_out(o * F.silu(blk.attn_gate(x)))

    def step(self, tokens: Tensor) -> Tensor:
        """tokens (B) -> logits (B, vocabulary) of what follows."""
        x = self.m.token_embd(tokens)
        for i in range(self.c.layers):
            blk = self.m.blk[i]
            x = x + self.mix(i, blk.attn_norm(x))
            a = blk.post_attention_norm(x)
            x = x + blk.ffn_down(F.silu(blk.ffn_gate(a)) * blk.ffn_up(a))
        self.p += 1
        return self.m.logits(self.m.output_norm(x))


def greedy(model: Demo, prompts: list[list[int]], limit: int, stops: set[int]) -> list[list[int]]:
    """Continues each prompt until a stop token, which is included, or `limit` new tokens."""
    longest = max(map(len, prompts))
    decoder, out, done = Decoder(model, len(prompts), longest + limit), [list(p) for p in prompts], [False] * len(prompts)
    for p in range(longest + limit - 1):
        best = decoder.step(torch.tensor([o[p] for o in out])).argmax(-1).tolist()
        for row, prompt, token, i in zip(out, prompts, best, range(len(out))):
            if p + 1 < len(row):
                continue
            row.append(token)
            done[i] = done[i] or token in stops or len(row) - len(prompt) >= limit
        if all(done):
            break
    result = []
    for row, prompt in zip(out, prompts):
        new = row[len(prompt):][:limit]
        end = next((i + 1 for i, t in enumerate(new) if t in stops), len(new))
        result.append(new[:end])
    return result


def loops(tokens: list[int]) -> bool:
    """Does the text end in four or more repetitions of the same 1 to 60 tokens (eight, if it is fewer than four)?"""
    return any(len(tokens) >= n * times and tokens[-n * times:] == tokens[-n:] * times
               for n in range(1, 61) for times in [8 if n < 4 else 4])


def draft_hits(model: Demo, tokens: list[int], k: int) -> Tensor:
    """(k, T - 1) bool: does draft pass d + 1 at row p say token p + 1 of the text?"""
    x = torch.tensor([tokens[:-1]])
    hidden, earlier, hits = model.trunk(x), [], []
    for d in range(1, k + 1):
        hidden = model.mtp(x, hidden, d, earlier)
        hits.append(model.logits(hidden)[0].argmax(-1) == torch.tensor(tokens[1:]))
    return torch.stack(hits)


def speculate(hits: Tensor, first: int, k: int) -> tuple[int, int, list[int], list[int]]:
    """Cycles of k drafts from row `first` on: cycles, tokens made, and per position how many were tried and right.

    A cycle begins with token p known, so row p drafts the token after it. A draft is tried only if those before it were right.
    """
    end, p, cycles, made, tried, right = hits.shape[1], first, 0, 0, [0] * k, [0] * k
    while p < end:
        accepted = 0
        for d in range(min(k, end - p)):
            tried[d] += 1
            if not hits[d, p + d]:
                break
            right[d] += 1
            accepted += 1
        made += min(accepted + 1, end - p)
        cycles, p = cycles + 1, p + accepted + 1
    return cycles, made, tried, right


def prompt_of(document: str, kind: str) -> str:
    """The part of a held-out document that the model is given: a chat up to its last answer, else the beginning."""
    if kind == "chat":
        return document[:document.rindex("assistant\n") + len("assistant\n")]
    if kind == "story":
        return document[:document.index(".") + 1]
    if kind == "code":
        return document[:document.index("(") + 1]
    return document[:document.index("\n") + 1]


def value(sum_: str) -> int:
    """What "3 + 4 - 2" or "3 x 4" comes to."""
    total, op = 0, "+"
    for part in re.findall(r"\d+|[+x-]", sum_):
        if part.isdigit():
            total = {"+": total + int(part), "-": total - int(part), "x": total * int(part)}[op]
        else:
            op = part
    return total


def correct(prompt: str, answer: str) -> tuple[str, bool] | None:
    """What can be checked about an answer in a chat: sums, JSON, Python."""
    answer = re.sub(r"<\|.*?\|>", "", answer)
    question = prompt[prompt.rindex("user\n") + 5:prompt.rindex("<|im_end|>")]
    if len(numbers := re.findall(r"\d+", question)) > 1 and (claims := re.findall(r"((?:\d+ [+x-] )+\d+) = (\d+)", answer)):
        asked = [(c, n) for c, n in claims if re.findall(r"\d+", c) == numbers]          # the claim about what was asked
        return "sums right", bool(asked) and value(asked[-1][0]) == int(asked[-1][1])
    if "JSON" in question:
        try:
            json.loads(answer)
            return "JSON that parses", True
        except ValueError:
            return "JSON that parses", False
    if "Python" in question:
        try:
            ast.parse(answer.replace("```python\n", "").replace("```", ""))
            return "Python that parses", True
        except SyntaxError:
            return "Python that parses", False
    return None


@torch.no_grad()
def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model", type=Path)
    ap.add_argument("--documents", type=int, default=40, help="of each kind")
    ap.add_argument("--seed", type=int, default=7)
    ap.add_argument("--limit", type=int, default=400, help="tokens of a continuation")
    ap.add_argument("--show", type=int, default=0, help="print so many continuations of each kind")
    ap.add_argument("--prompt", action="append", default=[], help="only continue this text (\\n is a line's end)")
    ap.add_argument("--threads", type=int, default=2)
    o = ap.parse_args()
    torch.set_num_threads(o.threads)
    model, tokenizer = export.read(o.model)
    ids = lambda s: tokenizer.encode(s).ids
    words = lambda t: tokenizer.decode(t, skip_special_tokens=False)
    stops = {tokenizer.token_to_id(text.END), tokenizer.token_to_id(text.STOP)}
    if o.prompt:
        prompts = [p.replace("\\n", "\n") for p in o.prompt]
        for prompt, new in zip(prompts, greedy(model, [ids(p) for p in prompts], o.limit, stops)):
            print(f"[{prompt}]{words(new)}\n")
        return

    print(f"{o.model.name}: {sum(p.numel() for p in model.parameters())} parameters, {o.model.stat().st_size} bytes; "
          f"{o.documents} held-out documents of each kind\n")
    print("kind    nats/token  MTP nats  bits/byte  first draft   | greedy: first draft  tokens  ended  loops")
    total, greedy_hits, checks = {k: 0.0 for k in ("ce", "mtp", "bytes", "same", "n", "tokens", "ended", "looped", "texts")}, [], {}
    for kind in text.KINDS:
        stream = text.documents("heldout", o.seed, kind)
        documents = [next(stream) for _ in range(o.documents)]
        row = dict.fromkeys(total, 0.0)
        for document in documents:
            tokens = torch.tensor([ids(document)])
            target, hidden = tokens[0, 1:], model.trunk(tokens[:, :-1])
            logits, drafts = model.logits(hidden)[0], model.logits(model.mtp(tokens[:, :-1], hidden))[0]
            row["ce"] += F.cross_entropy(logits, target, reduction="sum").item()
            row["mtp"] += F.cross_entropy(drafts, target, reduction="sum").item()
            row["same"] += (logits.argmax(-1) == drafts.argmax(-1)).sum().item()
            row["n"] += len(target)
            row["bytes"] += len(document.encode()) - len(text.END)
        prompts = [prompt_of(d, kind) for d in documents]
        first_hits: list[Tensor] = []
        for i, (prompt, new) in enumerate(zip(prompts, greedy(model, [ids(p) for p in prompts], o.limit, stops))):
            given = len(ids(prompt))
            hits = draft_hits(model, ids(prompt) + new, 4)
            greedy_hits.append((hits, given))
            first_hits.append(hits[0, given:])
            row["tokens"] += len(new)
            row["ended"] += new[-1] in stops
            row["looped"] += loops(new)
            row["texts"] += 1
            asked = prompt if kind == "chat" else f"user\n{prompt}<|im_end|>"
            if kind in ("chat", "sums") and (check := correct(asked, words(new))):
                checks.setdefault(check[0], []).append(check[1])
            if i < o.show:
                print(f"[{prompt}]{words(new)}\n")
        print(f"{kind:8}{row['ce'] / row['n']:10.3f}{row['mtp'] / row['n']:10.3f}{row['ce'] / row['bytes'] / 0.6931:11.3f}"
              f"{row['same'] / row['n']:12.1%}    {torch.cat(first_hits).float().mean():18.1%}{int(row['tokens']):11}"
              f"{int(row['ended']):5}/{int(row['texts'])}{int(row['looped']):6}", flush=True)
        total = {k: total[k] + row[k] for k in total}
    every = torch.cat([h[0, given:] for h, given in greedy_hits]).float().mean()
    print(f"{'all':8}{total['ce'] / total['n']:10.3f}{total['mtp'] / total['n']:10.3f}{total['ce'] / total['bytes'] / 0.6931:11.3f}"
          f"{total['same'] / total['n']:12.1%}    {every:18.1%}{int(total['tokens']):11}{int(total['ended']):5}/{int(total['texts'])}"
          f"{int(total['looped']):6}\n")
    for name, results in checks.items():
        print(f"{name}: {sum(results)} of {len(results)}")
    print("\nspeculation along the greedy continuations\nk   tokens per cycle   drafts right   position 1, 2, .. right if those before were")
    for k in range(1, 5):
        cycles, made, tried, right = 0, 0, [0] * k, [0] * k
        for hits, given in greedy_hits:
            c, m, t, r = speculate(hits, given, k)
            cycles, made = cycles + c, made + m
            tried, right = [a + b for a, b in zip(tried, t)], [a + b for a, b in zip(right, r)]
        print(f"{k}{made / cycles:15.2f}{sum(right) / (k * cycles):18.1%}      " + "  ".join(f"{r / t:6.1%}" for r, t in zip(right, tried)))


if __name__ == "__main__":
    main()
