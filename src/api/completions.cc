#include "api/completions.h"

#include "api/structured_output.h"

#include "text/tokenizer/unicode.h"

namespace nextn::api {

namespace {

constexpr int64_t kDefaultMaxTokens = 16;  // OpenAI's
constexpr int kMaxLogprobs = 20;

class CompletionReply final : public Reply {
 public:
  CompletionReply(const CompletionRequest& request, const ServedModel& model)
      : request_(request.generation), model_(model), id_(random_id("cmpl-")) {
    choices_.resize(static_cast<size_t>(request_.n_choices()));
    if (!request.echo) return;
    for (size_t i = 0; i < choices_.size(); i++) {
      const std::vector<int32_t>& prompt = request_.prompts[i / static_cast<size_t>(request_.n)];
      choices_[i].text = replace_invalid_utf8(model.tokenizer->decode(prompt));
      echo_ = true;
    }
  }

  std::string begin() override {
    std::string events;
    if (!echo_) return events;
    for (size_t i = 0; i < choices_.size(); i++) {
      events += sse_event(chunk_json(Json::array({choice_json(i, choices_[i].text, nullptr, nullptr)})));
    }
    return events;
  }

  std::string piece(int choice, Piece&& piece) override {
    const size_t i = static_cast<size_t>(choice);
    Choice& c = choices_[i];
    const std::string text = replace_invalid_utf8(piece.text);
    c.timings.saw(piece);
    Json logprobs = nullptr;
    if (request_.params.top_logprobs >= 0) {
      logprobs = logprobs_json(piece.tokens, c.offset);
      append(c.logprobs, logprobs);
    }
    c.text += text;
    if (!request_.stream || (text.empty() && piece.tokens.empty())) return {};
    Json chunk = chunk_json(Json::array({choice_json(i, text, logprobs, nullptr)}));
    if (request_.timings_per_token) chunk["timings"] = c.timings.json();
    return sse_event(chunk);
  }

  std::string done(int choice, const Generation& made) override {
    const size_t i = static_cast<size_t>(choice);
    usage_.add(made, choice % request_.n == 0);
    choices_[i].finish = finish_reason(made.end_reason);
    timings_ = timings_json(made);
    if (!request_.stream) return {};
    Json chunk = chunk_json(Json::array({choice_json(i, "", nullptr, choices_[i].finish)}));
    chunk["timings"] = timings_;
    return sse_event(chunk);
  }

  std::string end() override {
    std::string events;
    if (request_.include_usage) {
      Json chunk = chunk_json(Json::array());
      chunk["usage"] = usage_.json();
      events += sse_event(chunk);
    }
    events += kSseDone;
    return events;
  }

  std::string body() const override {
    Json choices = Json::array();
    for (size_t i = 0; i < choices_.size(); i++) {
      const Choice& c = choices_[i];
      choices.push_back(choice_json(i, c.text, c.logprobs, c.finish));
    }
    Json body = chunk_json(std::move(choices));
    body["usage"] = usage_.json();
    body["timings"] = timings_;
    return to_text(body);
  }

 private:
  struct Choice {
    std::string text, finish;
    Json logprobs = nullptr;
    size_t offset = 0;  // bytes of the answer's tokens so far
    RunningTimings timings;
  };

  static Json choice_json(size_t i, const std::string& text, const Json& logprobs, const Json& finish) {
    return {{"index", i}, {"text", text}, {"logprobs", logprobs}, {"finish_reason", finish}};
  }

  Json chunk_json(Json choices) const {
    return {{"id", id_},          {"object", "text_completion"},   {"created", created_},
            {"model", model_.id}, {"choices", std::move(choices)}, {"seed", request_.params.sampling.seed}};
  }

  Json logprobs_json(const std::vector<TokenEvent>& tokens, size_t& offset) const {
    Json out = {{"tokens", Json::array()},
                {"token_logprobs", Json::array()},
                {"top_logprobs", Json::array()},
                {"text_offset", Json::array()}};
    for (const Json& token : chat_logprobs(tokens, *model_.tokenizer)) {
      Json top = Json::object();
      for (const Json& other : token["top_logprobs"]) top[other["token"].get<std::string>()] = other["logprob"];
      out["tokens"].push_back(token["token"]);
      out["token_logprobs"].push_back(token["logprob"]);
      out["top_logprobs"].push_back(std::move(top));
      out["text_offset"].push_back(offset);
      offset += token["bytes"].size();
    }
    return out;
  }

  static void append(Json& all, const Json& more) {
    if (all.is_null()) {
      all = more;
      return;
    }
    for (const auto& [name, values] : more.items()) {
      for (const Json& value : values) all[name].push_back(value);
    }
  }

  const GenerationRequest request_;
  const ServedModel& model_;
  const std::string id_;
  const int64_t created_ = now_in_seconds();
  bool echo_ = false;
  std::vector<Choice> choices_;
  Usage usage_;
  Json timings_ = nullptr;
};

}  // namespace

CompletionRequest read_completion(const Json& body, const ServedModel& model) {
  const Fields fields(body);
  CompletionRequest request;
  GenerationRequest& r = request.generation;
  r = read_generation_request(fields, model);
  const Json* const prompt = fields.find("prompt");
  if (prompt == nullptr) fail(ErrorCode::kRequest, "prompt: expected text or token ids, found none");
  r.prompts = read_prompts(*prompt, "prompt", model);
  if (!fields.has("max_tokens") && !fields.has("max_completion_tokens") && !fields.has("n_predict")) {
    r.params.n_predict = kDefaultMaxTokens;
  }
  if (const auto n = fields.integer("logprobs", 0, kMaxLogprobs)) r.params.top_logprobs = static_cast<int>(*n);
  r.params.grammar = read_grammar(fields);
  if (const auto format = fields.object("response_format"); format && !r.params.grammar) {
    r.params.grammar = read_format(*format);
  }
  request.echo = fields.boolean("echo").value_or(false);
  for (const std::vector<int32_t>& ids : r.prompts) {  // before an echo has a copy of it for every choice
    if (request.echo && std::ssize(ids) > model.n_ctx) {
      fail(ErrorCode::kRequest, "prompt: expected at most {} tokens (-c), found {}", model.n_ctx, ids.size());
    }
  }
  if (fields.has("suffix") && *fields.string("suffix") != "") {
    fail(ErrorCode::kUnsupported, "suffix: filling in the middle of a text is not supported");
  }
  if (const auto best = fields.integer("best_of", 1, 128); best && *best != r.n) {
    fail(ErrorCode::kUnsupported, "best_of: expected n ({}), found {}: choosing among answers is not supported", r.n,
         *best);
  }
  return request;
}

std::unique_ptr<Reply> completion_reply(const CompletionRequest& request, const ServedModel& model) {
  return std::make_unique<CompletionReply>(request, model);
}

}  // namespace nextn::api
