// Values that a model writes as bare text, between markers and without quotes, as JSON.
#pragma once

#include <string>
#include <string_view>

#include "text/chat/parameter_types.h"

namespace nextn {

// The value as JSON: what it says as JSON, where the type allows that or not even a string; else a string. Python's
// True, False and None are understood where the type names a boolean or null.
std::string value_as_json(const std::string& text, ParameterType type);

// Appends text as it stands between the quotes of a JSON string.
void append_escaped(std::string& out, std::string_view text);

}  // namespace nextn
