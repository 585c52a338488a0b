#include "grammar/json_text.h"

#include <algorithm>

#include "base/error.h"

namespace nextn::grammar {

namespace {

constexpr int kMaxConstantDepth = 64;
constexpr size_t kMaxKey = 300;  // characters of a key that others must differ from

const CodePointSet& plain_chars() {
  static const CodePointSet set = CodePointSet{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}.complement();
  return set;
}

std::string escaped(char32_t c) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
  }
}

ByteSet bytes_of(std::string_view text) {
  ByteSet set;
  for (char c : text) set.add(static_cast<uint8_t>(c));
  return set;
}

}  // namespace

Expr JsonText::rule(std::optional<RuleId>& id, const char* name, Expr (JsonText::*body)()) {
  if (!id) {
    id = b_.declare(name);
    b_.define(*id, (this->*body)());
  }
  return b_.call(*id);
}

Expr JsonText::value() {
  return rule(value_, "a JSON value", &JsonText::any_value);
}
Expr JsonText::object() {
  return rule(object_, "a JSON object", &JsonText::any_object);
}
Expr JsonText::array() {
  return rule(array_, "a JSON array", &JsonText::any_array);
}
Expr JsonText::string() {
  return rule(string_, "a JSON string", &JsonText::any_string);
}
Expr JsonText::number() {
  return rule(number_, "a JSON number", &JsonText::any_number);
}
Expr JsonText::space() {
  return rule(space_, "whitespace", &JsonText::any_space);
}

Expr JsonText::bare() {
  return rule(bare_, "text", &JsonText::any_bare);
}

Expr JsonText::any_value() {
  return b_.choice({object(), array(), string(), number(), boolean(), null()});
}

Expr JsonText::any_object() {
  const Expr one = member(string(), value());
  return braces(b_.optional(b_.sequence({one, b_.repeat(b_.sequence({comma(), one}), 0, kUnbounded)})));
}

Expr JsonText::any_array() {
  const Expr one = value();
  return brackets(b_.optional(b_.sequence({one, b_.repeat(b_.sequence({comma(), one}), 0, kUnbounded)})));
}

Expr JsonText::any_string() {
  return quoted(b_.repeat(character(), 0, kUnbounded));
}

Expr JsonText::any_space() {
  const Expr indent = b_.choice({b_.repeat(b_.literal(" "), 0, kMaxSpaces), b_.repeat(b_.literal("\t"), 0, kMaxTabs)});
  return b_.optional(b_.choice({b_.literal(" "), b_.sequence({b_.literal("\n"), indent})}));
}

Expr JsonText::any_number() {
  const Expr digit = b_.bytes(ByteSet('0', '9'));
  const Expr fraction = b_.sequence({b_.literal("."), b_.repeat(digit, 1, kMaxFraction)});
  // 10^18 times 10^289 is the largest that is written.
  const Expr up = b_.choice({b_.repeat(digit, 1, 2), b_.sequence({b_.literal("1"), digit, digit}),
                             b_.sequence({b_.literal("2"), b_.bytes(ByteSet('0', '8')), digit})});
  const Expr down = b_.sequence({b_.literal("-"), b_.repeat(digit, 1, 3)});
  const Expr exponent =
      b_.sequence({b_.bytes(bytes_of("eE")), b_.choice({b_.sequence({b_.optional(b_.literal("+")), up}), down})});
  return b_.sequence({integer(), b_.optional(fraction), b_.optional(exponent)});
}

Expr JsonText::integer() {
  const Expr rest = b_.repeat(b_.bytes(ByteSet('0', '9')), 0, kMaxDigits - 1);
  return b_.sequence(
      {b_.optional(b_.literal("-")), b_.choice({b_.literal("0"), b_.sequence({b_.bytes(ByteSet('1', '9')), rest})})});
}

Expr JsonText::character() {
  const Expr hex = b_.bytes(bytes_of("0123456789abcdefABCDEF"));
  const Expr no_surrogate = b_.choice({b_.sequence({b_.bytes(bytes_of("0123456789abcefABCEF")), hex, hex, hex}),
                                       b_.sequence({b_.bytes(bytes_of("dD")), b_.bytes(ByteSet('0', '7')), hex, hex})});
  const Expr pair = b_.sequence({b_.bytes(bytes_of("dD")), b_.bytes(bytes_of("89abAB")), hex, hex, b_.literal("\\u"),
                                 b_.bytes(bytes_of("dD")), b_.bytes(bytes_of("cdefCDEF")), hex, hex});
  const Expr unicode = b_.sequence({b_.literal("u"), b_.choice({no_surrogate, pair})});
  const Expr escape = b_.sequence({b_.literal("\\"), b_.choice({b_.bytes(bytes_of("\"\\/bfnrt")), unicode})});
  return b_.choice({b_.chars(plain_chars()), escape});
}

Expr JsonText::chars(const CodePointSet& set) {
  std::vector<Expr> any{b_.chars(set.within(plain_chars()))};
  const CodePointSet special = set.without(plain_chars());
  for (const auto& [first, last] : special.ranges()) {
    for (char32_t c = first; c <= last; c++) any.push_back(b_.literal(escaped(c)));
  }
  return b_.choice(any);
}

