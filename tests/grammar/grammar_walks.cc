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
#include "random_walk.h"

namespace {

using Json = nlohmann::ordered_json;

Json json_of(const std::optional<std::string>& text) {
  return text ? Json(*text) : Json(nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  std::mt19937 random(argc > 1 ? static_cast<unsigned>(std::stoul(argv[1])) : 1);
  const auto trie = nextn::grammar::make_trie();
  for (std::string line; std::getline(std::cin, line);) {
    Json answer;
    try {
      const Json request = Json::parse(line);
      const auto grammar = nextn::grammar::parse_json_schema(request["schema"]);
      answer["walks"] = Json::array();
      for (int i = 0; i < request["walks"].get<int>(); i++)
        answer["walks"].push_back(json_of(nextn::grammar::walk(grammar, trie, random)));
      answer["matches"] = Json::array();
      for (const Json& text : request["texts"])
        answer["matches"].push_back(nextn::grammar::matches(grammar, trie, text.get<std::string>()));
    } catch (const std::exception& e) {
      answer = {{"error", e.what()}};
    }
    std::cout << answer.dump() << "\n";
  }
}
