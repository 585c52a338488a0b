// What the masks of a grammar cost: grammar_bench [TOKENS]
//
// TOKENS is a file with one token a line, in hexadecimal; without it 248k tokens are made up that are shaped like a
// byte-level BPE's. For each grammar, texts are made by random allowed tokens (the first one as a model would write it,
// token by token the longest that fits), and each mask is timed twice: where its nodes are met for the first time, and
// again with what a grammar remembers of them, in a new matcher.
#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "api/tool_call_grammar.h"
#include "base/clock.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/matcher.h"
#include "grammar/regex.h"

namespace {

using namespace nextn::grammar;
using nextn::ms_since, nextn::Clock;

// Bytes, words with and without a space before them, capitals, punctuation with indentation, other scripts whole and
// cut.
std::vector<std::string> made_up_tokens(size_t n) {
  std::mt19937 random(1);
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; byte++) tokens.emplace_back(1, static_cast<char>(byte));
  const std::string letters = "etaoinshrdlucmfwypvbgkjqxz", marks = "\"{}[]():;,.<>=+-*/\\'`!?#$%&@^|~_";
  const auto letter = [&] { return letters[std::min(random() % 26, random() % 26)]; };
  while (tokens.size() < n) {
    std::string token;
    const unsigned kind = random() % 100;
    if (kind < 58) {
      if (random() % 2 == 0) token += ' ';
      for (size_t length = 2 + random() % 9; length > 0; length--) token += letter();
      if (random() % 4 == 0) token[token[0] == ' '] = static_cast<char>(token[token[0] == ' '] - 32);
    } else if (kind < 68) {
      for (size_t length = 1 + random() % 4; length > 0; length--) token += marks[random() % marks.size()];
      if (random() % 3 == 0) token += std::string(random() % 3, '\n') + std::string(random() % 24, ' ');
      if (random() % 3 == 0) token += letter();
    } else {
      const char32_t base = kind < 80 ? 0x4E00 : kind < 90 ? 0x430 : 0xAC00;
      const char32_t size = kind < 80 ? 0x5000 : kind < 90 ? 32 : 0x2B00;
      for (size_t length = 1 + random() % 4; length > 0; length--)
        append_utf8(base + static_cast<char32_t>(random() % size), token);
      if (random() % 16 == 0) token.pop_back();
    }
    tokens.push_back(token);
  }
  return tokens;
}

std::vector<std::string> tokens_of_file(const char* name) {
  std::vector<std::string> tokens;
  std::ifstream file(name);
  for (std::string line; std::getline(file, line);) {
    std::string& token = tokens.emplace_back();
    for (size_t i = 0; i + 1 < line.size(); i += 2)
      token += static_cast<char>(std::stoi(line.substr(i, 2), nullptr, 16));
  }
  return tokens;
}

struct Times {
  std::vector<double> ms;
  double at(double q) const { return ms[static_cast<size_t>(q * static_cast<double>(ms.size() - 1))]; }
  double mean() const {
    double sum = 0;
    for (double x : ms) sum += x;
    return sum / static_cast<double>(ms.size());
  }
  void print(const char* what) {
    std::ranges::sort(ms);
    fmt::print("  {:<10} {:5} masks   mean {:7.3f} ms   median {:7.3f}   p99 {:7.3f}   max {:7.3f}\n", what, ms.size(),
               mean(), at(0.5), at(0.99), at(1));
  }
};

// Random tokens, one in three of them what closes something, so that the text ends.
std::vector<int32_t> random_text(const std::shared_ptr<const Grammar>& grammar,
                                 const std::shared_ptr<const TokenTrie>& trie, std::mt19937& random, Times& times) {
  Matcher matcher(grammar, trie);
  std::vector<uint32_t> bits(matcher.mask_words());
  std::vector<int32_t> text, ids;
  for (int step = 0; step < 150; step++) {
    const auto start = Clock::now();
    const bool may_end = matcher.mask(bits);
    times.ms.push_back(ms_since(start));
    ids.clear();
    for (int32_t id = 0; id < trie->n_vocab(); id++)
      if (bits[static_cast<size_t>(id) / 32] >> id % 32 & 1) ids.push_back(id);
    if (ids.empty() || (may_end && random() % 4 == 0)) break;
    std::vector<int32_t> closing;
    for (int32_t id : ids)
      if (trie->bytes(id).find_first_of("\"}],") != std::string_view::npos) closing.push_back(id);
    const auto& from = !closing.empty() && random() % 3 == 0 ? closing : ids;
    text.push_back(from[random() % from.size()]);
    matcher.accept(text.back());
  }
  return text;
}

