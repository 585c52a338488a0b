#include "grammar/json_formats.h"

#include <utility>
#include <vector>

namespace nextn::grammar {

namespace {

// RFC 3339, from the year 1000 on. The 29th of February in leap years alone; no leap seconds.
const std::string kDate =
    "(?:[1-9]\\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|"
    "02-(?:0[1-9]|1\\d|2[0-8]))|"
    "(?:[1-9]\\d(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)-02-29)";
const std::string kTime = "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)";

const std::string kByte = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const std::string kIpv4 = kByte + "(?:\\." + kByte + "){3}";

// RFC 4291: eight groups, or fewer around one ::.
std::string ipv6() {
  const std::string group = "[0-9a-fA-F]{1,4}";
  std::string any = "(?:" + group + ":){7}" + group;
  for (int before = 0; before <= 7; before++) {
    const std::string head = before == 0 ? "" : "(?:" + group + ":){" + std::to_string(before - 1) + "}" + group;
    const int after = 7 - before;
    any += "|" + head + "::";
    if (after > 0) any += "(?:" + group + "(?::" + group + "){0," + std::to_string(after - 1) + "})?";
  }
  return "(?:" + any + ")";
}

const std::string kLabel = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
const std::string kHostname = kLabel + "(?:\\." + kLabel + "){0,7}";
const std::string kAtom = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,32}";
const std::string kUriChar = "(?:[a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2})";

const std::vector<std::pair<std::string, std::string>>& formats() {
  static const std::vector<std::pair<std::string, std::string>> all = {
      {"date", kDate},
      {"time", kTime},
      {"date-time", kDate + "T" + kTime},
      {"duration",
       "P(?:\\d{1,9}W|(?:\\d{1,9}Y(?:\\d{1,9}M(?:\\d{1,9}D)?)?|\\d{1,9}M(?:\\d{1,9}D)?|\\d{1,9}D)"
       "(?:T(?:\\d{1,9}H(?:\\d{1,9}M(?:\\d{1,9}S)?)?|\\d{1,9}M(?:\\d{1,9}S)?|\\d{1,9}S))?|"
       "T(?:\\d{1,9}H(?:\\d{1,9}M(?:\\d{1,9}S)?)?|\\d{1,9}M(?:\\d{1,9}S)?|\\d{1,9}S))"},
      {"uuid", "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"},
      {"ipv4", kIpv4},
      {"ipv6", ipv6()},
      {"email", kAtom + "(?:\\." + kAtom + "){0,3}@" + kHostname},
      {"hostname", kHostname},
      {"uri", "[a-zA-Z][a-zA-Z0-9+.-]{0,31}:(?://" + kUriChar + "{1,127})?(?:/" + kUriChar +
                  "{0,127}){0,8}(?:\\?(?:" + kUriChar + "|[/?]){0,255})?(?:#(?:" + kUriChar + "|[/?]){0,127})?"},
  };
  return all;
}

}  // namespace

std::optional<std::string> pattern_of_format(std::string_view format) {
  for (const auto& [name, pattern] : formats())
    if (name == format) return pattern;
  return {};
}

std::string known_formats() {
  std::string names;
  for (const auto& [name, pattern] : formats()) names += (names.empty() ? "" : ", ") + name;
  return names;
}

}  // namespace nextn::grammar
