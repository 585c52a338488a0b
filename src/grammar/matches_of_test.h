// For tests: a vocabulary whose tokens cut symbols and characters in the middle, and whether a grammar takes a text.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "grammar/matcher.h"

namespace nextn::grammar {

inline constexpr int32_t kUnusedToken = 256;

// All bytes first, token b being byte b; then pieces of texts, some of them as two tokens.
inline std::vector<std::string> small_vocabulary() {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; byte++) tokens.emplace_back(1, static_cast<char>(byte));
  tokens.emplace_back();
  const std::string texts[] = {"{\"a\": [1, 2.5e3, \"x\\n\u00e9\u4e2d\U0001F600\"], \"bc\": null}",
                               "aabbccab, \"abc\": abcabc",
                               "((a+b)*c)",
                               "\u4e2d\u6587\u00e9\u00e8 \u4e2d\u56fd\u2028\u2029 a\u4e2d\u6587\u5b57",
                               "true false",
                               "a\na\n  a",
                               "2024-02-29T00:00:00Z"};
  for (const std::string& text : texts) {
    for (size_t length : {2u, 3u, 5u, 8u})
      for (size_t i = 0; i + length <= text.size(); i += length > 3 ? 2 : 1) tokens.push_back(text.substr(i, length));
  }
  tokens.push_back(tokens.back());
  return tokens;
}

inline std::shared_ptr<const TokenTrie> small_trie() {
  static const auto trie = std::make_shared<const TokenTrie>(small_vocabulary());
  return trie;
}

inline bool matches(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
  Matcher matcher(grammar, small_trie());
  for (char c : text)
    if (!matcher.accept(static_cast<uint8_t>(c))) return false;
  return matcher.may_end();
}

// The message of the Error{kRequest} that f throws.
template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kRequest);
    return e.what();
  }
  return "nothing was thrown";
}

}  // namespace nextn::grammar
