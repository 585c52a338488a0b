// Gated delta rule, one value head: forget, recall, correct, read.                       arXiv:2412.06464, sec. 3.1,
// eq. 10
//
//   S_t = S_{t-1} alpha_t (I - beta_t k_t k_t^T) + beta_t v_t k_t^T           o_t = S_t q_t
//
// evaluated for each row j of S in this order, sums over i in the fixed lanes of lanes.h:
//
//   1  S[j][i] *= decay                    first: the recall below sees the faded state
//   2  r[j] = sum_i S[j][i] k[i]           what the memory answers to k
//   3  d[j] = beta (v[j] - r[j])
//   4  S[j][i] += d[j] k[i]
//   5  o[j] = Dv^-1/2 sum_i S[j][i] q[i]   after the write
//
//   S_t      state  (Dv, Dk)  row-major, f32: value index j slow, key index i fast
//   q_t,k_t  q, k   (Dk)      after conv, SiLU and x / max(|x|, eps), of the key head that belongs to this value head
//   v_t      v      (Dv)      after conv and SiLU
//   alpha_t  decay  (1)       exp(g), g = ssm_a * softplus(ssm_alpha . x + ssm_dt) < 0
//   beta_t   beta   (1)       sigmoid(ssm_beta . x)
//
// Not in the paper: the scale Dv^-1/2 on o (the published models; Dk = Dv there). A replay runs steps 1-4 on recorded
// k, v, beta and decay: the same inputs in the same order, so the same bits as if the rows had been sure at once.
#include <algorithm>

#include "kernels/lanes.h"
#include "kernels/scalar/functions.h"

namespace nextn::scalar {

namespace {

float dot(const float* a, const float* b, int n) {
  float lane[kLanes] = {};
  for (int i = 0; i < n; i++) lane[i % kLanes] = __builtin_fmaf(a[i], b[i], lane[i % kLanes]);
  return fold_lanes(lane);
}

void delta_token(float* s, int dk, const DeltaRows& rows, int t, int j) {
  const float* const k = rows.k + t * rows.qkv_stride;
  const float decay = rows.decay[t * rows.gate_stride], beta = rows.beta[t * rows.gate_stride];
  for (int i = 0; i < dk; i++) s[i] *= decay;
  const float d = beta * (rows.v[t * rows.qkv_stride + j] - dot(s, k, dk));
  for (int i = 0; i < dk; i++) s[i] = __builtin_fmaf(d, k[i], s[i]);
}

}  // namespace

void delta_rows(const DeltaArgs& args, int first, int last) {
  for (int j = first; j < last; j++) {
    float* const state = args.state + static_cast<int64_t>(j) * args.dk;
    float s[256];
    for (int i = 0; i < args.dk; i++) s[i] = state[i];
    for (int n = 1; n <= args.replay.n + args.step.n; n++) {
      const int t = n - 1 - args.replay.n;
      if (t < 0) {
        delta_token(s, args.dk, args.replay, n - 1, j);
      } else {
        delta_token(s, args.dk, args.step, t, j);
        args.o[t * args.o_stride + j] = dot(s, args.step.q + t * args.step.qkv_stride, args.dk) * args.scale;
      }
      if (n == args.n_kept) std::copy_n(s, args.dk, state);
    }
  }
}

}  // namespace nextn::scalar