Expr JsonText::any_bare() {
  return allowed(b_.repeat(b_.chars(CodePointSet::all()), 0, kUnbounded));
}

Expr JsonText::allowed(Expr written) {
  return forbidden_.empty() ? written : b_.without(written, forbidden_);
}

Expr JsonText::bounded(int min, int max, bool is_bare) {
  const auto [found, is_new] = bounded_.try_emplace({min, max, is_bare}, -1);
  if (is_new) {
    const Expr content = b_.repeat(is_bare ? b_.chars(CodePointSet::all()) : character(), min, max);
    const Expr whole = is_bare ? content : b_.sequence({b_.literal("\""), content, b_.literal("\"")});
    std::vector<std::string> forbidden = forbidden_;
    if (std::max(min, max) > kLong) {
      for (std::string& text : forbidden) text.resize(std::min(text.size(), kForbiddenStart));
    }
    found->second = b_.declare("a string of some length");
    b_.define(found->second, forbidden.empty() ? whole : b_.without(whole, forbidden));
  }
  return b_.call(found->second);
}

Expr JsonText::quoted(Expr content) {
  return allowed(b_.sequence({b_.literal("\""), content, b_.literal("\"")}));
}

Expr JsonText::quoted_text(std::string_view text) {
  std::string written = "\"";
  for (size_t at = 0; at < text.size();) {
    const auto c = next_code_point(text, at);
    if (!c) fail(ErrorCode::kRequest, "{}: expected strings in UTF-8, found one that is not", b_.what());
    if (plain_chars().contains(*c)) {
      append_utf8(*c, written);
    } else {
      written += escaped(*c);
    }
  }
  return allowed(b_.literal(written + "\""));
}

Expr JsonText::any_rest() {
  return b_.repeat(chars(CodePointSet::all()), 0, kUnbounded);
}

// The texts as a tree of characters: a string differs from all of them where it leaves the tree, or ends inside of it.
Expr JsonText::string_except(const std::vector<std::string>& texts) {
  struct Branch {
    std::map<char32_t, Branch> next;
    bool is_text = false;
  };
  Branch root;
  for (const std::string& text : texts) {
    Branch* branch = &root;
    size_t n = 0;
    for (size_t at = 0; at < text.size(); n++) {
      const auto c = next_code_point(text, at);
      if (!c) fail(ErrorCode::kRequest, "{}: expected keys in UTF-8, found one that is not", b_.what());
      branch = &branch->next[*c];
    }
    if (n > kMaxKey)
      fail(ErrorCode::kRequest, "{}: expected keys of at most {} characters, found {}", b_.what(), kMaxKey, n);
    branch->is_text = true;
  }
  // `without` calls no rules.
  const Expr rest = forbidden_.empty() ? rule(rest_, "the rest of a key", &JsonText::any_rest) : any_rest();
  const auto differs = [&](auto&& self, const Branch& branch) -> Expr {
    std::vector<Expr> any;
    CodePointSet taken;
    for (const auto& [c, next] : branch.next) {
      taken.add(c);
      any.push_back(b_.sequence({chars({{c, c}}), self(self, next)}));
    }
    any.push_back(b_.sequence({chars(taken.complement()), rest}));
    if (!branch.is_text) any.push_back(b_.empty());
    return b_.choice(any);
  };
  return quoted(differs(differs, root));
}

Expr JsonText::constant(const nlohmann::ordered_json& value, int depth) {
  if (depth > kMaxConstantDepth)
    fail(ErrorCode::kRequest, "{}: expected constants of at most {} levels, found more", b_.what(), kMaxConstantDepth);
  if (value.is_string()) return quoted_text(value.get_ref<const std::string&>());
  if (value.is_object()) {
    std::vector<GrammarBuilder::Item> all;
    for (const auto& [key, element] : value.items())
      all.push_back({member(quoted_text(key), constant(element, depth + 1)), true});
    return braces(members(all));
  }
  if (value.is_array()) {
    std::vector<GrammarBuilder::Item> all;
    for (const auto& element : value) all.push_back({constant(element, depth + 1), true});
    return brackets(members(all));
  }
  return b_.literal(value.dump());
}

Expr JsonText::member(Expr key, Expr value) {
  return b_.sequence({key, b_.literal(":"), b_.optional(b_.literal(" ")), value});
}

Expr JsonText::braces(Expr members) {
  return b_.sequence({b_.literal("{"), space(), members, space(), b_.literal("}")});
}

Expr JsonText::brackets(Expr elements) {
  return b_.sequence({b_.literal("["), space(), elements, space(), b_.literal("]")});
}

Expr JsonText::comma() {
  return b_.sequence({b_.literal(","), space()});
}

Expr JsonText::members(const std::vector<GrammarBuilder::Item>& members) {
  return b_.separated(comma(), members);
}

}  // namespace nextn::grammar
