// Gated delta rule, one value head: forget, recall, correct, read.                       arXiv:2412.06464, sec. 3.1,
// eq. 10
//
//   S_t = S_{t-1} alpha_t (I - beta_t k_t k_t^T) + beta_t v_t k_t^T           o_t = S_t q_t
//
// evaluated for each value index j in this order, sums over i as that of the even i plus that of the odd:
//
//   1  S[i][j] *= decay                    first: the recall below sees the faded state
//   2  r[j] = sum_i S[i][j] k[i]           what the memory answers to k
//   3  d[j] = beta (v[j] - r[j])
//   4  S[i][j] += d[j] k[i]
//   5  o[j] = Dv^-1/2 sum_i S[i][j] q[i]   after the write
//
//   S_t      state  (Dv/16, Dk, 16)  f32: columns j in blocks of 16, fastest within a block
//   q_t,k_t  q, k   (Dk)      after conv, SiLU and x / max(|x|, eps), of the key head that belongs to this value head
//   v_t      v      (Dv)      after conv and SiLU
//   alpha_t  decay  (1)       exp(g), g = ssm_a * softplus(ssm_alpha . x + ssm_dt) < 0
//   beta_t   beta   (1)       sigmoid(ssm_beta . x)
//
// Not in the paper: the scale Dv^-1/2 on o (the published models; Dk = Dv there). A replay runs steps 1-4 on recorded
// k, v, beta and decay: the same inputs in the same order, so the same bits as if the rows had been sure at once.
#include "kernels/lanes.h"
#include "kernels/scalar/functions.h"

namespace nextn::scalar {

namespace {

float dot(const float* a, const float* b, int n) {
  float sum[2] = {};
  for (int i = 0; i < n; i++) sum[i % 2] = __builtin_fmaf(a[i], b[i], sum[i % 2]);
  return sum[0] + sum[1];
}

void delta_token(float* s, int dk, const DeltaRows& rows, int t, int j) {
  const float* const k = rows.k + t * rows.qkv_stride;
  const float decay = rows.decay[t * rows.gate_stride], beta = rows.beta[t * rows.gate_stride];
  for (int i = 0; i < dk; i++) s[i] *= decay;
  const float d = beta * (rows.v[t * rows.qkv_stride + j] - dot(s, k, dk));
  for (int i = 0; i < dk; i++) s[i] = __builtin_fmaf(d, k[i], s[i]);
}

}  // namespace

void delta_rule(const DeltaArgs& args) {
  for (int j = 0; j < args.dv; j++) {
    float* const column = args.state + static_cast<int64_t>(j / kLanes * kLanes) * args.dk + j % kLanes;
    float s[256];
    for (int i = 0; i < args.dk; i++) s[i] = column[i * kLanes];
    for (int n = 1; n <= args.replay.n + args.step.n; n++) {
      const int t = n - 1 - args.replay.n;
      if (t < 0) {
        delta_token(s, args.dk, args.replay, n - 1, j);
      } else {
        delta_token(s, args.dk, args.step, t, j);
        args.o[t * args.o_stride + j] = dot(s, args.step.q + t * args.step.qkv_stride, args.dk) * args.scale;
      }
      if (n != args.n_kept) continue;
      for (int i = 0; i < args.dk; i++) column[i * kLanes] = s[i];
    }
  }
}

}  // namespace nextn::scalar
