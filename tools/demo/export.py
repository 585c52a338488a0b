"""The demo model as a GGUF file and back: matrices in Q8_0 (or F32), norms and everything one-dimensional in F32.

Tensor names are the module names of model.py; only `ssm_a` changes (the file has -exp of the logarithm that is trained).
"""
import json
from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer

import tokenizer as text_tokenizer
from model import Config, Demo

NAMES = {"vocab": None, "width": "embedding_length", "ff": "feed_forward_length", "heads": "attention.head_count",
         "kv_heads": "attention.head_count_kv", "head_dim": "attention.key_length", "rope": "rope.dimension_count",
         "interval": "full_attention_interval", "key_heads": "ssm.group_count", "value_heads": "ssm.time_step_rank",
         "state": "ssm.state_size", "conv": "ssm.conv_kernel", "context": "context_length"}


def write(model: Demo, tokenizer: Tokenizer, path: Path, f32: bool = False) -> None:
    c, arch = model.c, "qwen35"
    w = gguf.GGUFWriter(str(path), arch)
    w.add_name("nextn demo")
    w.add_description("A small model with an MTP head, trained from scratch on generated text")
    w.add_license("apache-2.0")
    w.add_file_type(gguf.LlamaFileType.ALL_F32 if f32 else gguf.LlamaFileType.MOSTLY_Q8_0)
    w.add_quantization_version(2)
    for field, key in NAMES.items():
        if key:
            w.add_uint32(f"{arch}.{key}", getattr(c, field))
    w.add_uint32(f"{arch}.block_count", c.layers + 1)
    w.add_uint32(f"{arch}.nextn_predict_layers", 1)
    w.add_uint32(f"{arch}.attention.value_length", c.head_dim)
    w.add_uint32(f"{arch}.ssm.inner_size", c.value_heads * c.state)
    w.add_float32(f"{arch}.attention.layer_norm_rms_epsilon", c.eps)
    w.add_float32(f"{arch}.rope.freq_base", c.theta)
    w.add_key_value(f"{arch}.rope.dimension_sections", list(c.sections), gguf.GGUFValueType.ARRAY,
                    sub_type=gguf.GGUFValueType.INT32)

    tokens = [tokenizer.id_to_token(i) for i in range(c.vocab)]
    kind = {t: gguf.TokenType.CONTROL for t in text_tokenizer.CONTROL} | \
        {t: gguf.TokenType.USER_DEFINED for t in text_tokenizer.USER_DEFINED}
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen35")
    w.add_token_list(tokens)
    w.add_token_types([int(kind.get(t, gguf.TokenType.NORMAL)) for t in tokens])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    w.add_eos_token_id(tokens.index("<|im_end|>"))
    w.add_eot_token_id(tokens.index("<|endoftext|>"))
    w.add_pad_token_id(tokens.index("<|endoftext|>"))
    w.add_add_bos_token(False)
    w.add_chat_template(text_tokenizer.TEMPLATE)

    for name, value in model.state_dict().items():
        x = value.detach().float().numpy()
        if name.endswith("ssm_a_log"):
            name, x = name.removesuffix("_log"), -np.exp(x)
        if x.ndim == 2 and not f32 and "ssm_conv1d" not in name:
            kind8 = gguf.GGMLQuantizationType.Q8_0
            w.add_tensor(name, gguf.quants.quantize(x, kind8), raw_dtype=kind8)
        else:
            w.add_tensor(name, x)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def read(path: Path) -> tuple[Demo, Tokenizer]:
    """The model and its tokenizer as the file has them, rounding of Q8_0 included."""
    r = gguf.GGUFReader(str(path))
    value = lambda key: r.fields[key].contents()
    arch = value("general.architecture")
    tokens = value("tokenizer.ggml.tokens")
    c = Config(vocab=len(tokens), layers=value(f"{arch}.block_count") - value(f"{arch}.nextn_predict_layers"),
               sections=tuple(value(f"{arch}.rope.dimension_sections")), theta=value(f"{arch}.rope.freq_base"),
               eps=value(f"{arch}.attention.layer_norm_rms_epsilon"),
               **{field: value(f"{arch}.{key}") for field, key in NAMES.items() if key})
    state = {}
    for t in r.tensors:
        x = torch.from_numpy(gguf.quants.dequantize(t.data, t.tensor_type).copy())
        state[t.name + "_log" if t.name.endswith("ssm_a") else t.name] = (-x).log() if t.name.endswith("ssm_a") else x
    model = Demo(c)
    model.load_state_dict(state)
    return model.eval(), text_tokenizer.from_tokens(tokens, value("tokenizer.ggml.merges"))
