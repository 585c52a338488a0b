#include "api/responses.h"

#include "api/block_reply.h"
#include "api/structured_output.h"
#include "api/tools.h"

namespace nextn::api {

namespace {

// ------------------------------------------------------------------------------------------------ the request

// Text of a message: a string, or parts of text.
std::string text_of(const Json& content, const std::string& path) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) fail(ErrorCode::kRequest, "{}: expected text or parts, found {}", path, shown(content));
  std::string text;
  for (size_t i = 0; i < content.size(); i++) {
    const std::string at = fmt::format("{}[{}]", path, i);
    if (!content[i].is_object()) fail(ErrorCode::kRequest, "{}: expected a part, found {}", at, shown(content[i]));
    const Fields part(content[i], at);
    const std::string type = part.string("type").value_or("");
    if (type != "input_text" && type != "output_text" && type != "reasoning_text" && type != "summary_text" &&
        type != "text") {
      fail(ErrorCode::kRequest, "{}.type: expected input_text or output_text, found '{}'", at, type);
    }
    text += part.string("text").value_or("");
  }
  return text;
}

// What an assistant thinks, says and calls are items of their own here; for a template they are one message.
Json& assistant_message(Json& messages) {
  if (messages.empty() || messages.back()["role"] != "assistant") {
    messages.push_back({{"role", "assistant"}, {"content", ""}});
  }
  return messages.back();
}

void add_item(Json& messages, const Json& item, const std::string& at) {
  if (!item.is_object()) fail(ErrorCode::kRequest, "{}: expected an item, found {}", at, shown(item));
  const Fields fields(item, at);
  const std::string type = fields.string("type").value_or("message");
  const auto text = [&](const char* name) {
    const Json* const value = fields.find(name);
    return value == nullptr ? std::string() : text_of(*value, fields.path(name));
  };
  if (type == "message") {
    std::string role = fields.string("role").value_or("");
    if (role == "developer") role = "system";
    if (role != "user" && role != "assistant" && role != "system") {
      fail(ErrorCode::kRequest, "{}.role: expected user, assistant, system or developer, found '{}'", at, role);
    }
    if (role == "assistant") {
      Json& message = assistant_message(messages);
      message["content"] = message["content"].get<std::string>() + text("content");
    } else {
      messages.push_back({{"role", role}, {"content", text("content")}});
    }
  } else if (type == "reasoning") {
    const std::string reasoning = text("content");
    if (!reasoning.empty()) assistant_message(messages)["reasoning_content"] = reasoning;
  } else if (type == "function_call") {
    assistant_message(messages)["tool_calls"].push_back(
        {{"id", fields.string("call_id").value_or("")},
         {"type", "function"},
         {"function",
          {{"name", fields.string("name").value_or("")}, {"arguments", fields.string("arguments").value_or("{}")}}}});
  } else if (type == "function_call_output") {
    messages.push_back(
        {{"role", "tool"}, {"tool_call_id", fields.string("call_id").value_or("")}, {"content", text("output")}});
  } else {
    fail(ErrorCode::kUnsupported,
         "{}.type: expected message, reasoning, function_call or function_call_output, found '{}'", at, type);
  }
}

Json read_conversation(const Fields& body) {
  Json messages = Json::array();
  if (const auto instructions = body.string("instructions")) {
    messages.push_back({{"role", "system"}, {"content", *instructions}});
  }
  const Json* const input = body.find("input");
  if (input == nullptr || (!input->is_string() && !input->is_array()) || input->empty()) {
    fail(ErrorCode::kRequest, "input: expected text or an array of items");
  }
  if (input->is_string()) {
    messages.push_back({{"role", "user"}, {"content", *input}});
  } else {
    for (size_t i = 0; i < input->size(); i++) add_item(messages, (*input)[i], fmt::format("input[{}]", i));
  }
  return messages;
}

ToolUse read_tools(const Fields& body) {
  Json tools = read_tool_list(body, [](const Fields& tool) {
    const std::string type = tool.string("type").value_or("");
    if (type != "function") {
      fail(ErrorCode::kUnsupported, "{}: expected function, found '{}'", tool.path("type"), type);
    }
    return function_json(tool, tool.object("parameters"));
  });
  return read_tool_choice(body, std::move(tools));
}

