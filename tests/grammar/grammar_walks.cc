// For check_schemas.py: texts that JSON schemas allow, and whether they allow given texts.
//
//   grammar_walks SEED < LINES      LINES: {"schema": ..., "walks": N, "texts": [...]}
//
// Answers each line with {"walks": [...], "matches": [...]}: N texts, each made of random tokens that the masks allow
// (null where one did not end in time), and for each of the texts whether it is allowed as a whole. Or with
// {"error": ...}, where the schema is refused.
#include <cstdio>
#include <iostream>
#include <random>
#include <string>

#include "base/error.h"
#include "grammar/json_schema.h"
#include "grammar/matcher.h"

namespace {

using nextn::grammar::Grammar;
using nextn::grammar::Matcher;
using nextn::grammar::TokenTrie;
using Json = nlohmann::ordered_json;

constexpr int kCalmDown = 60, kMaxTokens = 600;

std::shared_ptr<const TokenTrie> make_trie() {
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
                           "b\""})
    tokens.emplace_back(text);
  return std::make_shared<const TokenTrie>(tokens);
}

Json walk(const std::shared_ptr<const Grammar>& grammar, const std::shared_ptr<const TokenTrie>& trie,
          std::mt19937& random) {
  Matcher matcher(grammar, trie);
  std::vector<uint32_t> bits(matcher.mask_words());
  std::string text;
  for (int step = 0; step < kMaxTokens; step++) {
    const bool may_end = matcher.mask(bits);
    std::vector<int32_t> ids, closing;
    for (int32_t id = 0; id < trie->n_vocab(); id++) {
      if (!(bits[static_cast<size_t>(id) / 32] >> id % 32 & 1)) continue;
      ids.push_back(id);
      if (id < 256 && std::string_view("\"]},:").find(static_cast<char>(id)) != std::string_view::npos)
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
  return nullptr;
}

bool matches(const std::shared_ptr<const Grammar>& grammar, const std::shared_ptr<const TokenTrie>& trie,
             const std::string& text) {
  Matcher matcher(grammar, trie);
  for (char c : text)
    if (!matcher.accept(static_cast<uint8_t>(c))) return false;
  return matcher.may_end();
}

}  // namespace

int main(int argc, char** argv) {
  std::mt19937 random(argc > 1 ? static_cast<unsigned>(std::stoul(argv[1])) : 1);
  const auto trie = make_trie();
  for (std::string line; std::getline(std::cin, line);) {
    Json answer;
    try {
      const Json request = Json::parse(line);
      const auto grammar = nextn::grammar::parse_json_schema(request["schema"]);
      answer["walks"] = Json::array();
      for (int i = 0; i < request["walks"].get<int>(); i++) answer["walks"].push_back(walk(grammar, trie, random));
      answer["matches"] = Json::array();
      for (const Json& text : request["texts"]) answer["matches"].push_back(matches(grammar, trie, text));
    } catch (const std::exception& e) {
      answer = {{"error", e.what()}};
    }
    std::cout << answer.dump() << "\n";
  }
}
