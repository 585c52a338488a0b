#!/usr/bin/env python3
"""Writes tests/quant/vectors.bin: random blocks of every format that nextn decodes, and their values.

The values come from the `gguf` package (gguf.quants.dequantize, float32). The file is a sequence of records,
little-endian: type number u32, count of values u32, count of bytes u32, the bytes, the values as float32 bits.
With --digests it prints, for the formats that look weights up in a grid, the FNV-1a of the values of so many blocks
that every entry of the grid occurs (decode_test.cc has them). Needs: gguf, numpy. Usage: quant_vectors.py OUT|--digests
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
    T.MXFP4: (16, []),
    T.NVFP4: (16, []),
    T.IQ2_XXS: (2, [0]),
    T.IQ2_XS: (2, [0]),
    T.IQ2_S: (2, [0]),
    T.IQ3_XXS: (2, [0]),
    T.IQ3_S: (2, [0]),
    T.IQ1_S: (2, [0]),
    T.IQ1_M: (2, []),
    T.TQ1_0: (2, [52]),
    T.TQ2_0: (2, [64]),
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
    if qtype == T.IQ1_M:  # its half is spread over four words; the exponent's highest bit is here
        blocks[:, 55] &= 0xBF
    if qtype in (T.F32, T.BF16):  # no infinity, no NaN: clear the exponent's lowest bit
        words = blocks.view(np.uint32 if qtype == T.F32 else np.uint16)
        words &= np.array(0xFF7FFFFF if qtype == T.F32 else 0xFF7F, dtype=words.dtype)
    values = gguf.quants.dequantize(blocks.reshape(-1), qtype) if qtype != T.F32 else blocks.view(np.float32)
    values = np.ascontiguousarray(values, dtype="<f4").reshape(-1)
    assert values.size == n_blocks * block_values and np.isfinite(values).all()
    return struct.pack("<III", int(qtype), values.size, blocks.size) + blocks.tobytes() + values.tobytes()


GRIDS = {T.IQ2_XXS: 0, T.IQ2_XS: 0, T.IQ2_S: 0, T.IQ3_XXS: 0, T.IQ3_S: 0, T.IQ1_S: 0, T.IQ1_M: None}  # where d is
DIGEST_BLOCKS = 1024


def digest(qtype, d_at):
    block_bytes = gguf.GGML_QUANT_SIZES[qtype][1]
    blocks, state = np.zeros(DIGEST_BLOCKS * block_bytes, dtype=np.uint8), 1
    for i in range(blocks.size):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        blocks[i] = state >> 24
    blocks = blocks.reshape(-1, block_bytes)
    if d_at is None:  # the half 1 (0x3c00), a digit in each of four words
        for i, digit in enumerate((0x00, 0x00, 0xC0, 0x30)):
            blocks[:, 49 + 2 * i] = (blocks[:, 49 + 2 * i] & 0x0F) | digit
    else:
        blocks[:, d_at], blocks[:, d_at + 1] = 0x00, 0x3C
    sum_ = 0xCBF29CE484222325
    for word in gguf.quants.dequantize(blocks.reshape(-1), qtype).astype("<f4").reshape(-1).view(np.uint32).tolist():
        sum_ = ((sum_ ^ word) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return sum_


def main():
    if sys.argv[1] == "--digests":
        for qtype, d_at in GRIDS.items():
            print(f"{{DType::k{qtype.name}, 0x{digest(qtype, d_at):016x}}},")
        return
    rng = np.random.default_rng(SEED)
    with open(sys.argv[1], "wb") as f:
        for qtype, (n_blocks, halves) in FORMATS.items():
            f.write(record(rng, qtype, n_blocks, halves))


if __name__ == "__main__":
    main()
