#include "grammar/regex.h"

#include <optional>

#include "base/error.h"
#include "grammar/text_cursor.h"

namespace nextn::grammar {

namespace {

constexpr int kMaxDepth = 100;  // of groups
constexpr int kMaxRepeat = 100'000;
constexpr size_t kMaxBytes = 64 << 10;

const CodePointSet& digits() {
  static const CodePointSet set{{'0', '9'}};
  return set;
}
const CodePointSet& word_chars() {
  static const CodePointSet set{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  return set;
}
const CodePointSet& ascii_spaces() {
  static const CodePointSet set{{'\t', '\r'}, {' ', ' '}};
  return set;
}
const CodePointSet& line_ends() {
  static const CodePointSet set{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
  return set;
}
// ECMAScript's, and U+0085 that Python has too: what \S leaves out.
const CodePointSet& all_spaces() {
  static const CodePointSet set = [] {
    CodePointSet s{{0x1C, 0x1F},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
                   {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
    s.add(ascii_spaces());
    return s;
  }();
  return set;
}

class Parser {
 public:
  Parser(GrammarBuilder& builder, std::string_view pattern, const std::string& what, RegexMatch match,
         const CharWriter& write)
      : builder_(builder), in_(what, pattern, TextCursor::Place::kCharacter), match_(match), write_(write) {
    if (pattern.size() > kMaxBytes)
      fail(ErrorCode::kRequest, "{}: expected at most {} bytes, found {}", what, kMaxBytes, pattern.size());
  }

  Expr run() {
    const Expr whole = choice(0);
    if (!in_.at_end()) in_.unexpected("the end");
    return whole;
  }

 private:
  Expr anything() { return builder_.repeat(write_(CodePointSet::all()), 0, kUnbounded); }

  Expr choice(int depth) {
    if (depth > kMaxDepth) in_.error(fmt::format("expected at most {} levels of groups, found more", kMaxDepth));
    std::vector<Expr> any;
    do {
      any.push_back(sequence(depth));
    } while (in_.skip('|'));
    return builder_.choice(any);
  }

  Expr sequence(int depth) {
    std::vector<Expr> all;
    const bool top = depth == 0;
    bool at_begin = false, at_end = false;
    if (top) {
      while (in_.skip('^')) at_begin = true;
      if (!at_begin && match_ == RegexMatch::kSearch) all.push_back(anything());
    }
    while (!in_.at_end() && in_.peek() != '|' && in_.peek() != ')') {
      if (in_.peek() == '^' || in_.peek() == '$') {
        const char anchor = in_.peek();
        while (anchor == '$' && top && in_.skip('$')) at_end = true;
        if (!at_end || (!in_.at_end() && in_.peek() != '|'))
          in_.error(fmt::format("expected {} at the {} of an alternative outside of groups", anchor,
                                anchor == '^' ? "beginning" : "end"));
        break;
      }
      all.push_back(repeated(atom(depth)));
    }
    if (top && !at_end && match_ == RegexMatch::kSearch) all.push_back(anything());
    return builder_.sequence(all);
  }

  Expr repeated(Expr item) {
    for (bool first = true;; first = false) {
      const bool braces = in_.peek() == '{' && ((in_.peek(1) >= '0' && in_.peek(1) <= '9') || in_.peek(1) == ',');
      if (!braces && in_.peek() != '*' && in_.peek() != '+' && in_.peek() != '?') return item;
      if (!first) in_.error("expected one quantifier, found a second");
      switch (in_.take()) {
        case '*':
          item = builder_.repeat(item, 0, kUnbounded);
          break;
        case '+':
          item = builder_.repeat(item, 1, kUnbounded);
          break;
        case '?':
          item = builder_.optional(item);
          break;
        default: {
          const auto [min, max] = in_.bounds(kMaxRepeat);
          item = builder_.repeat(item, min, max);
        }
      }
      if (in_.peek() == '+') in_.error("possessive quantifiers are not supported");
      in_.skip('?');
    }
  }

  Expr atom(int depth) {
    switch (in_.peek()) {
      case '(':
        return group(depth);
      case '[':
        return write_(char_class());
      case '.':
        in_.take();
        return write_(line_ends().complement());
      case '\\': {
        CodePointSet set;
        escape(set, false);
        return write_(set);
      }
      case '*':
      case '+':
      case '?':
        in_.error(fmt::format("expected something to repeat before {}", described(in_.peek())));
      default: {
        const char32_t c = in_.code_point();
        return write_({{c, c}});
      }
    }
  }

  Expr group(int depth) {
    in_.take();
    if (in_.skip('?')) {
      if (in_.skip("<=") || in_.skip("<!") || in_.skip('=') || in_.skip('!')) in_.error("look-around is not supported");
      if (in_.skip("P=")) in_.error("back references are not supported");
      if (in_.skip('<') || in_.skip("P<")) {
        while (!in_.at_end() && in_.peek() != '>') in_.code_point();
        if (!in_.skip('>')) in_.unexpected("'>' after a group's name");
      } else if (!in_.skip(':')) {
        in_.error("flags and special groups are not supported, (?: is");
      }
    }
    const Expr inside = choice(depth + 1);
    if (!in_.skip(')')) in_.unexpected("')'");
    return inside;
  }

  // Reads an escape into the set. The code point where it is a single one.
  std::optional<char32_t> escape(CodePointSet& set, bool in_class) {
    in_.take();
    if (in_.at_end()) in_.unexpected("a character after \\");
    const auto one = [&set](char32_t c) {
      set.add(c);
      return std::optional(c);
    };
    const char c = in_.peek();
    if (static_cast<unsigned char>(c) >= 0x80) return one(in_.code_point());
    in_.take();
    switch (c) {
      case 'd':
        set.add(digits());
        return {};
      case 'D':
        set.add(digits().complement());
        return {};
      case 'w':
        set.add(word_chars());
        return {};
      case 'W':
        set.add(word_chars().complement());
        return {};
      case 's':
        set.add(ascii_spaces());
        return {};
      case 'S':
        set.add(all_spaces().complement());
        return {};
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 't':
        return one('\t');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case 'x':
        return one(in_.hex(2));
      case 'u':
        return one(in_.skip('{') ? braced_hex() : in_.hex(4));
      case 'b':
        if (in_class) return one('\b');
        [[fallthrough]];
      case 'B':
        in_.error("word boundaries are not supported");
      case 'A':
      case 'z':
      case 'Z':
        in_.error(fmt::format("anchors \\{} are not supported, ^ and $ are", c));
      case 'p':
      case 'P':
        in_.error("Unicode properties are not supported");
      case 'k':
        in_.error("back references are not supported");
      case '0':
        if (in_.peek() < '0' || in_.peek() > '9') return one(0);
        [[fallthrough]];
      default:
        break;
    }
    if (c >= '0' && c <= '9') in_.error("back references are not supported");
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) in_.error(fmt::format("escape \\{} is not supported", c));
    return one(static_cast<char32_t>(c));
  }

  char32_t braced_hex() {
    int n = 0;
    while (in_.peek(static_cast<size_t>(n)) != '}' && n < 8) n++;
    const char32_t c = in_.hex(n);
    if (n == 0 || !in_.skip('}')) in_.unexpected("hexadecimal digits and '}'");
    return c;
  }

  CodePointSet char_class() {
    in_.take();
    const bool negated = in_.skip('^');
    CodePointSet set;
    while (!in_.skip(']')) {
      if (in_.at_end()) in_.unexpected("']'");
      const std::optional<char32_t> first = class_member(set);
      if (in_.peek() != '-' || in_.peek(1) == ']' || in_.peek(1) == '\0') continue;
      if (!first) in_.error("expected a character before '-', found a class");
      in_.take();
      const std::optional<char32_t> last = class_member(set);
      if (!last) in_.error("expected a character after '-', found a class");
      if (*last < *first) in_.error("expected a range that ascends, found one that does not");
      set.add(*first, *last);
    }
    return negated ? set.complement() : set;
  }

  std::optional<char32_t> class_member(CodePointSet& set) {
    if (in_.peek() == '\\') return escape(set, true);
    const char32_t c = in_.code_point();
    set.add(c);
    return c;
  }

  GrammarBuilder& builder_;
  TextCursor in_;
  RegexMatch match_;
  const CharWriter& write_;
};

}  // namespace

Expr regex_expr(GrammarBuilder& builder, std::string_view pattern, const std::string& what, RegexMatch match,
                const CharWriter& write) {
  return Parser(builder, pattern, what, match, write).run();
}

std::shared_ptr<const Grammar> parse_regex(std::string_view pattern) {
  GrammarBuilder builder("regex");
  const RuleId root = builder.declare("the expression");
  builder.define(root, regex_expr(builder, pattern, "regex", RegexMatch::kWhole,
                                  [&builder](const CodePointSet& set) { return builder.chars(set); }));
  return builder.build(root);
}

}  // namespace nextn::grammar
