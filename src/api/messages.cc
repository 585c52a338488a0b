#include "api/messages.h"

#include "api/block_reply.h"
#include "api/tools.h"

namespace nextn::api {

namespace {

// ------------------------------------------------------------------------------------------------ the request

// The text of a string, or of blocks of text.
std::string text_of(const Json& content, const std::string& path) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) {
    fail(ErrorCode::kRequest, "{}: expected text or blocks of text, found {}", path, shown(content));
  }
  std::string text;
  for (size_t i = 0; i < content.size(); i++) {
    const Json& block = content[i];
    if (!block.is_object() || block.value("type", Json()) != "text" || !block.contains("text") ||
        !block["text"].is_string()) {
      fail(ErrorCode::kRequest, "{}[{}]: expected a block of text", path, i);
    }
    text += block["text"].get<std::string>();
  }
  return text;
}

Json call_of(const Fields& block) {
  const Json* const input = block.find("input");
  return {{"id", block.string("id").value_or("")},
          {"type", "function"},
          {"function",
           {{"name", block.string("name").value_or("")}, {"arguments", input == nullptr ? "{}" : to_text(*input)}}}};
}

// One message in blocks becomes one of OpenAI's, and one before it for each result of a call.
void add_blocks(Json& messages, const std::string& role, const Json& blocks, const std::string& path) {
  Json message = {{"role", role}, {"content", ""}};
  std::string text, reasoning;
  bool says = false;
  for (size_t i = 0; i < blocks.size(); i++) {
    const std::string at = fmt::format("{}[{}]", path, i);
    if (!blocks[i].is_object()) fail(ErrorCode::kRequest, "{}: expected a block, found {}", at, shown(blocks[i]));
    const Fields block(blocks[i], at);
    const std::string type = block.string("type").value_or("");
    if (type == "text") {
      text += block.string("text").value_or("");
      says = true;
    } else if (type == "thinking") {
      reasoning += block.string("thinking").value_or("");
    } else if (type == "redacted_thinking") {
      continue;
    } else if (type == "tool_use") {
      message["tool_calls"].push_back(call_of(block));
      says = true;
    } else if (type == "tool_result") {
      const Json* const content = block.find("content");
      messages.push_back({{"role", "tool"},
                          {"tool_call_id", block.string("tool_use_id").value_or("")},
                          {"content", content == nullptr ? "" : text_of(*content, at + ".content")}});
    } else {
      fail(ErrorCode::kRequest, "{}.type: expected text, thinking, tool_use or tool_result, found '{}'", at, type);
    }
  }
  if (!says && reasoning.empty()) return;
  message["content"] = text;
  if (!reasoning.empty()) message["reasoning_content"] = reasoning;
  messages.push_back(std::move(message));
}

Json read_conversation(const Fields& body) {
  Json messages = Json::array();
  if (const Json* const system = body.find("system")) {
    messages.push_back({{"role", "system"}, {"content", text_of(*system, "system")}});
  }
  const Json* const given = body.find("messages");
  if (given == nullptr || !given->is_array() || given->empty()) {
    fail(ErrorCode::kRequest, "messages: expected an array of at least one message");
  }
  for (size_t i = 0; i < given->size(); i++) {
    const std::string at = fmt::format("messages[{}]", i);
    const Json& message = (*given)[i];
    if (!message.is_object()) fail(ErrorCode::kRequest, "{}: expected a message, found {}", at, shown(message));
    const Fields fields(message, at);
    const std::string role = fields.string("role").value_or("");
    if (role != "user" && role != "assistant" && role != "system") {
      fail(ErrorCode::kRequest, "{}.role: expected user or assistant, found '{}'", at, role);
    }
    const Json* const content = fields.find("content");
    if (content != nullptr && content->is_string()) {
      messages.push_back({{"role", role}, {"content", *content}});
    } else if (content != nullptr && content->is_array()) {
      add_blocks(messages, role, *content, at + ".content");
    } else {
      fail(ErrorCode::kRequest, "{}.content: expected text or blocks", at);
    }
  }
  return messages;
}

ToolUse read_tools(const Fields& body) {
  ToolUse use;
  use.tools = read_tool_list(body, [](const Fields& tool) {
    const auto schema = tool.object("input_schema");
    if (!schema) fail(ErrorCode::kRequest, "{}: expected an object, found none", tool.path("input_schema"));
    return function_json(tool, schema);
  });
  if (const auto choice = body.object("tool_choice")) {
    const std::string type = choice->string("type").value_or("auto");
    if (type != "auto" && type != "none" && type != "any" && type != "tool") {
      fail(ErrorCode::kRequest, "tool_choice.type: expected auto, none, any or tool, found '{}'", type);
    }
    if (type == "none") use.tools = nullptr;
    use.required = type == "any" || type == "tool";
    use.parallel = !choice->boolean("disable_parallel_tool_use").value_or(false);
    if (type == "tool") {
      use.name = choice->string("name").value_or("");
      if (use.name.empty()) fail(ErrorCode::kRequest, "tool_choice.name: expected the name of a tool, found none");
    }
    check_tool_use(use, "tool_choice");
  }
  return use;
}

