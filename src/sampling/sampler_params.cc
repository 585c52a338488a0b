#include "sampling/sampler_params.h"

#include <cmath>

namespace nextn {

namespace {

std::string text_of(float value) {
  return std::isnan(value) ? "nan" : fmt::format("{}", value);
}

void check_range(ErrorCode code, const char* name, float value, float low, float high) {
  if (!(value >= low && value <= high)) {
    fail(code, "{}: expected a number from {} to {}, found {}", name, low, high, text_of(value));
  }
}

}  // namespace

void check_sampler_params(const SamplerParams& params, int32_t n_vocab, ErrorCode code) {
  if (!std::isfinite(params.temp)) fail(code, "temp: expected a finite number, found {}", text_of(params.temp));
  check_range(code, "top_p", params.top_p, 0, 1);
  check_range(code, "min_p", params.min_p, 0, 1);
  if (!(params.repeat_penalty > 0 && params.repeat_penalty <= 100)) {
    fail(code, "repeat_penalty: expected a number above 0 and up to 100, found {}", text_of(params.repeat_penalty));
  }
  check_range(code, "frequency_penalty", params.frequency_penalty, -100, 100);
  check_range(code, "presence_penalty", params.presence_penalty, -100, 100);
  if (params.penalty_last_n < 0 || params.penalty_last_n > kMaxPenaltyWindow) {
    fail(code, "penalty_last_n: expected a number from 0 to {}, found {}", kMaxPenaltyWindow, params.penalty_last_n);
  }
  for (const auto& [token, bias] : params.logit_bias) {
    if (token < 0 || token >= n_vocab) {
      fail(code, "logit_bias: expected a token id from 0 to {}, found {}", n_vocab - 1, token);
    }
    if (std::isnan(bias)) fail(code, "logit_bias: token {}: expected a number, found nan", token);
  }
}

}  // namespace nextn
