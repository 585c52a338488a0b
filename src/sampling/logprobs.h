// How likely tokens are in the model's eyes: the softmax of a row of logits as the model gave them, before bias,
// penalties, truncations and temperature.
#pragma once

#include <cstdint>
#include <vector>

namespace nextn {

struct TokenLogprob {
  int32_t token;
  float logprob;  // natural logarithm; -infinity for a logit of -infinity
};

// The `n_top` likeliest of n_vocab tokens, the likeliest first, ties to the lower id; then that of `token` itself,
// last. No logit is NaN.
std::vector<TokenLogprob> top_logprobs(const float* logits, int64_t n_vocab, int n_top, int32_t token);

}  // namespace nextn
