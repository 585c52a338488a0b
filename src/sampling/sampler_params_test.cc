#include "sampling/sampler_params.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

namespace nextn {
namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

std::string message_of(const std::function<void(SamplerParams&)>& change) {
  SamplerParams params;
  change(params);
  try {
    check_sampler_params(params, 32, ErrorCode::kUsage);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    return e.what();
  }
  return "";
}

TEST(SamplerParams, MessagesSayNameExpectedFound) {
  EXPECT_EQ(message_of([](auto& p) { p.temp = kNan; }), "temp: expected a finite number, found nan");
  EXPECT_EQ(message_of([](auto& p) { p.temp = -kNan; }), "temp: expected a finite number, found nan");
  EXPECT_EQ(message_of([](auto& p) { p.temp = kInf; }), "temp: expected a finite number, found inf");
  EXPECT_EQ(message_of([](auto& p) { p.top_p = 1.5f; }), "top_p: expected a number from 0 to 1, found 1.5");
  EXPECT_EQ(message_of([](auto& p) { p.top_p = kNan; }), "top_p: expected a number from 0 to 1, found nan");
  EXPECT_EQ(message_of([](auto& p) { p.min_p = -0.5f; }), "min_p: expected a number from 0 to 1, found -0.5");
  EXPECT_EQ(message_of([](auto& p) { p.repeat_penalty = 0; }),
            "repeat_penalty: expected a number above 0 and up to 100, found 0");
  EXPECT_EQ(message_of([](auto& p) { p.repeat_penalty = kNan; }),
            "repeat_penalty: expected a number above 0 and up to 100, found nan");
  EXPECT_EQ(message_of([](auto& p) { p.frequency_penalty = 101; }),
            "frequency_penalty: expected a number from -100 to 100, found 101");
  EXPECT_EQ(message_of([](auto& p) { p.presence_penalty = -kInf; }),
            "presence_penalty: expected a number from -100 to 100, found -inf");
  EXPECT_EQ(message_of([](auto& p) { p.penalty_last_n = -1; }),
            "penalty_last_n: expected a number from 0 to 4096, found -1");
  EXPECT_EQ(message_of([](auto& p) { p.penalty_last_n = 4097; }),
            "penalty_last_n: expected a number from 0 to 4096, found 4097");
  EXPECT_EQ(message_of([](auto& p) { p.logit_bias = {{32, 1}}; }),
            "logit_bias: expected a token id from 0 to 31, found 32");
  EXPECT_EQ(message_of([](auto& p) { p.logit_bias = {{-1, 1}}; }),
            "logit_bias: expected a token id from 0 to 31, found -1");
  EXPECT_EQ(message_of([](auto& p) { p.logit_bias = {{3, kNan}}; }),
            "logit_bias: token 3: expected a number, found nan");
}

TEST(SamplerParams, TheWholeRangeIsAccepted) {
  EXPECT_EQ(message_of([](auto&) {}), "");
  EXPECT_EQ(message_of([](auto& p) { p.temp = -1, p.top_k = -1, p.top_p = 0, p.min_p = 0, p.penalty_last_n = 0; }), "");
  EXPECT_EQ(message_of([](auto& p) { p.temp = 50, p.top_k = 1 << 30, p.top_p = 1, p.min_p = 1; }), "");
  EXPECT_EQ(message_of([](auto& p) { p.repeat_penalty = 100, p.frequency_penalty = -100, p.penalty_last_n = 4096; }),
            "");
  EXPECT_EQ(message_of([](auto& p) { p.logit_bias = {{0, -kInf}, {31, kInf}, {0, 2}}; }), "");
}

TEST(SamplerParams, TheCodeIsTheCallers) {
  try {
    check_sampler_params({.top_p = 2}, 32, ErrorCode::kRequest);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kRequest);
  }
}

}  // namespace
}  // namespace nextn
