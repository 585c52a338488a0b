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
    # Norms whose weight is added to one; only the last of each `interval` layers is attention.
    "qwen3next": ("qwen3next", transformers.Qwen3NextConfig,
                  dict(head_dim=64, num_attention_heads=2, num_key_value_heads=1, full_attention_interval=2,
                       linear_key_head_dim=16, linear_value_head_dim=16, linear_num_key_heads=2, linear_num_value_heads=6,
                       num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, shared_expert_intermediate_size=32,
                       tie_word_embeddings=True)),
}

GLOBAL = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
BLOCK = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "mlp.gate": "ffn_gate_inp", "mlp.shared_expert_gate": "ffn_gate_inp_shexp", "mlp.shared_expert.gate_proj": "ffn_gate_shexp",
    "mlp.shared_expert.up_proj": "ffn_up_shexp", "mlp.shared_expert.down_proj": "ffn_down_shexp",
    "linear_attn.in_proj_ba": "ssm_ba", "linear_attn.conv1d": "ssm_conv1d", "linear_attn.norm": "ssm_norm",
    "linear_attn.out_proj": "ssm_out",
}


def is_added_to_one(config, name):
    return config.model_type == "qwen3_next" and name.endswith("norm.weight") and "linear_attn" not in name


def checkpoint(make_config, changes):
    """A model every weight of which counts: matrices that keep the size of what goes through them, norms and biases that
    are not all alike. All weights are float16 values."""
    config = make_config(**{**SIZES, **changes})
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config).float().eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("norm.weight"):
                p.copy_((0 if is_added_to_one(config, name) else 1) + 0.2 * torch.randn_like(p))
            elif name.endswith((".bias", ".dt_bias", ".A_log")):
                p.copy_(0.3 * torch.randn_like(p))
            elif "embed_tokens" in name:
                p.normal_()
            else:
                p.copy_(torch.randn_like(p) / p.shape[-1] ** 0.5)
            p.copy_(p.half().float())
    return config, model


def tensors(arch, config, model):
    """{GGUF name: array}, slowest axis first."""
    out = {}
    for name, p in model.named_parameters():
        module, suffix = name.rsplit(".", 1)
        value = p.detach().numpy() + is_added_to_one(config, name)
        if module in GLOBAL:
            out[f"{GLOBAL[module]}.{suffix}"] = value
            continue
        _, _, layer, part = module.split(".", 3)
        b = f"blk.{layer}."
        if part == "linear_attn":
            out[b + ("ssm_dt.bias" if suffix == "dt_bias" else "ssm_a")] = value if suffix == "dt_bias" else -np.exp(value)
            continue
        if part == "mlp.experts":
            if suffix == "gate_up_proj":
                out[b + "ffn_gate_exps.weight"], out[b + "ffn_up_exps.weight"] = np.split(value, 2, 1)
            else:
                out[b + "ffn_down_exps.weight"] = value
            continue
        if part == "linear_attn.in_proj_qkvz":
            # (q, k, v, z) of each key head and its value heads in the checkpoint, (q, k, v) of all and z of all in the file
            keys, width = config.linear_num_key_heads, config.linear_key_head_dim
            values = config.linear_num_value_heads // keys * config.linear_value_head_dim
            q, k, v, z = np.split(value.reshape(keys, -1, value.shape[1]), np.cumsum([width, width, values]), 1)
            out[b + "attn_qkv.weight"] = np.concatenate([x.reshape(-1, value.shape[1]) for x in (q, k, v)])
            out[b + "attn_gate.weight"] = z.reshape(-1, value.shape[1])
            continue
        if part in ("linear_attn.conv1d", "mlp.shared_expert_gate"):
            value = value.squeeze()
        if arch == "llama" and part in ("self_attn.q_proj", "self_attn.k_proj"):
            # Llama's files pair dimensions 2i and 2i + 1 in rope, the checkpoint i and i + half.
            heads = config.num_attention_heads if part.endswith("q_proj") else config.num_key_value_heads
            value = value.reshape(heads, 2, -1, *value.shape[1:]).swapaxes(1, 2).reshape(value.shape)
        name = BLOCK[part]
        if name == "ffn_norm" and arch == "qwen3next":
            name = "post_attention_norm"
        out[f"{b}{name}.{suffix}"] = value
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
        kv(a + "rope.dimension_count", U32, int(head_dim * (config.rope_scaling or {}).get("partial_rotary_factor", 1))), kv(a + "rope.freq_base", FLOAT, 10000.0),
        kv("tokenizer.ggml.model", STR, "gpt2"), kv("tokenizer.ggml.pre", STR, "qwen2"),
        kv("tokenizer.ggml.tokens", ARR, tokens, STR), kv("tokenizer.ggml.token_type", ARR, types, I32),
        kv("tokenizer.ggml.merges", ARR, merges, STR), kv("tokenizer.ggml.eos_token_id", U32, special["<|im_end|>"]),
        kv("tokenizer.ggml.add_bos_token", BOOL, False),
    ]
    if head_dim * config.num_attention_heads != config.hidden_size:
        meta += [kv(a + "attention.key_length", U32, head_dim), kv(a + "attention.value_length", U32, head_dim)]
    if arch == "qwen3next":
        meta += [
            kv(a + "expert_count", U32, config.num_experts), kv(a + "expert_used_count", U32, config.num_experts_per_tok),
            kv(a + "expert_feed_forward_length", U32, config.moe_intermediate_size),
            kv(a + "expert_shared_feed_forward_length", U32, config.shared_expert_intermediate_size),
            kv(a + "full_attention_interval", U32, config.layer_types.index("full_attention") + 1),
            kv(a + "ssm.conv_kernel", U32, config.linear_conv_kernel_dim), kv(a + "ssm.state_size", U32, config.linear_key_head_dim),
            kv(a + "ssm.group_count", U32, config.linear_num_key_heads),
            kv(a + "ssm.time_step_rank", U32, config.linear_num_value_heads),
            kv(a + "ssm.inner_size", U32, config.linear_num_value_heads * config.linear_value_head_dim),
        ]
    scaling = config.rope_scaling or {}
    if scaling.get("rope_type") == "linear":
        meta += [kv(a + "rope.scaling.type", STR, "linear"), kv(a + "rope.scaling.factor", FLOAT, scaling["factor"])]
    infos, data = b"", b""
    for name, array in arrays.items():
        matrix = array.ndim > 1 and not name.endswith("conv1d.weight") and "ffn_gate_inp" not in name
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
