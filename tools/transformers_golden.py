#!/usr/bin/env python3
"""Golden vectors of another implementation: tiny random checkpoints, run by Hugging Face transformers.

    transformers_golden.py FOLDER          FOLDER/NAME/{model.gguf,tokens.txt,logits.npy,hidden.npy} for each model

For each model below: a checkpoint with random weights in float16, what transformers computes with it in float32 for 24
tokens, and the same weights as a GGUF file, the way converters write one. Needs torch, transformers and numpy; neither
the build nor its tests need any of them, they read what this has written (tests/golden).
"""
import argparse
import pathlib
import struct

import numpy as np
import torch
import transformers

from synth_gguf import ARR, BOOL, F16, F32, FLOAT, I32, STR, U32, kv, vocabulary

VOCAB = 320
SIZES = dict(vocab_size=VOCAB, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=512, rope_theta=10000.0, attention_dropout=0.0)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)

# name: architecture of the GGUF file, class of the configuration, what differs from SIZES
MODELS = {
    "qwen3": ("qwen3", transformers.Qwen3Config, dict(head_dim=32, tie_word_embeddings=True)),
    "qwen2": ("qwen2", transformers.Qwen2Config, dict(num_attention_heads=2, rms_norm_eps=1e-5)),
    "llama": ("llama", transformers.LlamaConfig, dict(head_dim=32, num_key_value_heads=1, rope_scaling=LLAMA3, rms_norm_eps=1e-5)),
    "llama-biases": ("llama", transformers.LlamaConfig,
                     dict(head_dim=32, attention_bias=True, mlp_bias=True, tie_word_embeddings=True,
                          rope_scaling=dict(rope_type="linear", factor=4.0))),
}

GLOBAL = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
BLOCK = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}


def checkpoint(make_config, changes):
    """A model every weight of which counts: matrices that keep the size of what goes through them, norms and biases that
    are not all alike. All weights are float16 values."""
    config = make_config(**{**SIZES, **changes})
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config).float().eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("norm.weight"):
                p.copy_(1 + 0.2 * torch.randn_like(p))
            elif name.endswith(".bias"):
                p.copy_(0.3 * torch.randn_like(p))
            elif "embed_tokens" in name:
                p.normal_()
            else:
                p.copy_(torch.randn_like(p) / p.shape[1] ** 0.5)
            p.copy_(p.half().float())
    return config, model


def tensors(arch, config, model):
    """{GGUF name: array}, slowest axis first."""
    out = {}
    for name, p in model.named_parameters():
        module, suffix = name.rsplit(".", 1)
        value = p.detach().numpy()
        if module in GLOBAL:
            out[f"{GLOBAL[module]}.{suffix}"] = value
            continue
        _, _, layer, part = module.split(".", 3)
        if arch == "llama" and part in ("self_attn.q_proj", "self_attn.k_proj"):
            # Llama's files pair dimensions 2i and 2i + 1 in rope, the checkpoint i and i + half.
            heads = config.num_attention_heads if part.endswith("q_proj") else config.num_key_value_heads
            value = value.reshape(heads, 2, -1, *value.shape[1:]).swapaxes(1, 2).reshape(value.shape)
        out[f"blk.{layer}.{BLOCK[part]}.{suffix}"] = value
    scaling = config.rope_scaling or {}
    if scaling.get("rope_type") == "llama3":
        base = config.rope_theta if getattr(config, "rope_theta", None) else scaling["rope_theta"]
        wave = 2 * np.pi * base ** (np.arange(0, config.head_dim, 2) / config.head_dim)
        low, high = (scaling["original_max_position_embeddings"] / scaling[f"{x}_freq_factor"] for x in ("low", "high"))
        smooth = (scaling["original_max_position_embeddings"] / wave - scaling["low_freq_factor"]) / (
            scaling["high_freq_factor"] - scaling["low_freq_factor"])
        between = 1 / ((1 - smooth) / scaling["factor"] + smooth)
        out["rope_freqs.weight"] = np.where(wave < high, 1, np.where(wave > low, scaling["factor"], between))
    return out


def write(path, arch, config, arrays):
    tokens, types, merges, special = vocabulary(VOCAB)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    a = arch + "."
    meta = [
        kv("general.architecture", STR, arch), kv(a + "block_count", U32, config.num_hidden_layers),
        kv(a + "context_length", U32, config.max_position_embeddings), kv(a + "embedding_length", U32, config.hidden_size),
        kv(a + "feed_forward_length", U32, config.intermediate_size),
        kv(a + "attention.head_count", U32, config.num_attention_heads),
        kv(a + "attention.head_count_kv", U32, config.num_key_value_heads),
        kv(a + "attention.layer_norm_rms_epsilon", FLOAT, config.rms_norm_eps),
        kv(a + "rope.dimension_count", U32, head_dim), kv(a + "rope.freq_base", FLOAT, 10000.0),
        kv("tokenizer.ggml.model", STR, "gpt2"), kv("tokenizer.ggml.pre", STR, "qwen2"),
        kv("tokenizer.ggml.tokens", ARR, tokens, STR), kv("tokenizer.ggml.token_type", ARR, types, I32),
        kv("tokenizer.ggml.merges", ARR, merges, STR), kv("tokenizer.ggml.eos_token_id", U32, special["<|im_end|>"]),
        kv("tokenizer.ggml.add_bos_token", BOOL, False),
    ]
    if head_dim * config.num_attention_heads != config.hidden_size:
        meta += [kv(a + "attention.key_length", U32, head_dim), kv(a + "attention.value_length", U32, head_dim)]
    scaling = config.rope_scaling or {}
    if scaling.get("rope_type") == "linear":
        meta += [kv(a + "rope.scaling.type", STR, "linear"), kv(a + "rope.scaling.factor", FLOAT, scaling["factor"])]
    infos, data = b"", b""
    for name, array in arrays.items():
        matrix = array.ndim > 1
        infos += struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", array.ndim)
        infos += b"".join(struct.pack("<Q", n) for n in array.shape[::-1])
        infos += struct.pack("<IQ", F16 if matrix else F32, len(data))
        data += np.ascontiguousarray(array, np.float16 if matrix else np.float32).tobytes()
        data += b"\0" * (-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(arrays), len(meta)) + b"".join(meta) + infos
    path.write_bytes(head + b"\0" * (-len(head) % 32) + data)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("folder", type=pathlib.Path)
    ap.add_argument("--model", choices=MODELS, action="append", help="only this one")
    o = ap.parse_args()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    for seed, (name, (arch, make_config, changes)) in enumerate(MODELS.items()):
        if o.model and name not in o.model:
            continue
        torch.manual_seed(seed)
        config, model = checkpoint(make_config, changes)
        tokens = torch.randint(0, VOCAB, (1, 24))
        with torch.no_grad():
            hidden = model.model(tokens).last_hidden_state
            logits = model.lm_head(hidden)
        folder = o.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / "model.gguf", arch, config, tensors(arch, config, model))
        (folder / "tokens.txt").write_text(",".join(str(t) for t in tokens[0].tolist()) + "\n")
        np.save(folder / "logits.npy", logits[0].numpy())
        np.save(folder / "hidden.npy", hidden[0].numpy())
        print(f"{name}: {(folder / 'model.gguf').stat().st_size} bytes, argmax", *logits[0].argmax(-1).tolist())


if __name__ == "__main__":
    main()
