#include "api/chat_request.h"

#include "api/structured_output.h"
#include "api/tool_call_grammar.h"

namespace nextn::api {

namespace {

constexpr int kMaxLogprobs = 20;

void check_tools(const Fields& fields, const Json& tools) {
  if (!tools.is_array()) fields.refuse("tools", "an array of functions", tools);
  for (size_t i = 0; i < tools.size(); i++) {
    const Json& tool = tools[i];
    const bool right = tool.is_object() && tool.value("type", Json("function")) == "function" &&
                       tool.contains("function") && tool["function"].is_object() && tool["function"].contains("name") &&
                       tool["function"]["name"].is_string();
    if (!right) {
      fail(ErrorCode::kRequest, "tools[{}]: expected {{\"type\": \"function\", \"function\": {{\"name\", ..}}}}", i);
    }
  }
}

ToolUse read_tools(const Fields& fields) {
  const Json* const tools = fields.find("tools");
  if (tools != nullptr) check_tools(fields, *tools);
  return read_tool_choice(fields, tools == nullptr || tools->empty() ? Json(nullptr) : *tools);
}

}  // namespace

void set_effort(Json& variables, const Fields& fields, const char* name) {
  const auto effort = fields.string(name);
  if (!effort) return;
  variables["reasoning_effort"] = *effort;
  if (*effort == "none") variables["enable_thinking"] = false;
}

void render_chat(ChatRequest& request, const Json& messages, const ToolUse& use, const Fields& fields,
                 const ServedModel& model, const Json& variables) {
  ChatOptions options;
  options.tools = use.tools;
  options.variables = model.template_variables;
  options.variables.update(variables);
  set_effort(options.variables, fields, "reasoning_effort");
  if (const auto given = fields.object("chat_template_kwargs")) {
    for (const auto& [name, value] : given->json().items()) options.variables[name] = value;
  }
  options.add_generation_prompt = fields.boolean("add_generation_prompt").value_or(true);
  request.prompt = model.chat_template->render(messages, options);
  request.generation.prompts = {model.tokenizer->encode(request.prompt, false, true)};
  request.format.starts_in_reasoning = ends_in_reasoning(request.prompt);
  request.format.splits_reasoning = fields.string("reasoning_format").value_or("auto") != "none";
  if (request.format.starts_in_reasoning) request.generation.params.grammar_after = "</think>";
  request.format.parse_tools = !use.tools.is_null();
  request.format.tools = use.tools;
  if (!use.required) return;
  GenerateParams& params = request.generation.params;
  if (params.grammar) {
    fail(ErrorCode::kRequest, "tool_choice: expected no response_format or grammar beside a call that must be made");
  }
  params.grammar = tool_call_grammar(use, call_layout_of(*model.chat_template), request.format.starts_in_reasoning);
  request.names_function = !use.name.empty();
}

ChatRequest read_chat(const Json& body, const ServedModel& model) {
  const Fields fields(body);
  ChatRequest request;
  GenerateParams& params = request.generation.params;
  request.generation = read_generation_request(fields, model);
  const Json* const messages = fields.find("messages");
  if (messages == nullptr) fail(ErrorCode::kRequest, "messages: expected an array of at least one message, found none");
  for (const char* name : {"functions", "function_call"}) {
    if (fields.has(name)) fail(ErrorCode::kUnsupported, "{}: not supported, expected tools and tool_choice", name);
  }
  params.grammar = read_grammar(fields);
  if (const auto format = fields.object("response_format"); format && !params.grammar) {
    params.grammar = read_format(*format);
  }
  render_chat(request, *messages, read_tools(fields), fields, model);
  const auto n_top = fields.integer("top_logprobs", 0, kMaxLogprobs);
  if (fields.boolean("logprobs").value_or(false)) {
    params.top_logprobs = static_cast<int>(n_top.value_or(0));
  } else if (n_top.value_or(0) > 0) {
    fail(ErrorCode::kRequest, "top_logprobs: expected logprobs true beside it");
  }
  return request;
}

}  // namespace nextn::api
