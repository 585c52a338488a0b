// The truth for attention over one piece of the KV cache, and for merging two pieces.       arXiv:2205.14135, sec. 3.1
//
//   s_i = scale q . k_i      m = max_i s_i      p_i = exp(s_i - m)      l = sum_i p_i      o = sum_i p_i v_i
//
// k and v are read at cache precision, also for the rows of the step itself (D11). Sums over a head's dimensions and
// over p run in the lanes of lanes.h, the sum over positions of p_i v_i in ascending order.
#include "base/fp16.h"
#include "kernels/lanes.h"
#include "kernels/scalar/exp.h"
#include "kernels/scalar/functions.h"

namespace nextn::scalar {

namespace {

float cached_value(KvType type, const uint8_t* p, int i) {
  if (type == KvType::kF32) return reinterpret_cast<const float*>(p)[i];
  uint16_t half;
  if (type == KvType::kF16) {
    std::memcpy(&half, p + 2 * i, 2);
    return f16_to_f32(half);
  }
  const uint8_t* const block = p + i / 32 * 34;
  std::memcpy(&half, block, 2);
  return static_cast<float>(static_cast<int8_t>(block[2 + i % 32])) * f16_to_f32(half);
}

}  // namespace

static void attend_head(const AttendArgs& args, int row, int head) {
  const float* const q = args.q + row * args.q_row + head * args.q_head;
  const int n = args.n[row];
  float p[kKvPiece] = {};
  for (int i = 0; i < n; i++) {
    float lane[kLanes] = {};
    for (int d = 0; d < args.head_dim; d++) {
      lane[d % kLanes] =
          __builtin_fmaf(q[d], cached_value(args.k_type, args.k + i * args.k_stride, d), lane[d % kLanes]);
    }
    p[i] = fold_lanes(lane) * args.scale;
  }
  float most = p[0];
  for (int i = 1; i < n; i++) most = p[i] > most ? p[i] : most;
  most += 0.0f;  // one zero, whichever was met first
  float lane[kLanes] = {};
  for (int i = 0; i < n; i++) lane[i % kLanes] += p[i] = exp(p[i] - most);
  args.m[row * args.n_group + head] = most;
  args.l[row * args.n_group + head] = fold_lanes(lane);
  for (int d = 0; d < args.head_dim; d++) {
    float sum = 0;
    for (int i = 0; i < n; i++) {
      sum = __builtin_fmaf(p[i], cached_value(args.v_type, args.v + i * args.v_stride, d), sum);
    }
    args.o[row * args.o_row + static_cast<int64_t>(head) * args.head_dim + d] = sum;
  }
}

void attend(const AttendArgs& args) {
  for (int r = 0; r < args.n_rows; r++) {
    for (int h = 0; args.n[r] > 0 && h < args.n_group; h++) attend_head(args, r, h);
  }
}

void attend_merge(float* m_a, float* l_a, float* o_a, float m_b, float l_b, const float* o_b, int head_dim) {
  const float most = m_b > *m_a ? m_b : *m_a;
  const float a = exp(*m_a - most), b = exp(m_b - most);
  *m_a = most;
  *l_a = __builtin_fmaf(l_b, b, *l_a * a);
  for (int d = 0; d < head_dim; d++) o_a[d] = __builtin_fmaf(o_b[d], b, o_a[d] * a);
}

}  // namespace nextn::scalar
