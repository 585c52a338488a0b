#include "grammar/gbnf.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "grammar/builder.h"
#include "grammar/text_cursor.h"

namespace nextn::grammar {

namespace {

constexpr int kMaxDepth = 100;         // of parentheses
constexpr int kMaxRepeat = 100'000;    // in { }
constexpr size_t kMaxBytes = 1 << 20;  // of the notation

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : in_("gbnf", text, TextCursor::Place::kLine), builder_("gbnf") {
    if (text.size() > kMaxBytes)
      fail(ErrorCode::kRequest, "gbnf: expected at most {} bytes, found {}", kMaxBytes, text.size());
  }

  std::shared_ptr<const Grammar> run() {
    for (space(true); !in_.at_end(); space(true)) rule();
    for (const auto& [name, rule] : rules_) {
      if (!rule.is_defined)
        fail(ErrorCode::kRequest, "gbnf: line {}: expected a rule {}, found none", rule.line, shown(name));
    }
    const auto root = rules_.find("root");
    if (root == rules_.end()) fail(ErrorCode::kRequest, "gbnf: expected a rule root, found none");
    return builder_.build(root->second.id);
  }

 private:
  struct Rule {
    RuleId id;
    bool is_defined;
    int line;  // first mentioned
  };

  // Spaces and comments; line ends where they do not count.
  void space(bool lines_too) {
    for (;;) {
      if (in_.skip(' ') || in_.skip('\t') || (lines_too && (in_.skip('\n') || in_.skip('\r')))) continue;
      if (in_.peek() != '#') return;
      while (!in_.at_end() && in_.peek() != '\n' && in_.peek() != '\r') in_.take();
    }
  }

  std::string name() {
    std::string name;
    while (!in_.at_end() && is_name(in_.peek())) name += in_.take();
    if (name.empty()) in_.unexpected("the name of a rule");
    return name;
  }

  Rule& rule_of(const std::string& name) {
    const auto [it, is_new] = rules_.try_emplace(name, Rule{-1, false, in_.line()});
    if (is_new) it->second.id = builder_.declare("rule " + shown(name));
    return it->second;
  }

  void rule() {
    const std::string name = this->name();
    space(false);
    if (!in_.skip("::=")) in_.unexpected("::=");
    Rule& rule = rule_of(name);
    if (rule.is_defined) in_.error(fmt::format("expected one rule {}, found a second", shown(name)));
    rule.is_defined = true;
    space(true);
    builder_.define(rule.id, choice(0));
    space(false);
    if (!in_.at_end() && !in_.skip('\n') && !in_.skip('\r')) in_.unexpected("the end of the line");
  }

  // Looks over line ends for a | that goes on with the rule.
  bool skip_bar(int depth) {
    const TextCursor before = in_;
    space(true);
    if (in_.skip('|')) return true;
    if (depth == 0) in_ = before;
    return false;
  }

  Expr choice(int depth) {
    if (depth > kMaxDepth) in_.error(fmt::format("expected at most {} levels of parentheses, found more", kMaxDepth));
    std::vector<Expr> any;
    do {
      space(true);
      any.push_back(sequence(depth));
    } while (skip_bar(depth));
    return builder_.choice(any);
  }

  // Rules are told from calls by the ::= after them: an empty choice may stand before the next rule.
  bool at_next_rule() {
    const TextCursor before = in_;
    while (!in_.at_end() && is_name(in_.peek())) in_.take();
    space(false);
    const bool found = in_.skip("::=");
    in_ = before;
    return found;
  }

  Expr sequence(int depth) {
    std::vector<Expr> all;
    for (; !in_.at_end(); space(depth > 0)) {
      const char c = in_.peek();
      Expr item = -1;
      if (c == '"') {
        item = builder_.literal(quoted());
      } else if (c == '[') {
        item = builder_.chars(char_class());
      } else if (c == '.') {
        in_.take();
        item = builder_.chars(CodePointSet::all());
      } else if (c == '(') {
        in_.take();
        item = choice(depth + 1);
        space(true);
        if (!in_.skip(')')) in_.unexpected("')'");
      } else if (c == '<' || c == '!') {
        in_.error("token references <...> are not supported");
      } else if (is_name(c) && !at_next_rule()) {
        item = builder_.call(rule_of(name()).id);
      } else {
        break;
      }
      all.push_back(repeated(item));
    }
    return builder_.sequence(all);
  }

  Expr repeated(Expr item) {
    for (;;) {
      if (in_.skip('*')) {
        item = builder_.repeat(item, 0, kUnbounded);
      } else if (in_.skip('+')) {
        item = builder_.repeat(item, 1, kUnbounded);
      } else if (in_.skip('?')) {
        item = builder_.optional(item);
      } else if (in_.skip('{')) {
        space(false);
        const auto [min, max] = in_.bounds(kMaxRepeat);
        item = builder_.repeat(item, min, max);
      } else {
        return item;
      }
    }
  }

  // A code point of a literal or class, escapes read.
  char32_t character() {
    if (!in_.skip('\\')) return in_.code_point();
    const char c = in_.at_end() ? '\0' : in_.take();
    switch (c) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'x':
        return in_.hex(2);
      case 'u':
        return in_.hex(4);
      case 'U':
        return in_.hex(8);
      case '"':
      case '\\':
      case '[':
      case ']':
      case '-':
      case '^':
      case '/':
        return static_cast<char32_t>(c);
      default:
        in_.error(fmt::format("expected an escape of n r t x u U \" \\ [ ] - ^ /, found {}", described(c)));
    }
  }

  std::string quoted() {
    in_.take();
    std::string text;
    while (!in_.skip('"')) {
      if (in_.at_end() || in_.peek() == '\n') in_.unexpected("'\"'");
      append_utf8(character(), text);
    }
    return text;
  }

  CodePointSet char_class() {
    in_.take();
    const bool negated = in_.skip('^');
    CodePointSet set;
    while (!in_.skip(']')) {
      if (in_.at_end() || in_.peek() == '\n') in_.unexpected("']'");
      const char32_t first = character();
      if (in_.peek() == '-' && in_.peek(1) != ']') {
        in_.take();
        const char32_t last = character();
        if (last < first) in_.error("expected a range that ascends, found one that does not");
        set.add(first, last);
      } else {
        set.add(first);
      }
    }
    return negated ? set.complement() : set;
  }

  TextCursor in_;
  GrammarBuilder builder_;
  std::map<std::string, Rule> rules_;
};

}  // namespace

std::shared_ptr<const Grammar> parse_gbnf(std::string_view text) {
  return Parser(text).run();
}

}  // namespace nextn::grammar
