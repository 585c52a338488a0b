// JSON as the API speaks it: bodies from clients, bounded and checked; answers and events to them, always UTF-8.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace nextn::api {

using Json = nlohmann::ordered_json;  // templates and schemas see the order in which a client wrote

// A client's JSON object. Throws Error{kRequest} for what is none, is not UTF-8, or is nested deeper than 64 levels.
Json parse_body(std::string_view text);

// On one line; bytes that are not UTF-8 become U+FFFD.
std::string to_text(const Json& json);

// One server-sent event, with a name where the protocol has names.
std::string sse_event(const Json& data, std::string_view name = {});
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";
inline constexpr std::string_view kSseKeepAlive = ": still here\n\n";

// {"error": {"message", "type", "param", "code"}} in OpenAI's form. `param`: the field, where the message begins with
// its name and a colon.
Json error_json(int status, std::string_view message);

// The HTTP status of what went wrong.
int status_of(ErrorCode code) noexcept;

}  // namespace nextn::api
