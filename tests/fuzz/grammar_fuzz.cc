// Grammars of any text, and texts under them: what the masks allow must be what accept takes.
// Input: g, r or s (GBNF, regular expression, JSON schema), the notation up to a 0 byte, and a text.
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/matcher.h"
#include "grammar/regex.h"

using namespace nextn::grammar;

namespace {

std::shared_ptr<const TokenTrie> make_trie() {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; byte++) tokens.emplace_back(1, static_cast<char>(byte));
  for (const char* token : {"aa", "ab", "abc", "\"a", "a\"", "\":", "{\"", "},", "[1", "\xc3\xa9",
                            "\x98\x80"
                            "a",
                            "  "})
    tokens.emplace_back(token);
  return std::make_shared<const TokenTrie>(tokens);
}

std::shared_ptr<const Grammar> make_grammar(char kind, std::string_view notation) {
  if (kind == 'g') return parse_gbnf(notation);
  if (kind == 'r') return parse_regex(notation);
  return parse_json_schema(nlohmann::ordered_json::parse(notation));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto trie = make_trie();
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty() || input.size() > 2000) return 0;
  const size_t end = std::min(input.find('\0'), input.size());
  try {
    const auto grammar = make_grammar(input[0], input.substr(1, end - 1));
    Matcher matcher(grammar, trie);
    std::vector<uint32_t> bits(matcher.mask_words());
    std::string_view text = input.substr(end).substr(end < input.size()).substr(0, 40);
    for (char c : text) {
      matcher.mask(bits);
      for (int32_t id = 0; id < trie->n_vocab(); id++) {
        const auto checkpoint = matcher.mark();
        const bool accepted = matcher.accept(id);
        matcher.rewind(checkpoint);
        // An ambiguous grammar may exhaust the work of a mask, not the other way round.
        const bool allowed = bits[static_cast<size_t>(id) / 32] >> id % 32 & 1;
        if (allowed != accepted) std::abort();
      }
      matcher.forced();
      if (!matcher.accept(static_cast<uint8_t>(c))) break;
    }
  } catch (const nextn::Error&) {
  } catch (const nlohmann::json::exception&) {
  }
  return 0;
}
