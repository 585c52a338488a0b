// What a request may ask of the sampler, with the defaults that llama.cpp's users know.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/error.h"

namespace nextn {

constexpr int kMaxPenaltyWindow = 4096;

struct SamplerParams {
  float temp = 0.8f;                                       // 0 or less: greedy
  int top_k = 40;                                          // 0 or less: off
  float top_p = 0.95f;                                     // 0 to 1; 1: off
  float min_p = 0.05f;                                     // 0 to 1; 0: off
  float repeat_penalty = 1.0f;                             // above 0; 1: off
  float frequency_penalty = 0;                             // 0: off
  float presence_penalty = 0;                              // 0: off
  int penalty_last_n = 64;                                 // tokens the penalties look back on, prompt included; 0: off
  std::vector<std::pair<int32_t, float>> logit_bias = {};  // added in order; -infinity bans, +infinity forces
  uint64_t seed = 0;
};

// Throws Error{code, "name: expected ..., found ..."} at the first value outside its range.
void check_sampler_params(const SamplerParams& params, int32_t n_vocab, ErrorCode code);

}  // namespace nextn
