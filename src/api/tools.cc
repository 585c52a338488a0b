#include "api/tools.h"

#include <algorithm>

namespace nextn::api {

namespace {

bool has_tool(const Json& tools, const std::string& name) {
  return std::ranges::any_of(tools, [&](const Json& tool) { return tool["function"]["name"] == name; });
}

// {"type": "function", "function": {"name"}}, or the name beside the type.
std::string name_of(const Fields& choice) {
  const auto function = choice.object("function");
  const Fields& fields = function ? *function : choice;
  const auto name = fields.string("name");
  if (!name) fail(ErrorCode::kRequest, "{}: expected the name of a function, found none", fields.path("name"));
  return *name;
}

// {"mode": "auto" | "required", "tools"}: the tools of this list alone.
void allow_tools(const Fields& allowed, ToolUse& use) {
  const std::string mode = allowed.string("mode").value_or("");
  if (mode != "auto" && mode != "required") {
    fail(ErrorCode::kRequest, "{}: expected auto or required, found '{}'", allowed.path("mode"), mode);
  }
  const Json* const list = allowed.find("tools");
  if (list == nullptr || !list->is_array()) {
    fail(ErrorCode::kRequest, "{}: expected an array of functions", allowed.path("tools"));
  }
  std::vector<std::string> names;
  for (size_t i = 0; i < list->size(); i++) {
    const std::string at = fmt::format("{}[{}]", allowed.path("tools"), i);
    if (!(*list)[i].is_object()) fail(ErrorCode::kRequest, "{}: expected a function, found {}", at, shown((*list)[i]));
    names.push_back(name_of(Fields((*list)[i], at)));
    if (!has_tool(use.tools, names.back())) {
      fail(ErrorCode::kRequest, "{}: expected the name of one of the tools, found '{}'", at, names.back());
    }
  }
  Json kept = Json::array();
  for (Json& tool : use.tools) {
    if (std::ranges::find(names, tool["function"]["name"].get_ref<const std::string&>()) != names.end())
      kept.push_back(std::move(tool));
  }
  use.tools = kept.empty() ? Json(nullptr) : std::move(kept);
  use.required = mode == "required";
}

}  // namespace

Json read_tool_list(const Fields& body, const std::function<Json(const Fields& tool)>& function_of) {
  const Json* const given = body.find("tools");
  if (given == nullptr) return nullptr;
  if (!given->is_array()) body.refuse("tools", "an array of tools", *given);
  Json tools = Json::array();
  for (size_t i = 0; i < given->size(); i++) {
    const std::string at = fmt::format("tools[{}]", i);
    const Json& tool = (*given)[i];
    if (!tool.is_object()) fail(ErrorCode::kRequest, "{}: expected a tool, found {}", at, shown(tool));
    tools.push_back({{"type", "function"}, {"function", function_of(Fields(tool, at))}});
  }
  return tools.empty() ? Json(nullptr) : tools;
}

Json function_json(const Fields& tool, const std::optional<Fields>& parameters) {
  const std::optional<std::string> name = tool.string("name");
  if (!name) fail(ErrorCode::kRequest, "{}: expected a name, found none", tool.path("name"));
  Json function = {{"name", *name}};
  if (const auto description = tool.string("description")) function["description"] = *description;
  if (parameters) function["parameters"] = parameters->json();
  return function;
}

ToolUse read_tool_choice(const Fields& body, Json tools) {
  ToolUse use;
  use.tools = std::move(tools);
  use.parallel = body.boolean("parallel_tool_calls").value_or(true);
  const Json* const choice = body.find("tool_choice");
  if (choice == nullptr || *choice == "auto") return use;
  if (*choice == "none") {
    use.tools = nullptr;
    return use;
  }
  if (*choice == "required") {
    use.required = true;
  } else if (choice->is_object()) {
    const Fields fields(*choice, "tool_choice");
    const std::string type = fields.string("type").value_or("");
    if (type == "function") {
      use.required = true;
      use.name = name_of(fields);
    } else if (type == "allowed_tools") {
      const auto inner = fields.object("allowed_tools");
      allow_tools(inner ? *inner : fields, use);
    } else {
      fail(ErrorCode::kRequest, "tool_choice.type: expected function or allowed_tools, found '{}'", type);
    }
  } else {
    body.refuse("tool_choice", "none, auto, required or a function", *choice);
  }
  check_tool_use(use, "tool_choice");
  return use;
}

void check_tool_use(const ToolUse& use, const std::string& field) {
  if (!use.required) return;
  if (use.tools.is_null()) fail(ErrorCode::kRequest, "{}: expected tools to call, found none", field);
  if (!use.name.empty() && !has_tool(use.tools, use.name)) {
    fail(ErrorCode::kRequest, "{}: expected the name of one of the tools, found '{}'", field, use.name);
  }
}

}  // namespace nextn::api
