#include "api/generation_request.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <random>

namespace nextn::api {

namespace {

constexpr double kAnyFloat = std::numeric_limits<float>::max();
constexpr size_t kMaxStops = 64;
constexpr int kMaxChoices = 128;

// The first of several names that the field has.
template <class Read>
auto first_of(std::initializer_list<const char*> names, const Read& read) -> decltype(read("")) {
  for (const char* name : names) {
    if (auto value = read(name)) return value;
  }
  return {};
}

uint64_t random_seed() {
  std::random_device device;
  return device();
}

int32_t bias_token(const Json& id, const std::string& path, int32_t n_vocab) {
  int64_t token = -1;
  if (id.is_number_integer()) {
    token = id.get<int64_t>();
  } else if (id.is_string()) {
    const std::string& text = id.get_ref<const std::string&>();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), token);
    if (error != std::errc() || end != text.data() + text.size()) token = -1;
  }
  if (token < 0 || token >= n_vocab) {
    fail(ErrorCode::kRequest, "{}: expected a token id from 0 to {}, found {}", path, n_vocab - 1, shown(id));
  }
  return static_cast<int32_t>(token);
}

// {"15043": 1.5}, or llama.cpp's [[15043, 1.5], [15043, false]].
void read_logit_bias(const Fields& body, int32_t n_vocab, SamplerParams& p) {
  const Json* const bias = body.find("logit_bias");
  if (bias == nullptr) return;
  const std::string path = body.path("logit_bias");
  const auto add = [&](const Json& id, const Json& value) {
    float add = -std::numeric_limits<float>::infinity();  // false bans the token
    if (value.is_number()) {
      add = value.get<float>();
    } else if (!value.is_boolean() || value.get<bool>()) {
      fail(ErrorCode::kRequest, "{}: expected a number or false, found {}", path, shown(value));
    }
    p.logit_bias.emplace_back(bias_token(id, path, n_vocab), add);
  };
  if (bias->is_object()) {
    for (const auto& [id, value] : bias->items()) add(Json(id), value);
  } else if (bias->is_array()) {
    for (const Json& pair : *bias) {
      if (!pair.is_array() || pair.size() != 2) body.refuse("logit_bias", "pairs of a token id and a bias", pair);
      add(pair[0], pair[1]);
    }
  } else {
    body.refuse("logit_bias", "an object from token ids to biases", *bias);
  }
}

void read_sampling(const Fields& body, int32_t n_vocab, SamplerParams& p) {
  const auto set = [&](float& value, std::initializer_list<const char*> names, double low, double high) {
    const auto read = first_of(names, [&](const char* name) { return body.number(name, low, high); });
    if (read) value = static_cast<float>(*read);
  };
  const auto set_int = [&](int& value, std::initializer_list<const char*> names, int64_t low, int64_t high) {
    const auto read = first_of(names, [&](const char* name) { return body.integer(name, low, high); });
    if (read) value = static_cast<int>(*read);
  };
  set(p.temp, {"temperature", "temp"}, -kAnyFloat, kAnyFloat);
  set_int(p.top_k, {"top_k"}, -1, std::numeric_limits<int>::max());
  set(p.top_p, {"top_p"}, 0, 1);
  set(p.min_p, {"min_p"}, 0, 1);
  set(p.repeat_penalty, {"repeat_penalty", "repetition_penalty"}, 1e-6, 100);
  set(p.frequency_penalty, {"frequency_penalty"}, -100, 100);
  set(p.presence_penalty, {"presence_penalty"}, -100, 100);
  set_int(p.penalty_last_n, {"repeat_last_n"}, 0, kMaxPenaltyWindow);
  read_logit_bias(body, n_vocab, p);
  const auto seed = body.integer("seed", std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
  p.seed = seed && *seed >= 0 ? static_cast<uint64_t>(*seed) : random_seed();
  check_sampler_params(p, n_vocab, ErrorCode::kRequest);
}

// {"enabled", "n_max", "n_min", "p_min"}, of "speculative" or in llama.cpp's flat names.
void read_drafts(const Fields& body, GenerateParams& p) {
  const auto read = [&](const Fields& of, const char* n_max, const char* n_min, const char* p_min) {
    if (const auto n = of.integer(n_max, 0, kMaxDraftLimit)) {
      p.draft_max = std::min(p.draft_max, static_cast<int>(*n));
      p.model_max = std::min(p.model_max, static_cast<int>(*n));
      p.suffix_max = std::min(p.suffix_max, static_cast<int>(*n));
    }
    if (const auto n = of.integer(n_min, 0, kMaxDraftLimit)) p.draft_min = static_cast<int>(*n);
    if (const auto least = of.number(p_min, 0, 1)) p.draft_p_min = static_cast<float>(*least);
  };
  read(body, "speculative.n_max", "speculative.n_min", "speculative.p_min");
  if (const auto speculative = body.object("speculative")) {
    read(*speculative, "n_max", "n_min", "p_min");
    if (!speculative->boolean("enabled").value_or(true)) p.draft_max = p.model_max = p.suffix_max = 0;
  }
}

}  // namespace

