#include "api/llama_completion.h"

#include "api/structured_output.h"
#include "text/tokenizer/unicode.h"

namespace nextn::api {

namespace {

constexpr int kMaxProbabilities = 1000;

const char* stop_type(EndReason reason) {
  switch (reason) {
    case EndReason::kEos:
      return "eos";
    case EndReason::kStop:
      return "word";
    case EndReason::kLength:
    case EndReason::kContext:
      return "limit";
    case EndReason::kInterrupt:
      break;
  }
  return "none";
}

class LlamaCompletionReply final : public Reply {
 public:
  LlamaCompletionReply(const GenerationRequest& request, const ServedModel& model) : request_(request), model_(model) {
    choices_.resize(static_cast<size_t>(request_.n_choices()));
  }

  std::string piece(int choice, Piece&& piece) override {
    Choice& c = choices_[static_cast<size_t>(choice)];
    const std::string text = replace_invalid_utf8(piece.text);
    c.timings.saw(piece);
    Json ids = Json::array();
    for (const TokenEvent& token : piece.tokens) ids.push_back(token.token);
    for (const Json& id : ids) c.tokens.push_back(id);
    c.content += text;
    Json probabilities = nullptr;
    if (request_.params.top_logprobs >= 0) {
      probabilities = chat_logprobs(piece.tokens, *model_.tokenizer);
      for (const Json& token : probabilities) c.probabilities.push_back(token);
    }
    if (!request_.stream || (text.empty() && piece.tokens.empty())) return {};
    Json event = {{"index", choice}, {"content", text}, {"tokens", std::move(ids)}, {"stop", false}};
    if (!probabilities.is_null()) event["completion_probabilities"] = std::move(probabilities);
    if (request_.timings_per_token) event["timings"] = c.timings.json();
    return sse_event(event);
  }

  std::string done(int choice, const Generation& made) override {
    Choice& c = choices_[static_cast<size_t>(choice)];
    const GenerateStats& s = made.stats;
    c.end = {{"index", choice},
             {"content", request_.stream ? "" : c.content},
             {"tokens", request_.stream ? Json::array() : c.tokens},
             {"stop", true},
             {"model", model_.id},
             {"tokens_predicted", made.tokens.size()},
             {"tokens_evaluated", s.prompt_n + s.cached_n},
             {"tokens_cached", s.cached_n},
             {"truncated", false},
             {"stop_type", stop_type(made.end_reason)},
             {"stopping_word", made.stop},
             {"generation_settings", settings_json(request_.params)},
             {"timings", timings_json(made)}};
    if (request_.params.top_logprobs >= 0 && !request_.stream) c.end["completion_probabilities"] = c.probabilities;
    return request_.stream ? sse_event(c.end) : std::string();
  }

  std::string end() override { return {}; }

  std::string body() const override {
    if (choices_.size() == 1) return to_text(choices_[0].end);
    Json all = Json::array();
    for (const Choice& c : choices_) all.push_back(c.end);
    return to_text(all);
  }

 private:
  struct Choice {
    std::string content;
    Json tokens = Json::array(), probabilities = Json::array(), end;
    RunningTimings timings;
  };

  const GenerationRequest request_;
  const ServedModel& model_;
  std::vector<Choice> choices_;
};

}  // namespace

GenerationRequest read_llama_completion(const Json& body, const ServedModel& model) {
  const Fields fields(body);
  GenerationRequest r = read_generation_request(fields, model);
  const Json* const prompt = fields.find("prompt");
  if (prompt == nullptr) fail(ErrorCode::kRequest, "prompt: expected text or token ids, found none");
  r.prompts = read_prompts(*prompt, "prompt", model);
  const int64_t n = fields.integer("n_probs", 0, kMaxProbabilities).value_or(0);
  r.params.grammar = read_grammar(fields);
  if (n > 0) r.params.top_logprobs = static_cast<int>(n);
  return r;
}

Json settings_json(const GenerateParams& params) {
  const SamplerParams& p = params.sampling;
  return {{"seed", p.seed},
          {"temperature", p.temp},
          {"top_k", p.top_k},
          {"top_p", p.top_p},
          {"min_p", p.min_p},
          {"repeat_penalty", p.repeat_penalty},
          {"repeat_last_n", p.penalty_last_n},
          {"frequency_penalty", p.frequency_penalty},
          {"presence_penalty", p.presence_penalty},
          {"n_predict", params.n_predict},
          {"stop", params.stops},
          {"speculative.n_max", params.draft_max}};
}

std::unique_ptr<Reply> llama_completion_reply(const GenerationRequest& request, const ServedModel& model) {
  return std::make_unique<LlamaCompletionReply>(request, model);
}

}  // namespace nextn::api
