// Functions that a model may call, as protocols other than chat completions list them.
#pragma once

#include <functional>

#include "api/fields.h"

namespace nextn::api {

// `tools` of the body in the form of chat completions; null where there is nothing. function_of gives {"name",
// "description", "parameters"} of one of them, or refuses it. Throws Error{kRequest}.
Json read_tool_list(const Fields& body, const std::function<Json(const Fields& tool)>& function_of);

// name and description of a tool, and `parameters` where they are given. Throws Error{kRequest} for a tool without a
// name.
Json function_json(const Fields& tool, const std::optional<Fields>& parameters);

}  // namespace nextn::api
