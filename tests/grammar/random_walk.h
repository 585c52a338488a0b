// For tests: texts of random tokens that a grammar's masks allow, and whether it allows a given one.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/matcher.h"

namespace nextn::grammar {

inline constexpr int kCalmDown = 60, kMaxTokens = 600;

// All bytes, token b being byte b, then pieces of JSON and of calls.
inline std::shared_ptr<const TokenTrie> make_trie() {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; byte++) tokens.emplace_back(1, static_cast<char>(byte));
  for (const char* text : {"\": ",     "\":\"",
                           "\", \"",   "\"}",
                           "},",       "],",
                           "}]",       ": {",
                           ": [",      "[{",
                           "{\"",      "[\"",
                           "true",     "fal",
                           "se",       "null",
                           "nul",      "12",
                           "0.5",      "1e",
                           "-1",       "00",
                           "\\n",      "\\\"",
                           "\\u00",    "\\ud83d\\ude00",
                           "ab",       "abc",
                           "name",     "\xe4\xb8\xad",
                           "\xe4\xb8", "\xad\xe6",
                           "\xc3\xa9", "\xf0\x9f\x98\x80",
                           "\xf0\x9f", "\x98\x80",
                           " ",        "  ",
                           "\n  ",     "\n    \"",
                           ",\n",      "2024-",
                           "-01-",     "T12:",
                           "@",        ".com",
                           "k1",       "key",
                           "item",     "\"a",
                           "b\"",      "<tool_call>",
                           "<",        "</tool_call>",
                           "\n</",     "</parameter>",
                           "</func",   "\n</parameter>\n",
                           "<para",    "</arg_value>",
                           "meter=",   "</arg_value>\n"})
    tokens.emplace_back(text);
  return std::make_shared<const TokenTrie>(tokens);
}

// Nothing where a text did not end in time; a complaint where a mask and what is accepted differ.
inline std::optional<std::string> walk(const std::shared_ptr<const Grammar>& grammar,
                                       const std::shared_ptr<const TokenTrie>& trie, std::mt19937& random) {
  Matcher matcher(grammar, trie);
  std::vector<uint32_t> bits(matcher.mask_words());
  std::string text;
  for (int step = 0; step < kMaxTokens; step++) {
    const bool may_end = matcher.mask(bits);
    std::vector<int32_t> ids, closing;
    for (int32_t id = 0; id < trie->n_vocab(); id++) {
      if (!(bits[static_cast<size_t>(id) / 32] >> id % 32 & 1)) continue;
      ids.push_back(id);
      if ((id < 256 && std::string_view("\"]},:").find(static_cast<char>(id)) != std::string_view::npos) ||
          trie->bytes(id).starts_with("</") || trie->bytes(id).starts_with("\n</p"))
        closing.push_back(id);
    }
    if (may_end && (ids.empty() || step > kCalmDown || random() % 3 == 0)) return text;
    if (ids.empty()) return "no token is allowed after: " + text;
    const bool close = !closing.empty() && (step > kCalmDown || random() % 4 == 0);
    const auto& from = close ? closing : ids;
    const int32_t id = from[random() % from.size()];
    if (!matcher.accept(id)) return "the mask allowed what accept refused, after: " + text;
    text += trie->bytes(id);
  }
  return std::nullopt;
}

// Whether the grammar's texts have this one, byte by byte.
inline bool matches(const std::shared_ptr<const Grammar>& grammar, const std::shared_ptr<const TokenTrie>& trie,
                    std::string_view text) {
  Matcher matcher(grammar, trie);
  for (const char c : text) {
    if (!matcher.accept(static_cast<uint8_t>(c))) return false;
  }
  return matcher.may_end();
}

}  // namespace nextn::grammar
