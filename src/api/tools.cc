#include "api/tools.h"

namespace nextn::api {

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

}  // namespace nextn::api