void refuse_unsupported(const Fields& body) {
  for (const char* name : {"previous_response_id", "conversation", "prompt"}) {
    if (body.has(name)) fail(ErrorCode::kUnsupported, "{}: nothing is stored here, expected the whole input", name);
  }
  if (body.boolean("background").value_or(false)) fail(ErrorCode::kUnsupported, "background: not supported");
}

Json or_null(const Json* value) {
  return value == nullptr ? Json(nullptr) : *value;
}

// ------------------------------------------------------------------------------------------------ the answer

class ResponsesReply final : public BlockReply {
 public:
  ResponsesReply(const ResponsesRequest& request, const ServedModel& model)
      : BlockReply(request.chat, model), id_(random_id("resp_")), echoed_(request.echoed) {}

  std::string begin() override {
    const Json response = response_json("in_progress");
    std::string events = event({{"type", "response.created"}, {"response", response}});
    events += event({{"type", "response.in_progress"}, {"response", response}});
    return events;
  }

  std::string end() override {
    const std::string type = fmt::format("response.{}", status());
    return event({{"type", type}, {"response", response_json(status())}});
  }

  std::string body() const override { return to_text(response_json(status())); }

  std::string error(int status, std::string_view message) override {
    return event({{"type", "error"}, {"code", std::to_string(status)}, {"message", message}, {"param", nullptr}});
  }

 protected:
  std::string open_block() override {
    const Block& block = blocks_.back();
    std::string events =
        event({{"type", "response.output_item.added"}, {"output_index", index()}, {"item", item_json(block, false)}});
    if (block.kind == Block::Kind::kCall) return events;
    events += event(in_item("response.content_part.added", {{"content_index", 0}, {"part", part_json(block, false)}}));
    return events;
  }

  std::string block_delta(const std::string& text) override {
    return event(in_item(std::string(stream_of(blocks_.back())) + ".delta", with_content_index({{"delta", text}})));
  }

  std::string close_block() override {
    const Block& block = blocks_.back();
    const bool call = block.kind == Block::Kind::kCall;
    Json whole = call ? Json{{"arguments", block.text}, {"name", block.name}} : Json{{"text", block.text}};
    std::string events = event(in_item(std::string(stream_of(block)) + ".done", with_content_index(std::move(whole))));
    if (!call) {
      events += event(in_item("response.content_part.done", {{"content_index", 0}, {"part", part_json(block, true)}}));
    }
    events +=
        event({{"type", "response.output_item.done"}, {"output_index", index()}, {"item", item_json(block, true)}});
    return events;
  }

 private:
  std::string event(Json data) {
    data["sequence_number"] = n_events_++;
    return sse_event(data, data["type"].get_ref<const std::string&>());
  }

  size_t index() const { return blocks_.size() - 1; }

  Json in_item(const std::string& type, const Json& more) const {
    Json data = {{"type", type}, {"item_id", item_id(blocks_.back())}, {"output_index", index()}};
    data.update(more);
    return data;
  }

  Json with_content_index(Json data) const {
    if (blocks_.back().kind != Block::Kind::kCall) data["content_index"] = 0;
    if (blocks_.back().kind == Block::Kind::kText) data["logprobs"] = Json::array();
    return data;
  }

  static const char* stream_of(const Block& block) {
    switch (block.kind) {
      case Block::Kind::kReasoning:
        return "response.reasoning_text";
      case Block::Kind::kText:
        return "response.output_text";
      case Block::Kind::kCall:
        break;
    }
    return "response.function_call_arguments";
  }

  static std::string item_id(const Block& block) {
    const char* const prefix = block.kind == Block::Kind::kReasoning ? "rs_"
                               : block.kind == Block::Kind::kText    ? "msg_"
                                                                     : "fc_";
    return prefix + block.id;
  }

  static Json part_json(const Block& block, bool whole) {
    const std::string text = whole ? block.text : "";
    if (block.kind == Block::Kind::kReasoning) return {{"type", "reasoning_text"}, {"text", text}};
    return {{"type", "output_text"}, {"text", text}, {"annotations", Json::array()}, {"logprobs", Json::array()}};
  }

