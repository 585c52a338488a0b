"""Trains the demo model from nothing and writes it as a GGUF file: tokenizer, trunk and MTP head in one run.

    python3 train.py --out ../../models/demo.gguf                # by steps; on a GPU: --device cuda
    python3 train.py --out ../../models/demo.gguf --minutes 60   # or as far as an hour goes

The MTP head learns beside the trunk from the first step, one to three draft passes deep, and from two teachers at once:
the text, and what the trunk itself would say. It is the trunk's word that decides on a draft when the model runs.
"""
import argparse
import ctypes
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Iterator

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

import export
import text
import tokenizer as text_tokenizer
from model import Config, Demo

DEPTHS = (1, 1, 1, 2), (1, 2, 1, 3)   # draft passes of step i, in the first half of the run and in the second
SHAPES = ((4, 512),) * 7 + ((2, 1024),)   # rows and tokens of step i: mostly short, so that it is quick
MTP_WEIGHT = 0.4                 # of the first pass; each further one counts half of the one before


def rows(tokenizer: Tokenizer, split: str, seed: int) -> Iterator[Tensor]:
    """Batches (B, T + 1) without end in the shapes of SHAPES. Each row begins with a document, as a prompt does."""
    stream = text.documents(split, seed)
    for b, t in itertools.cycle(SHAPES):
        batch = []
        for _ in range(b):
            row: list[int] = []
            while len(row) <= t:
                row += tokenizer.encode(next(stream)).ids
            batch.append(row[:t + 1])
        yield torch.tensor(batch)


def losses(model: Demo, batch: Tensor, depth: int) -> list[Tensor]:
    """batch (B, T + 1) -> the trunk's cross-entropy, then that of each draft pass against text and trunk, half and half."""
    tokens, target = batch[:, :-1], batch[:, 1:].reshape(-1)
    hidden = model.trunk(tokens)
    logits = model.logits(hidden).float().flatten(0, 1)
    result = [F.cross_entropy(logits, target)]
    with torch.no_grad():
        teacher = logits.softmax(-1).mul_(0.5)
        teacher[torch.arange(len(target)), target] += 0.5
    earlier: list = []
    for d in range(1, depth + 1):
        hidden = model.mtp(tokens, hidden, d, earlier)
        part = hidden.flatten(0, 1)[d % 2::2]        # every other position will do, and saves half of the head
        result.append(F.cross_entropy(model.logits(part).float(), teacher[d % 2::2]))
    return result


class Muon:
    """Momentum whose matrices are made near-orthogonal before each step (Newton-Schulz; Jordan et al. 2024)."""

    def __init__(self, matrices: list[nn.Parameter], momentum: float = 0.95, decay: float = 0.02):
        self.groups: dict[torch.Size, list[nn.Parameter]] = {}
        for p in matrices:
            self.groups.setdefault(p.shape, []).append(p)
        self.state = {shape: torch.zeros(len(ps), *shape, device=ps[0].device) for shape, ps in self.groups.items()}
        self.momentum, self.decay = momentum, decay

    @torch.no_grad()
    def step(self, lr: float) -> None:
        for shape, ps in self.groups.items():
            grad, mean = torch.stack([p.grad for p in ps]), self.state[shape]
            mean.lerp_(grad, 1 - self.momentum)
            x = grad.lerp(mean, self.momentum).bfloat16()
            tall = shape[0] > shape[1]
            x = x.transpose(1, 2) if tall else x
            x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
            for _ in range(5):
                square = x @ x.transpose(1, 2)
                x = 3.4445 * x + (-4.7750 * square + 2.0315 * (square @ square)) @ x
            x = (x.transpose(1, 2) if tall else x).float() * max(1, shape[0] / shape[1]) ** 0.5
            for p, update in zip(ps, x):
                p.mul_(1 - lr * self.decay).add_(update, alpha=-lr)


def schedule(progress: float, step: int) -> float:
    """Share of the full learning rate: a short warm-up, a plateau, and from 40 % on down to zero."""
    return min(1, (step + 1) / 20) * min(1, max(0.0, (1 - progress) / 0.6))