GenerationRequest read_generation_request(const Fields& body, const ServedModel& model) {
  GenerationRequest r;
  r.params = model.defaults;
  GenerateParams& p = r.params;
  read_sampling(body, model.tokenizer->n_vocab(), p.sampling);
  read_drafts(body, p);
  p.stops = body.strings("stop", kMaxStops);
  for (const std::string& stop : p.stops) {
    if (stop.empty()) fail(ErrorCode::kRequest, "{}: expected some text, found none", body.path("stop"));
  }
  p.ignore_eos = body.boolean("ignore_eos").value_or(false);
  const auto limit = first_of({"max_completion_tokens", "max_tokens", "n_predict"},
                              [&](const char* name) { return body.integer(name, -1, int64_t{1} << 40); });
  if (limit) p.n_predict = *limit;
  r.n = static_cast<int>(body.integer("n", 1, kMaxChoices).value_or(1));
  r.stream = body.boolean("stream").value_or(false);
  if (const auto options = body.object("stream_options")) {
    r.include_usage = options->boolean("include_usage").value_or(false);
  }
  r.timings_per_token = body.boolean("timings_per_token").value_or(false);
  return r;
}

std::vector<int32_t> read_prompt(const Json& prompt, const std::string& name, const ServedModel& model) {
  const Tokenizer& tokenizer = *model.tokenizer;
  if (prompt.is_string()) return tokenizer.encode(prompt.get_ref<const std::string&>(), true, true);
  if (!prompt.is_array()) fail(ErrorCode::kRequest, "{}: expected text or token ids, found {}", name, shown(prompt));
  std::vector<int32_t> ids;
  for (const Json& part : prompt) {
    if (part.is_string()) {
      const std::vector<int32_t> more = tokenizer.encode(part.get_ref<const std::string&>(), ids.empty(), true);
      ids.insert(ids.end(), more.begin(), more.end());
      continue;
    }
    const int64_t id = part.is_number_integer() ? part.get<int64_t>() : -1;
    if (id < 0 || id >= tokenizer.n_vocab()) {
      fail(ErrorCode::kRequest, "{}: expected text or token ids from 0 to {}, found {}", name, tokenizer.n_vocab() - 1,
           shown(part));
    }
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

std::vector<std::vector<int32_t>> read_prompts(const Json& prompt, const std::string& name, const ServedModel& model) {
  const bool several = prompt.is_array() && !prompt.empty() &&
                       (std::ranges::any_of(prompt, [](const Json& part) { return part.is_array(); }) ||
                        std::ranges::all_of(prompt, [](const Json& part) { return part.is_string(); }));
  if (!several) return {read_prompt(prompt, name, model)};
  if (prompt.size() > kMaxChoices) {
    fail(ErrorCode::kRequest, "{}: expected at most {} prompts, found {}", name, kMaxChoices, prompt.size());
  }
  std::vector<std::vector<int32_t>> prompts;
  for (size_t i = 0; i < prompt.size(); i++) {
    prompts.push_back(read_prompt(prompt[i], fmt::format("{}[{}]", name, i), model));
  }
  return prompts;
}

}  // namespace nextn::api
