#include "api/reply.h"

#include <numeric>
#include <random>

#include "base/clock.h"
#include "text/tokenizer/unicode.h"

namespace nextn::api {

namespace {

// What OpenAI gives for a token that has no chance at all.
constexpr float kLeastLogprob = -9999;

double per_second(int64_t n, double ms) {
  return ms > 0 && n > 0 ? static_cast<double>(n) * 1000 / ms : 0;
}

int64_t total(const std::vector<int64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

Json token_json(const TokenLogprob& t, const Tokenizer& tokenizer) {
  const std::string_view bytes = tokenizer.piece(t.token, true);
  Json array = Json::array();
  for (const char c : bytes) array.push_back(static_cast<uint8_t>(c));
  return {{"token", replace_invalid_utf8(bytes)},
          {"id", t.token},
          {"logprob", std::max(t.logprob, kLeastLogprob)},
          {"bytes", array}};
}

}  // namespace

int64_t now_in_seconds() noexcept {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string random_id(std::string_view prefix) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device device;
  std::uniform_int_distribution<size_t> any(0, kAlphabet.size() - 1);
  std::string id(prefix);
  for (int i = 0; i < 24; i++) id += kAlphabet[any(device)];
  return id;
}

void Usage::add(const Generation& made, bool first_of_its_prompt) {
  const GenerateStats& s = made.stats;
  if (first_of_its_prompt) {
    prompt_ += s.prompt_n + s.cached_n;
    cached_ += s.cached_n;
  }
  completion_ += static_cast<int64_t>(made.tokens.size());
  drafted_ += total(s.drafted);
  accepted_ += total(s.accepted);
}

Json Usage::json() const {
  return {{"prompt_tokens", prompt_},
          {"completion_tokens", completion_},
          {"total_tokens", prompt_ + completion_},
          {"prompt_tokens_details", {{"cached_tokens", cached_}}},
          {"completion_tokens_details",
           {{"accepted_prediction_tokens", accepted_}, {"rejected_prediction_tokens", drafted_ - accepted_}}}};
}

Json timings_json(const Generation& made) {
  const GenerateStats& s = made.stats;
  const int64_t n = static_cast<int64_t>(made.tokens.size());
  return {{"cache_n", s.cached_n},
          {"prompt_n", s.prompt_n},
          {"prompt_ms", s.prompt_ms},
          {"prompt_per_second", per_second(s.prompt_n, s.prompt_ms)},
          {"predicted_n", n},
          {"predicted_ms", s.predicted_ms},
          {"predicted_per_second", per_second(n - 1, s.predicted_ms)},
          {"draft_n", total(s.drafted)},
          {"draft_n_accepted", total(s.accepted)},
          {"drafted_per_position", s.drafted},
          {"accepted_per_position", s.accepted},
          {"cycles", s.cycles},
          {"cycles_per_length", s.lengths},
          {"model_draft_n", s.model_drafted},
          {"model_draft_n_accepted", s.model_accepted},
          {"suffix_draft_n", s.suffix_drafted},
          {"suffix_draft_n_accepted", s.suffix_accepted},
          {"forced_draft_n", s.forced_drafted},
          {"forced_draft_n_accepted", s.forced_accepted},
          {"drafts_unverified", s.unverified},
          {"draft_ms", s.draft_ms},
          {"verify_ms", s.verify_ms}};
}

void RunningTimings::saw(const Piece& piece) noexcept {
  if (predicted_ == 0) first_ = Clock::now();
  for (const TokenEvent& token : piece.tokens) {
    predicted_++;
    accepted_ += token.drafted;
    drafted_ = token.n_drafted;
    last_was_drafted_ = token.drafted;
  }
}

Json RunningTimings::json() const {
  const double ms = ms_since(first_);
  return {{"predicted_n", predicted_},
          {"predicted_ms", ms},
          {"predicted_per_second", per_second(predicted_ - 1, ms)},
          {"draft_n", drafted_},
          {"draft_n_accepted", accepted_}};
}

const char* finish_reason(EndReason reason) noexcept {
  return reason == EndReason::kLength || reason == EndReason::kContext ? "length" : "stop";
}

Json chat_logprobs(const std::vector<TokenEvent>& tokens, const Tokenizer& tokenizer) {
  Json out = Json::array();
  for (const TokenEvent& event : tokens) {
    if (event.logprobs.empty()) continue;
    Json token = token_json(event.logprobs.back(), tokenizer);
    Json top = Json::array();
    for (size_t i = 0; i + 1 < event.logprobs.size(); i++) top.push_back(token_json(event.logprobs[i], tokenizer));
    token["top_logprobs"] = std::move(top);
    out.push_back(std::move(token));
  }
  return out;
}

}  // namespace nextn::api