@torch.no_grad()
def probe(model: Demo, batches: list[Tensor]) -> dict[str, float]:
    """Cross-entropy of trunk and head on held-out text, and how often the first draft is what the trunk then says."""
    ce = mtp = same = 0.0
    for batch in batches:
        tokens, target = batch[:, :-1], batch[:, 1:].flatten()
        hidden = model.trunk(tokens)
        logits, drafts = model.logits(hidden).float(), model.logits(model.mtp(tokens, hidden)).float()
        ce += F.cross_entropy(logits.flatten(0, 1), target).item() / len(batches)
        mtp += F.cross_entropy(drafts.flatten(0, 1), target).item() / len(batches)
        same += (logits.argmax(-1) == drafts.argmax(-1)).float().mean().item() / len(batches)
    return {"heldout": round(ce, 4), "heldout_mtp": round(mtp, 4), "first_draft": round(same, 4)}


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", type=Path, required=True, help="the GGUF file to write")
    ap.add_argument("--steps", type=int, default=3000, help="of 2048 tokens each")
    ap.add_argument("--minutes", type=float, default=0, help="plan by the clock instead of by steps")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--device", default="cpu")
    ap.add_argument("--lr", type=float, default=0.006, help="Muon's, for matrices; AdamW has --adam-lr for the rest")
    ap.add_argument("--adam-lr", type=float, default=0.005)
    ap.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "nextn-demo"), help="folder for the checkpoint and the log")
    ap.add_argument("--compile", action="store_true", help="compile the delta-net layers (needs a C++ compiler; takes minutes, then saves a third)")
    ap.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    o = ap.parse_args()
    o.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    try:    # keep freed memory: faulting fresh pages in costs a tenth of the time (3 = M_MMAP_THRESHOLD, 1 = M_TRIM_THRESHOLD)
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 1 << 30), libc.mallopt(-1, (1 << 31) - 1)
    except (OSError, AttributeError):
        pass

    saved_tokenizer = o.work / "tokenizer.json"
    if not (o.resume and saved_tokenizer.exists()):
        text_tokenizer.train(itertools.islice(text.documents("train", o.seed), 20000)).save(str(saved_tokenizer))
    tokenizer = Tokenizer.from_file(str(saved_tokenizer))
    heldout = [next(rows(tokenizer, "heldout", 1)).to(o.device)]
    model = Demo(Config()).to(o.device)
    by_muon = lambda name, p: p.dim() == 2 and min(p.shape) >= 64 and "token_embd" not in name
    if o.compile:
        for block in model.blk[:-1]:
            if not block.attends:
                block.compile(dynamic=False)
    named = list(model.named_parameters())
    muon = Muon([p for n, p in named if by_muon(n, p)])
    adam = torch.optim.AdamW([p for n, p in named if not by_muon(n, p)], lr=o.adam_lr, betas=(0.9, 0.95), weight_decay=0.0)
    checkpoint = o.work / "checkpoint.pt"
    step, before = 0, 0.0
    if o.resume and checkpoint.exists():
        c = torch.load(checkpoint, map_location=o.device)
        model.load_state_dict(c["model"]), adam.load_state_dict(c["adam"])
        muon.state, step, before = c["muon"], c["step"], c["seconds"]
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {o.threads} threads", flush=True)

    batches = rows(tokenizer, "train", o.seed + 1 + step)
    for _ in range(step % len(SHAPES)):
        next(batches)
    begun, tokens = time.time(), 0
    start, saved = begun - before, begun
    log = open(o.work / "train.log", "a")
    while True:
        seconds = time.time() - start
        progress = seconds / (60 * o.minutes) if o.minutes else step / o.steps
        if progress >= 1:
            break
        share = schedule(progress, step)
        batch = next(batches).to(o.device)
        depth = DEPTHS[progress > 0.5][(step + step // len(SHAPES)) % 4]                   # shapes and depths drift
        with torch.autocast(o.device.split(":")[0], dtype=torch.bfloat16), \
                torch.compiler.set_stance("default" if batch.shape[1] - 1 == SHAPES[0][1] else "force_eager"):
            parts = losses(model, batch, depth)
            loss = parts[0] + sum(MTP_WEIGHT * 0.5 ** d * part for d, part in enumerate(parts[1:]))
        loss.backward()
        nn.utils.clip_grad_norm_(adam.param_groups[0]["params"], 1.0)
        for group in adam.param_groups:
            group["lr"] = o.adam_lr * share
        adam.step()
        muon.step(o.lr * share)
        model.zero_grad()
        step, tokens = step + 1, tokens + batch[:, 1:].numel()
        if step % 10 == 0 or step < 5:
            line = {"step": step, "minutes": round(seconds / 60, 2), "share": round(share, 3), "loss": [round(x.item(), 4) for x in parts],
                    "tokens_per_s": round(tokens / (time.time() - begun))}
            if step % 100 == 0:
                with torch.compiler.set_stance("force_eager"):
                    line |= probe(model, heldout)
            print(json.dumps(line), file=log, flush=True)
            print(json.dumps(line), flush=True)
        if time.time() - saved > 240:
            torch.save({"model": model.state_dict(), "adam": adam.state_dict(), "muon": muon.state, "step": step,
                        "seconds": time.time() - start}, checkpoint)
            saved = time.time()
    torch.save({"model": model.state_dict(), "adam": adam.state_dict(), "muon": muon.state, "step": step, "seconds": seconds}, checkpoint)
    torch.compiler.set_stance("force_eager")
    export.write(model.cpu(), tokenizer, o.out)
    print(f"{o.out}: {o.out.stat().st_size} bytes after {step} steps, {seconds / 60:.1f} minutes", probe(model, [b.cpu() for b in heldout]))


if __name__ == "__main__":
    main()