  static Json item_json(const Block& block, bool whole) {
    Json item = {{"id", item_id(block)}, {"status", whole ? "completed" : "in_progress"}};
    const Json content = whole ? Json::array({part_json(block, true)}) : Json::array();
    switch (block.kind) {
      case Block::Kind::kReasoning:
        item.update({{"type", "reasoning"}, {"summary", Json::array()}, {"content", content}});
        break;
      case Block::Kind::kText:
        item.update({{"type", "message"}, {"role", "assistant"}, {"content", content}});
        break;
      case Block::Kind::kCall:
        item.update({{"type", "function_call"},
                     {"call_id", block.id},
                     {"name", block.name},
                     {"arguments", whole ? block.text : ""}});
        break;
    }
    return item;
  }

  const char* status() const {
    return end_reason_ == EndReason::kLength || end_reason_ == EndReason::kContext ? "incomplete" : "completed";
  }

  Json response_json(const std::string& status) const {
    Json response = {{"id", id_},
                     {"object", "response"},
                     {"created_at", created_},
                     {"status", status},
                     {"error", nullptr},
                     {"incomplete_details", nullptr},
                     {"model", model_.id},
                     {"output", Json::array()},
                     {"store", false},
                     {"temperature", request_.params.sampling.temp},
                     {"top_p", request_.params.sampling.top_p},
                     {"seed", request_.params.sampling.seed},
                     {"usage", nullptr}};
    response.update(echoed_);
    if (status == "in_progress") return response;
    if (status == "incomplete") response["incomplete_details"] = {{"reason", "max_output_tokens"}};
    for (const Block& block : blocks_) response["output"].push_back(item_json(block, true));
    const int64_t prompt = stats_.prompt_n + stats_.cached_n;
    response["usage"] = {{"input_tokens", prompt},
                         {"input_tokens_details", {{"cached_tokens", stats_.cached_n}}},
                         {"output_tokens", n_predicted_},
                         {"output_tokens_details", {{"reasoning_tokens", 0}}},
                         {"total_tokens", prompt + n_predicted_}};
    response["timings"] = timings_;
    return response;
  }

  const std::string id_;
  const Json echoed_;
  int64_t n_events_ = 0;
};

}  // namespace

ResponsesRequest read_responses(const Json& body, const ServedModel& model) {
  const Fields fields(body);
  refuse_unsupported(fields);
  ResponsesRequest request;
  GenerationRequest& generation = request.chat.generation;
  generation = read_generation_request(fields, model);
  generation.n = 1;
  if (const auto n = fields.integer("max_output_tokens", 1, int64_t{1} << 40)) generation.params.n_predict = *n;
  if (const auto text = fields.object("text")) {
    if (const auto format = text->object("format")) generation.params.grammar = read_format(*format);
  }
  Json variables = Json::object();
  if (const auto reasoning = fields.object("reasoning")) set_effort(variables, *reasoning, "effort");
  render_chat(request.chat, read_conversation(fields), read_tools(fields), fields, model, variables);
  for (const char* name : {"instructions", "max_output_tokens", "metadata", "reasoning", "text", "user"}) {
    request.echoed[name] = or_null(fields.find(name));
  }
  if (request.echoed["metadata"].is_null()) request.echoed["metadata"] = Json::object();
  if (request.echoed["text"].is_null()) request.echoed["text"] = {{"format", {{"type", "text"}}}};
  request.echoed["parallel_tool_calls"] = fields.boolean("parallel_tool_calls").value_or(true);
  request.echoed["previous_response_id"] = nullptr;
  request.echoed["tool_choice"] = fields.has("tool_choice") ? *fields.find("tool_choice") : Json("auto");
  request.echoed["tools"] = fields.has("tools") ? *fields.find("tools") : Json::array();
  request.echoed["truncation"] = "disabled";
  return request;
}

std::unique_ptr<Reply> responses_reply(const ResponsesRequest& request, const ServedModel& model) {
  return std::make_unique<ResponsesReply>(request, model);
}

}  // namespace nextn::api
