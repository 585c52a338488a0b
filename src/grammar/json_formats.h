// What the `format` of a JSON Schema means here, as regular expressions of the whole string.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace nextn::grammar {

// date, time, date-time, duration, uuid, ipv4, ipv6, email, hostname, uri; nothing for others.
std::optional<std::string> pattern_of_format(std::string_view format);
std::string known_formats();  // "date, time, ..."

}  // namespace nextn::grammar
