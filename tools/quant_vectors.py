#!/usr/bin/env python3
"""Writes tests/quant/vectors.bin: random blocks of every format that nextn decodes, and their values.

The values come from the `gguf` package (gguf.quants.dequantize, float32). The file is a sequence of records,
little-endian: type number u32, count of values u32, count of bytes u32, the bytes, the values as float32 bits.
Needs: gguf, numpy. Usage: quant_vectors.py OUT
"""

import struct
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

SEED = 20261121

# type: (number of blocks, byte offsets of the halves in a block)
FORMATS = {
    T.F32: (64, []),
    T.F16: (512, [0]),
    T.BF16: (512, []),
    T.Q4_0: (16, [0]),
    T.Q4_1: (16, [0, 2]),
    T.Q5_0: (16, [0]),
    T.Q5_1: (16, [0, 2]),
    T.Q8_0: (16, [0]),
    T.Q2_K: (6, [80, 82]),
    T.Q3_K: (6, [108]),
    T.Q4_K: (6, [0, 2]),
    T.Q5_K: (6, [0, 2]),
    T.Q6_K: (6, [208]),
    T.IQ4_NL: (16, [0]),
    T.IQ4_XS: (6, [0]),
}

EXTREMES = np.array([0x0000, 0x8000, 0x0001, 0x83FF, 0x7BFF, 0xFBFF], dtype=np.uint16)  # zeros, denormals, largest


def finite_halves(rng, n):
    """n halves of any finite bit pattern; where there is room, the extremes come first."""
    h = rng.integers(0, 1 << 16, n, dtype=np.uint16)
    h = np.where((h & 0x7C00) == 0x7C00, h & 0xBFFF, h).astype(np.uint16)
    if n > 2 * len(EXTREMES):
        h[: len(EXTREMES)] = EXTREMES
    return h


def record(rng, qtype, n_blocks, halves):
    block_values, block_bytes = gguf.GGML_QUANT_SIZES[qtype]
    blocks = rng.integers(0, 256, (n_blocks, block_bytes), dtype=np.uint8)
    for at in halves:
        blocks[:, at : at + 2] = finite_halves(rng, n_blocks).reshape(-1, 1).view(np.uint8)
    if qtype in (T.F32, T.BF16):  # no infinity, no NaN: clear the exponent's lowest bit
        words = blocks.view(np.uint32 if qtype == T.F32 else np.uint16)
        words &= np.array(0xFF7FFFFF if qtype == T.F32 else 0xFF7F, dtype=words.dtype)
    values = gguf.quants.dequantize(blocks.reshape(-1), qtype) if qtype != T.F32 else blocks.view(np.float32)
    values = np.ascontiguousarray(values, dtype="<f4").reshape(-1)
    assert values.size == n_blocks * block_values and np.isfinite(values).all()
    return struct.pack("<III", int(qtype), values.size, blocks.size) + blocks.tobytes() + values.tobytes()


def main():
    rng = np.random.default_rng(SEED)
    with open(sys.argv[1], "wb") as f:
        for qtype, (n_blocks, halves) in FORMATS.items():
            f.write(record(rng, qtype, n_blocks, halves))


if __name__ == "__main__":
    main()
