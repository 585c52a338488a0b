#include "grammar/forbidden_texts.h"

#include <algorithm>
#include <string>

#include "base/error.h"

namespace nextn::grammar {

// The state of a text is its longest end that is the beginning of a forbidden one.
ForbiddenTexts::ForbiddenTexts(const std::vector<std::string_view>& texts) {
  std::vector<std::string_view> beginnings{""};
  for (const std::string_view text : texts) {
    NEXTN_CHECK(!text.empty());
    for (size_t n = 1; n < text.size(); n++) {
      if (std::ranges::find(beginnings, text.substr(0, n)) == beginnings.end()) beginnings.push_back(text.substr(0, n));
    }
  }
  const auto state_of = [&](std::string_view seen) {
    for (;; seen.remove_prefix(1)) {
      if (std::ranges::find(texts, seen) != texts.end()) return kFound;
      const auto found = std::ranges::find(beginnings, seen);
      if (found != beginnings.end()) return static_cast<int32_t>(found - beginnings.begin());
    }
  };
  for (const std::string_view beginning : beginnings) {
    std::string seen(beginning);
    seen += '\0';
    auto& row = next_.emplace_back();
    for (size_t byte = 0; byte < 256; byte++) {
      seen.back() = static_cast<char>(byte);
      row[byte] = state_of(seen);
    }
  }
}

}  // namespace nextn::grammar
