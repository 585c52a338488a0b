// The tiny models that invariants are tested on, and requests to them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/session.h"

namespace nextn {

inline std::string model_path(const std::string& name) {
  return std::string(NEXTN_TEST_MODELS) + "/" + name + ".gguf";
}

// Ids among the model's words, in no order.
inline std::vector<int32_t> prompt_of(int n, int seed = 1) {
  std::vector<int32_t> ids;
  uint32_t x = static_cast<uint32_t>(seed);
  for (int i = 0; i < n; i++) ids.push_back(static_cast<int32_t>(257 + (x = x * 1664525 + 1013904223) % 1700));
  return ids;
}

inline EngineOptions engine_options(const std::string& name) {
  EngineOptions o;
  o.model_path = model_path(name);
  o.n_threads = 2;
  o.n_ctx = 1024;
  o.max_draft = 8;
  return o;
}

inline GenerateParams generate_params(float temp, int n_predict = 24) {
  GenerateParams p;
  p.sampling.temp = temp;
  p.sampling.top_k = 0;
  p.sampling.repeat_penalty = 1.1f;
  p.sampling.seed = 7;
  p.n_predict = n_predict;
  p.ignore_eos = true;
  p.draft_max = 0;
  p.digest = true;
  return p;
}

// "tiny-moe-mixed-q8_0" as a test's name: moemixedq8_0.
inline std::string name_of_param(const testing::TestParamInfo<const char*>& info) {
  std::string name = std::string(info.param).substr(5);
  std::erase(name, '-');
  return name;
}

}  // namespace nextn