void measure(const char* name, const std::shared_ptr<const Grammar>& grammar, double compile_ms,
             const std::shared_ptr<const TokenTrie>& trie) {
  fmt::print("{}: compiled in {:.2f} ms, {} nodes\n", name, compile_ms, grammar->automaton().n_nodes());
  std::mt19937 random(7);
  Times first, again, accept;
  std::vector<std::vector<int32_t>> texts;
  for (int i = 0; i < 8; i++) texts.push_back(random_text(grammar, trie, random, first));
  for (const auto& text : texts) {
    Matcher matcher(grammar, trie);
    std::vector<uint32_t> bits(matcher.mask_words());
    for (int32_t id : text) {
      auto start = Clock::now();
      matcher.mask(bits);
      again.ms.push_back(ms_since(start));
      start = Clock::now();
      matcher.accept(id);
      accept.ms.push_back(ms_since(start));
    }
  }
  first.print("first");
  if (again.ms.empty()) return;
  again.print("again");
  accept.print("accept");
}

constexpr const char* kSchema = R"({
  "type": "object",
  "properties": {
    "name": {"type": "string"},
    "summary": {"type": "string", "maxLength": 500},
    "age": {"type": "integer", "minimum": 0, "maximum": 150},
    "kind": {"enum": ["person", "company", "other"]},
    "score": {"type": "number"},
    "since": {"type": "string", "format": "date-time"},
    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 20},
    "address": {"type": "object", "properties": {"street": {"type": "string"}, "zip": {"type": "string", "pattern": "^\\d{5}$"}},
                "required": ["street", "zip"], "additionalProperties": false},
    "children": {"type": "array", "items": {"$ref": "#"}}
  },
  "required": ["name", "kind", "address"],
  "additionalProperties": false
})";

// Tools with a text, a text of bounded length, a list of texts, a choice and a number each.
nextn::api::ToolUse make_tools(int n) {
  using Json = nextn::api::Json;
  nextn::api::ToolUse use;
  use.tools = Json::array();
  for (int i = 0; i < n; i++) {
    const Json properties = Json::parse(R"({"path": {"type": "string"}, "title": {"type": "string", "maxLength": 200},
        "tags": {"type": "array", "items": {"type": "string"}}, "mode": {"type": "string", "enum": ["read", "write"]},
        "count": {"type": "integer"}})");
    const Json parameters = {{"type", "object"}, {"properties", properties}, {"required", {"path", "title"}}};
    use.tools.push_back({{"function", {{"name", fmt::format("tool_{}", i)}, {"parameters", parameters}}}});
  }
  return use;
}

// Qwen3.5's way, as far as it matters here.
constexpr const char* kXmlCalls = "{% for m in messages %}{{ '<tool_call>\n<function=open>\n' }}{% endfor %}";

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> tokens = argc > 1 ? tokens_of_file(argv[1]) : made_up_tokens(248'320);
  auto start = Clock::now();
  const auto trie = std::make_shared<const TokenTrie>(tokens);
  fmt::print("{} tokens, a tree of {} places made in {:.0f} ms\n", tokens.size(), trie->n_places(), ms_since(start));
  const auto run = [&](const char* name, auto&& make) {
    start = Clock::now();
    const std::shared_ptr<const Grammar> grammar = make();
    measure(name, grammar, ms_since(start), trie);
  };
  run("json_object", [] { return json_object_grammar(); });
  run("json_schema", [] { return parse_json_schema(nlohmann::ordered_json::parse(kSchema)); });
  run("string of at most 5000", [] { return parse_json_schema({{"type", "string"}, {"maxLength", 5000}}); });
  run("regex .*", [] { return parse_regex(".*"); });
  run("very ambiguous gbnf",
      [] { return parse_gbnf("root ::= [a-z ] root [a-z ] | [a-e] root [c-h] | [ c] root [c-h] | [a-z ]"); });
  const nextn::CallLayout xml = nextn::call_layout_of(nextn::ChatTemplate(kXmlCalls, "", ""));
  const nextn::CallLayout hermes = nextn::call_layout_of(nextn::ChatTemplate("", "", ""));
  run("calls of 30 tools in XML", [&] { return nextn::api::tool_call_grammar(make_tools(30), xml, false); });
  run("calls of 30 tools in JSON", [&] { return nextn::api::tool_call_grammar(make_tools(30), hermes, false); });
  run("gbnf of JSON", [] {
    return parse_gbnf(R"gbnf(
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws (string ":" ws value ("," ws string ":" ws value)*)? "}" ws
array  ::= "[" ws (value ("," ws value)*)? "]" ws
string ::= "\"" ([^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}))* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws     ::= | " " | "\n" [ \t]{0,20}
)gbnf");
  });
}