// ------------------------------------------------------------------------------------------------ the answer

class MessagesReply final : public BlockReply {
 public:
  MessagesReply(const ChatRequest& request, const ServedModel& model)
      : BlockReply(request, model), id_(random_id("msg_")) {}

  std::string begin() override {
    Json message = head_json();
    message["content"] = Json::array();
    message["stop_reason"] = nullptr;
    message["stop_sequence"] = nullptr;
    message["usage"] = {{"input_tokens", request_.prompts[0].size()}, {"output_tokens", 0}};
    return event({{"type", "message_start"}, {"message", std::move(message)}});
  }

  std::string end() override {
    return event({{"type", "message_delta"},
                  {"delta", {{"stop_reason", stop_reason()}, {"stop_sequence", stop_sequence()}}},
                  {"usage", usage_json()},
                  {"timings", timings_}}) +
           event({{"type", "message_stop"}});
  }

  std::string body() const override {
    Json message = head_json();
    message["content"] = Json::array();
    for (const Block& block : blocks_) message["content"].push_back(block_json(block));
    message["stop_reason"] = stop_reason();
    message["stop_sequence"] = stop_sequence();
    message["usage"] = usage_json();
    message["timings"] = timings_;
    return to_text(message);
  }

  Json error_body(int status, std::string_view message) const override { return messages_error(status, message); }
  std::string error(int status, std::string_view message) override { return event(messages_error(status, message)); }

 protected:
  std::string open_block() override {
    Json block = {{"type", "text"}, {"text", ""}};
    if (blocks_.back().kind == Block::Kind::kReasoning) {
      block = {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}};
    } else if (blocks_.back().kind == Block::Kind::kCall) {
      block = {
          {"type", "tool_use"}, {"id", blocks_.back().id}, {"name", blocks_.back().name}, {"input", Json::object()}};
    }
    return event({{"type", "content_block_start"}, {"index", index()}, {"content_block", std::move(block)}});
  }

  std::string block_delta(const std::string& text) override {
    Json delta = {{"type", "text_delta"}, {"text", text}};
    if (blocks_.back().kind == Block::Kind::kReasoning) delta = {{"type", "thinking_delta"}, {"thinking", text}};
    if (blocks_.back().kind == Block::Kind::kCall) delta = {{"type", "input_json_delta"}, {"partial_json", text}};
    return event({{"type", "content_block_delta"}, {"index", index()}, {"delta", std::move(delta)}});
  }

  std::string close_block() override { return event({{"type", "content_block_stop"}, {"index", index()}}); }

 private:
  static std::string event(const Json& data) { return sse_event(data, data["type"].get_ref<const std::string&>()); }

  size_t index() const { return blocks_.size() - 1; }

  Json head_json() const { return {{"id", id_}, {"type", "message"}, {"role", "assistant"}, {"model", model_.id}}; }

  static Json block_json(const Block& block) {
    if (block.kind == Block::Kind::kReasoning) {
      return {{"type", "thinking"}, {"thinking", block.text}, {"signature", ""}};
    }
    if (block.kind == Block::Kind::kText) return {{"type", "text"}, {"text", block.text}};
    Json input = parse_chat_json(block.text);
    if (!input.is_object()) input = Json::object();  // the text's end cut it off, or it is no JSON
    return {{"type", "tool_use"}, {"id", block.id}, {"name", block.name}, {"input", std::move(input)}};
  }

  const char* stop_reason() const {
    if (!stop_.empty()) return "stop_sequence";
    if (end_reason_ == EndReason::kLength || end_reason_ == EndReason::kContext) return "max_tokens";
    return called() ? "tool_use" : "end_turn";
  }

  Json stop_sequence() const { return stop_.empty() ? Json(nullptr) : Json(stop_); }

  Json usage_json() const {
    return {{"input_tokens", stats_.prompt_n},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", stats_.cached_n},
            {"output_tokens", n_predicted_}};
  }

  const std::string id_;
};

const char* error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 500:
      return "api_error";
    case 503:
      return "overloaded_error";
    default:
      return "invalid_request_error";
  }
}

}  // namespace

ChatRequest read_messages(const Json& body, const ServedModel& model) {
  const Fields fields(body);
  ChatRequest request;
  request.generation = read_generation_request(fields, model);
  request.generation.n = 1;
  std::vector<std::string>& stops = request.generation.params.stops;
  stops = fields.strings("stop_sequences", 64);
  for (const std::string& stop : stops) {
    if (stop.empty()) fail(ErrorCode::kRequest, "stop_sequences: expected some text, found none");
  }
  Json variables = Json::object();
  if (const auto thinking = fields.object("thinking")) {
    variables["enable_thinking"] = thinking->string("type").value_or("") != "disabled";
  }
  render_chat(request, read_conversation(fields), read_tools(fields), fields, model, variables);
  return request;
}

std::unique_ptr<Reply> messages_reply(const ChatRequest& request, const ServedModel& model) {
  return std::make_unique<MessagesReply>(request, model);
}

Json messages_error(int status, std::string_view message) {
  return {{"type", "error"}, {"error", {{"type", error_type(status)}, {"message", std::string(message)}}}};
}

}  // namespace nextn::api
