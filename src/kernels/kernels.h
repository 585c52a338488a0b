// What every instruction set provides: one table of functions, chosen once at start-up and handed down in Ctx.
// Nothing in a table allocates, locks, logs, throws or checks: ops/ has done so.
//
// Every function gives the same bits on every instruction set. Integer dots are exact; float sums run in 16 virtual
// lanes (element i belongs to lane i % 16, each lane adds its elements in ascending order with fma) that are folded in
// a fixed tree (lanes.h), but for the delta rule's (scalar/delta_rule.cc); everything else is element by element with
// the operations written out.
#pragma once

#include <cstdint>

#include "kernels/pack.h"
#include "kernels/sketch.h"
#include "tensor/kv_type.h"

namespace nextn {

// Goes up with every change of what any function gives, by one bit or more: states kept in files are of one number.
constexpr int kNumericsVersion = 3;

constexpr int kMaxMatmulRows = 8;  // activation rows of one matmul call
constexpr int kMinManyRows = 16;   // of one matmul_many call,
constexpr int kMaxManyRows = 256;  // at least and at most
constexpr int kActBlock = 32;      // inputs that share an activation scale, at least
constexpr int kMaxHeadDim = 512;   // of attention

// M activation rows of width K. The float formats read x, the integer formats read q, scale and sum. The formats of
// superblocks (quant/superblock.h) want blocks of 256.
struct ActRows {
  const float* x;      // (M, K)
  const int8_t* q;     // (M, K), values in -127..127
  const float* scale;  // (M, K / 32): x ~ scale * q; the same throughout a block
  const int16_t* sum;  // (M, K / 16): sums of q over 16 inputs
};

// y[m][o] = sum_k w[o][k] x[m][k] for the outputs of tiles [tile_first, tile_last) and m in 0 .. n_rows - 1.
// The order in which the products of one (m, o) are summed depends on the format and K alone.
struct MatmulArgs {
  const uint8_t* w;  // tiles, one after another (pack.h)
  int64_t k;
  int64_t n_out;  // outputs of the matrix; the last tile may have fewer than 16
  ActRows act;
  int n_rows;        // 1..8, of matmul_many 16..256
  float* y;          // (n_rows, y_stride)
  int64_t y_stride;  // floats from one row of y to the next
};
using MatmulFn = void (*)(const MatmulArgs& args, int64_t tile_first, int64_t tile_last);

// One row of k floats to 8 bits: for each block of `block` inputs, 32 or 256, scale = max|x| / 127, q = round(x * (127
// / max|x|)) to nearest even; a block of zeros has scale 0. A NaN or an infinity anywhere in a block makes its scale
// NaN. scale gets an entry for every 32 inputs, sum one for every 16. What is left of k after the last whole block is
// not quantised: rows so wide are read in float.
using QuantizeFn = void (*)(const float* x, int64_t k, int block, int8_t* q, float* scale, int16_t* sum);

// y = w * x / sqrt(mean(x^2) + eps). x and y may be the same.
using RmsNormFn = void (*)(float* y, const float* x, const float* w, int n, float eps);
// y = rms_norm(x; w) * silu(z): the delta net's gated norm, one head.
using GatedRmsNormFn = void (*)(float* y, const float* x, const float* w, const float* z, int n, float eps);
// x = x / max(|x|, eps), in place.
using L2NormFn = void (*)(float* x, int n, float eps);
// y += x
using AddFn = void (*)(float* y, const float* x, int n);
// y = silu(gate) * up
using SwigluFn = void (*)(float* y, const float* gate, const float* up, int n);
// y *= sigmoid(gate)
using SigmoidGateFn = void (*)(float* y, const float* gate, int n);
// Rotates the pairs (i, i + n_rot / 2) of one head in place; cos and sin have n_rot / 2 entries.
using RopeFn = void (*)(float* x, const float* cos, const float* sin, int n_rot);

// y[c] = silu(sum_i taps[i][c] columns[i][c]) for n channels; columns are the raw projections of n_taps successive
// positions, oldest first.
using ConvSiluFn = void (*)(float* y, const float* const* columns, const float* taps, int64_t taps_stride, int n_taps,
                            int n);

// Rows of the delta net for one value head: pointers to the first row, strides in floats.
struct DeltaRows {
  int n = 0;
  const float* q = nullptr;  // (n, Dk), scaled and normed; not read in a replay
  const float* k = nullptr;  // (n, Dk)
  const float* v = nullptr;  // (n, Dv)
  const float* beta = nullptr;
  const float* decay = nullptr;
  int64_t qkv_stride = 0;
  int64_t gate_stride = 0;
};
// One value head: applies the rows of `replay`, then those of `step`, and stores the state that the first n_kept of all
// these leave; what comes after is applied without storing (D3). delta_rule.cc has the equation.
struct DeltaArgs {
  float* state;  // (Dv/16, Dk, 16): columns in blocks of 16
  int dk, dv;    // multiples of 16 up to 256
  DeltaRows replay;
  DeltaRows step;
  int n_kept;
  float* o;  // (step.n, o_stride): readouts
  int64_t o_stride;
  float scale;  // Dv^-1/2
};
using DeltaRuleFn = void (*)(const DeltaArgs& args);

// One vector of head_dim values to cache precision, kv_bytes() bytes; the same bytes on every instruction set.
void kv_store(KvType type, const float* x, int64_t head_dim, uint8_t* cached) noexcept;

// Query rows of one sequence against one piece of its cache, for the n_group query heads that share a KV head: row r
// sees the positions [0, n[r]) of k and v, n[r] <= kKvPiece. Gives, for each row and head: m = max score, l = sum
// exp(score - m), o = sum exp(score - m) v. Of a row with n[r] = 0 nothing is written.
constexpr int kMaxAttendQueries = 32;  // n_rows * n_group of one call
struct AttendArgs {
  const float* q;         // (n_rows, n_group, head_dim)
  int64_t q_row, q_head;  // floats from one row, one query head to the next
  int n_rows;
  int n_group;
  int head_dim;  // a multiple of 32, at most kMaxHeadDim
  float scale;
  KvType k_type;
  KvType v_type;
  const uint8_t* k;  // first position of the piece
  const uint8_t* v;  //
  int64_t k_stride;  // bytes from one position to the next
  int64_t v_stride;  //
  const int* n;      // (n_rows)
  float* m;          // (n_rows, n_group)
  float* l;          // (n_rows, n_group)
  float* o;          // (n_rows, n_group, head_dim), rows o_row floats apart
  int64_t o_row;
};
using AttendFn = void (*)(const AttendArgs& args);
// Merges piece b into piece a, in that order: a = a + b, each weighted by exp(m - max m).
using AttendMergeFn = void (*)(float* m_a, float* l_a, float* o_a, float m_b, float l_b, const float* o_b,
                               int head_dim);

// The index of the largest of n values, ties to the lower index; -1 if one of them is NaN.
using ArgMaxFn = int64_t (*)(const float* x, int64_t n);

// The part that one tile of pack.h has in a sketch: byte j of row r goes to signs + j * kSketchRows + r. Adds to
// sum[r], for each input in turn, fma(|w_rj - mean_j|, size_j, sum[r]); the tile's 16 rows are all there, be it as
// zeros. What signs a row has with a weight or scale that is not finite is left open.
using SketchTileFn = void (*)(PackFormat format, const uint8_t* tile, int64_t k, const float* mean, const float* size,
                              uint8_t* signs, float* sum);

// Sketch tiles against a query: best[4t + i] is the largest of scale_r * float(sum_r) over rows 16i .. 16i + 15 of tile
// t, sum_r being the exact integer sum_b scales_b sum_j sign_rj q_j.
struct SketchArgs {
  const uint8_t* signs;  // tiles of k / 8 words of 64 bytes
  const float* scale;    // (tiles, 64), in the order of sketch_place(); not NaN
  int64_t k;             // a multiple of kSketchInputs
  SketchQuery query;
  float* best;
};
using SketchFn = void (*)(const SketchArgs& args, int64_t tile_first, int64_t tile_last);

struct KernelTable {
  const char* isa;  // "scalar" | "avx2" | "avx512" | "avx512_vbmi" | "amx"
  MatmulFn matmul[kNumPackFormats];
  MatmulFn matmul_many[kNumPackFormats];  // the same products of more rows at a time; null for none
  QuantizeFn quantize;
  RmsNormFn rms_norm;
  GatedRmsNormFn gated_rms_norm;
  L2NormFn l2_norm;
  AddFn add;
  SwigluFn swiglu;
  SigmoidGateFn sigmoid_gate;
  RopeFn rope;
  ConvSiluFn conv_silu;
  DeltaRuleFn delta_rule;
  AttendFn attend;
  AttendMergeFn attend_merge;
  ArgMaxFn argmax;
  SketchTileFn sketch_tile;
  SketchFn sketch;
};

namespace scalar {
const KernelTable& kernels();
}
namespace avx2 {
const KernelTable& kernels();
}
namespace avx512 {
const KernelTable& kernels();
const KernelTable& kernels_with_vbmi();
const KernelTable& kernels_with_amx();
}  // namespace avx512

// The table this machine runs: the best it has, or the one named by `force` (the environment's NEXTN_ISA; empty for
// none). Throws Error{kUsage} for a name that is unknown or that the CPU lacks.
const KernelTable& select_kernels(const char* force);

}  // namespace nextn
