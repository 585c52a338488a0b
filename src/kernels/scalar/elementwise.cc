// The truth for norms, activations, rope, convolution and arg max: plain loops in the order that lanes.h fixes.
#include "kernels/lanes.h"
#include "kernels/scalar/exp.h"
#include "kernels/scalar/functions.h"

namespace nextn::scalar {

namespace {

float sum_of_squares(const float* x, int n) {
  float lane[kLanes] = {};
  for (int i = 0; i < n; i++) lane[i % kLanes] = __builtin_fmaf(x[i], x[i], lane[i % kLanes]);
  return fold_lanes(lane);
}

float silu(float x) {
  return x / (1 + exp(0 - x));
}

}  // namespace

void rms_norm(float* y, const float* x, const float* w, int n, float eps) {
  const float scale = 1 / __builtin_sqrtf(sum_of_squares(x, n) / static_cast<float>(n) + eps);
  for (int i = 0; i < n; i++) y[i] = x[i] * scale * w[i];
}

void gated_rms_norm(float* y, const float* x, const float* w, const float* z, int n, float eps) {
  const float scale = 1 / __builtin_sqrtf(sum_of_squares(x, n) / static_cast<float>(n) + eps);
  for (int i = 0; i < n; i++) y[i] = x[i] * scale * w[i] * silu(z[i]);
}

void l2_norm(float* x, int n, float eps) {
  const float length = __builtin_sqrtf(sum_of_squares(x, n));
  const float scale = 1 / (length < eps ? eps : length);
  for (int i = 0; i < n; i++) x[i] *= scale;
}

void add(float* y, const float* x, int n) {
  for (int i = 0; i < n; i++) y[i] += x[i];
}

void swiglu(float* y, const float* gate, const float* up, int n) {
  for (int i = 0; i < n; i++) y[i] = silu(gate[i]) * up[i];
}

void sigmoid_gate(float* y, const float* gate, int n) {
  for (int i = 0; i < n; i++) y[i] *= 1 / (1 + exp(0 - gate[i]));
}

void rope(float* x, const float* cos, const float* sin, int n_rot) {
  for (int i = 0; i < n_rot / 2; i++) {
    const float a = x[i], b = x[i + n_rot / 2];
    x[i] = __builtin_fmaf(a, cos[i], 0 - b * sin[i]);
    x[i + n_rot / 2] = __builtin_fmaf(a, sin[i], b * cos[i]);
  }
}

void conv_silu(float* y, const float* const* columns, const float* taps, int64_t taps_stride, int n_taps, int n) {
  for (int c = 0; c < n; c++) {
    float sum = 0;
    for (int i = 0; i < n_taps; i++) sum = __builtin_fmaf(taps[i * taps_stride + c], columns[i][c], sum);
    y[c] = silu(sum);
  }
}

int64_t argmax(const float* x, int64_t n) {
  int64_t best = 0;
  for (int64_t i = 0; i < n; i++) {
    if (x[i] != x[i]) return -1;
    if (x[i] > x[best]) best = i;
  }
  return best;
}

}  // namespace nextn::scalar
