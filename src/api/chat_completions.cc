#include "api/chat_completions.h"

#include "api/chat_message.h"
#include "text/tokenizer/unicode.h"

namespace nextn::api {

namespace {

Json delta_of(const ReplyEvent& event) {
  switch (event.kind) {
    case ReplyEvent::Kind::kReasoning:
      return {{"reasoning_content", event.text}};
    case ReplyEvent::Kind::kContent:
      return {{"content", event.text}};
    case ReplyEvent::Kind::kToolBegin:
    case ReplyEvent::Kind::kToolArguments:
      break;
    case ReplyEvent::Kind::kToolEnd:
      return nullptr;
  }
  Json call = {{"index", event.tool}};
  if (event.kind == ReplyEvent::Kind::kToolBegin) {
    call["id"] = event.id;
    call["type"] = "function";
    call["function"] = {{"name", event.text}, {"arguments", ""}};
  } else {
    call["function"] = {{"arguments", event.text}};
  }
  return {{"tool_calls", Json::array({call})}};
}

Json message_json(const ChatMessage& message) {
  Json out = {{"role", "assistant"}};
  out["content"] = message.content.empty() && !message.calls.empty() ? Json(nullptr) : Json(message.content);
  if (!message.reasoning.empty()) out["reasoning_content"] = message.reasoning;
  for (const ToolCall& call : message.calls) {
    out["tool_calls"].push_back(
        {{"id", call.id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  return out;
}

class ChatReply final : public Reply {
 public:
  ChatReply(const ChatRequest& request, const ServedModel& model)
      : request_(request.generation),
        names_function_(request.names_function),
        model_(model),
        id_(random_id("chatcmpl-")) {
    choices_.resize(static_cast<size_t>(request_.n_choices()));
    for (Choice& choice : choices_) choice.parser = std::make_unique<ReplyParser>(request.format);
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
    if (request_.params.top_logprobs >= 0) {
      for (const Json& token : chat_logprobs(piece.tokens, *model_.tokenizer)) c.logprobs.push_back(token);
    }
    return chunks(i, c.parser->push(replace_invalid_utf8(piece.text)));
  }

  std::string done(int choice, const Generation& made) override {
    const size_t i = static_cast<size_t>(choice);
    Choice& c = choices_[i];
    std::string events = chunks(i, c.parser->finish());
    usage_.add(made, choice % request_.n == 0);
    c.finish = finish_reason(made.end_reason);
    // Of a function that the client has named it already knows that it is called: OpenAI says stop.
    if (c.finish == "stop" && !c.message.calls.empty() && !names_function_) c.finish = "tool_calls";
    timings_ = timings_json(made);
    if (!request_.stream) return {};
    Json chunk = chunk_json(i, Json::object(), take_logprobs(c), c.finish);
    chunk["timings"] = timings_;
    events += sse_event(chunk);
    return events;
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
                         {"message", message_json(c.message)},
                         {"logprobs", request_.params.top_logprobs < 0 ? Json(nullptr) : Json{{"content", c.logprobs}}},
                         {"finish_reason", c.finish}});
    }
    body["usage"] = usage_.json();
    body["timings"] = timings_;
    return to_text(body);
  }

 private:
  struct Choice {
    std::unique_ptr<ReplyParser> parser;
    ChatMessage message;
    std::string finish;
    Json logprobs = Json::array();  // in a stream those that no chunk had yet
    RunningTimings timings;
  };

  std::string chunks(size_t i, const std::vector<ReplyEvent>& events) {
    Choice& c = choices_[i];
    std::string out;
    for (const ReplyEvent& event : events) {
      c.message.add(event);
      Json delta = request_.stream ? delta_of(event) : Json(nullptr);
      if (delta.is_null()) continue;
      Json chunk = chunk_json(i, std::move(delta), take_logprobs(c), nullptr);
      if (request_.timings_per_token) {
        chunk["choices"][0]["nextn"] = {{"drafted", c.timings.last_was_drafted()}};
        chunk["timings"] = c.timings.json();
      }
      out += sse_event(chunk);
    }
    return out;
  }

  static Json take_logprobs(Choice& c) {
    if (c.logprobs.empty()) return nullptr;
    return {{"content", std::exchange(c.logprobs, Json::array())}};
  }

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
  const bool names_function_;
  const ServedModel& model_;
  const std::string id_;
  const int64_t created_ = now_in_seconds();
  std::vector<Choice> choices_;
  Usage usage_;
  Json timings_ = nullptr;
};

}  // namespace

std::unique_ptr<Reply> chat_reply(const ChatRequest& request, const ServedModel& model) {
  return std::make_unique<ChatReply>(request, model);
}

}  // namespace nextn::api
