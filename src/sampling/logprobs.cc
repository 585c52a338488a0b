#include "sampling/logprobs.h"

#include <algorithm>
#include <numeric>

#include "base/fmath.h"

namespace nextn {

std::vector<TokenLogprob> top_logprobs(const float* logits, int64_t n_vocab, int n_top, int32_t token) {
  const float max = *std::max_element(logits, logits + n_vocab);
  double sum = 0;
  for (int64_t i = 0; i < n_vocab; i++) sum += static_cast<double>(exp_f32(logits[i] - max));
  const double log_sum = log_f64(sum);
  std::vector<int32_t> best(static_cast<size_t>(n_vocab));
  std::iota(best.begin(), best.end(), 0);
  const size_t n = static_cast<size_t>(std::clamp<int64_t>(n_top, 0, n_vocab));
  std::partial_sort(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(n), best.end(),
                    [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  best.resize(n);
  best.push_back(token);
  std::vector<TokenLogprob> out;
  for (const int32_t id : best) {
    out.push_back({id, static_cast<float>(static_cast<double>(logits[id] - max) - log_sum)});
  }
  return out;
}

}  // namespace nextn
