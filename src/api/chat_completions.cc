#include "api/chat_completions.h"

#include <algorithm>

#include "text/tokenizer/unicode.h"

namespace nextn::api {

namespace {

constexpr int kMaxLogprobs = 20;

class ChatReply final : public Reply {
 public:
  ChatReply(const ChatRequest& request, const ServedModel& model)
      : request_(request.generation), model_(model), id_(random_id("chatcmpl-")) {
    choices_.resize(static_cast<size_t>(request_.n_choices()));
  }

  std::string begin() override {
    std::string events;
    for (size_t i = 0; i < choices_.size(); i++) {
      events += sse_event(chunk_json(i, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr));
    }
    return events;
  }

  std::string piece(int choice, Piece&& piece) override {
    const size_t i = static_cast<size_t>(choice);
    Choice& c = choices_[i];
    c.timings.saw(piece);
    const std::string text = replace_invalid_utf8(piece.text);
    c.content += text;
    Json logprobs = nullptr;
    if (request_.params.top_logprobs >= 0) {
      logprobs = {{"content", chat_logprobs(piece.tokens, *model_.tokenizer)}};
      for (const Json& token : logprobs["content"]) c.logprobs.push_back(token);
    }
    if (!request_.stream || (text.empty() && piece.tokens.empty())) return {};
    Json chunk = chunk_json(i, {{"content", text}}, logprobs, nullptr);
    if (request_.timings_per_token) {
      chunk["choices"][0]["nextn"] = {{"drafted", c.timings.last_was_drafted()}};
      chunk["timings"] = c.timings.json();
    }
    return sse_event(chunk);
  }

  std::string done(int choice, const Generation& made) override {
    const size_t i = static_cast<size_t>(choice);
    usage_.add(made, choice % request_.n == 0);
    choices_[i].finish = finish_reason(made.end_reason);
    timings_ = timings_json(made);
    if (!request_.stream) return {};
    Json chunk = chunk_json(i, Json::object(), nullptr, choices_[i].finish);
    chunk["timings"] = timings_;
    return sse_event(chunk);
  }

  std::string end() override {
    std::string events;
    if (request_.include_usage) {
      Json chunk = head_json("chat.completion.chunk");
      chunk["choices"] = Json::array();
      chunk["usage"] = usage_.json();
      events += sse_event(chunk);
    }
    events += kSseDone;
    return events;
  }

  std::string body() const override {
    Json body = head_json("chat.completion");
    Json& choices = body["choices"] = Json::array();
    for (size_t i = 0; i < choices_.size(); i++) {
      const Choice& c = choices_[i];
      choices.push_back({{"index", i},
                         {"message", {{"role", "assistant"}, {"content", c.content}}},
                         {"logprobs", request_.params.top_logprobs < 0 ? Json(nullptr) : Json{{"content", c.logprobs}}},
                         {"finish_reason", c.finish}});
    }
    body["usage"] = usage_.json();
    body["timings"] = timings_;
    return to_text(body);
  }

 private:
  struct Choice {
    std::string content, finish;
    Json logprobs = Json::array();
    RunningTimings timings;
  };

  Json head_json(const char* object) const {
    return {{"id", id_},
            {"object", object},
            {"created", created_},
            {"model", model_.id},
            {"seed", request_.params.sampling.seed}};
  }

  Json chunk_json(size_t i, Json delta, const Json& logprobs, const Json& finish) const {
    Json chunk = head_json("chat.completion.chunk");
    chunk["choices"] = Json::array();
    chunk["choices"].push_back(
        {{"index", i}, {"delta", std::move(delta)}, {"logprobs", logprobs}, {"finish_reason", finish}});
    return chunk;
  }

  const GenerationRequest request_;
  const ServedModel& model_;
  const std::string id_;
  const int64_t created_ = now_in_seconds();
  std::vector<Choice> choices_;
  Usage usage_;
  Json timings_ = nullptr;
};

}  // namespace

std::string render_chat(const Json& messages, const Json& tools, const Fields& fields, const ServedModel& model) {
  ChatOptions options;
  options.tools = tools;
  options.variables = model.template_variables;
  if (const auto given = fields.object("chat_template_kwargs")) {
    for (const auto& [name, value] : given->json().items()) options.variables[name] = value;
  }
  options.add_generation_prompt = fields.boolean("add_generation_prompt").value_or(true);
  return model.chat_template->render(messages, options);
}

ChatRequest read_chat(const Json& body, const ServedModel& model) {
  const Fields fields(body);
  ChatRequest request;
  GenerationRequest& r = request.generation;
  r = read_generation_request(fields, model);
  const Json* const messages = fields.find("messages");
  if (messages == nullptr) fail(ErrorCode::kRequest, "messages: expected an array of at least one message, found none");
  request.prompt = render_chat(*messages, request.tools, fields, model);
  r.prompts = {model.tokenizer->encode(request.prompt, false, true)};
  if (fields.boolean("logprobs").value_or(false)) {
    r.params.top_logprobs = static_cast<int>(fields.integer("top_logprobs", 0, kMaxLogprobs).value_or(0));
  } else if (fields.has("top_logprobs") && *fields.integer("top_logprobs", 0, kMaxLogprobs) > 0) {
    fail(ErrorCode::kRequest, "top_logprobs: expected logprobs true beside it");
  }
  return request;
}

std::unique_ptr<Reply> chat_reply(const ChatRequest& request, const ServedModel& model) {
  return std::make_unique<ChatReply>(request, model);
}

}  // namespace nextn::api
