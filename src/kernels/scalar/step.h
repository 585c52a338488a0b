// The kernels of a step that are not matmuls, as kernels.h describes them.
#pragma once

#include "kernels/kernels.h"

namespace nextn::scalar {

void rms_norm(float* y, const float* x, const float* w, int n, float eps);
void gated_rms_norm(float* y, const float* x, const float* w, const float* z, int n, float eps);
void l2_norm(float* x, int n, float eps);
void add(float* y, const float* x, int n);
void swiglu(float* y, const float* gate, const float* up, int n);
void sigmoid_gate(float* y, const float* gate, int n);
void rope(float* x, const float* cos, const float* sin, int n_rot);
void conv_silu(float* y, const float* const* columns, const float* taps, int64_t taps_stride, int n_taps, int n);
void delta_rows(const DeltaArgs& args, int first, int last);
void attend(const AttendArgs& args);
void attend_merge(float* m_a, float* l_a, float* o_a, float m_b, float l_b, const float* o_b, int head_dim);
int64_t argmax(const float* x, int64_t n);

}  // namespace nextn::scalar
