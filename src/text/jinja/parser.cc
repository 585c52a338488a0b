#include "text/jinja/parser.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "text/jinja/lexer.h"

namespace nextn::jinja {

namespace {

constexpr int kMaxDepth = 200;  // of expressions and of statements

std::string shown(const Token& t) {
  switch (t.kind) {
    case TokenKind::kText:
      return "text";
    case TokenKind::kBlockBegin:
      return "'{%'";
    case TokenKind::kBlockEnd:
      return "'%}'";
    case TokenKind::kPrintBegin:
      return "'{{'";
    case TokenKind::kPrintEnd:
      return "'}}'";
    case TokenKind::kString:
      return "a string";
    case TokenKind::kEnd:
      return "the end of the template";
    default:
      return "'" + t.text + "'";
  }
}

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(tokenize(source)) {}

  Body operator()() {
    Body body = statements({});
    if (now().kind != TokenKind::kEnd) fail_at(now().line, "expected a statement, found " + shown(now()));
    return body;
  }

 private:
  // ---------------------------------------------------------------------------------------------- tokens
  const Token& now() const { return tokens_[at_]; }
  const Token& ahead(size_t n) const { return tokens_[std::min(at_ + n, tokens_.size() - 1)]; }
  Token take() {
    Token t = now();
    if (at_ + 1 < tokens_.size()) at_++;
    return t;
  }
  bool is_op(std::string_view op) const { return now().kind == TokenKind::kOperator && now().text == op; }
  bool is_name(std::string_view name) const { return now().kind == TokenKind::kName && now().text == name; }
  bool take_op(std::string_view op) {
    if (!is_op(op)) return false;
    take();
    return true;
  }
  bool take_name(std::string_view name) {
    if (!is_name(name)) return false;
    take();
    return true;
  }
  void expect_op(std::string_view op) {
    if (!take_op(op)) fail_at(now().line, fmt::format("expected '{}', found {}", op, shown(now())));
  }
  void expect_name(std::string_view name) {
    if (!take_name(name)) fail_at(now().line, fmt::format("expected '{}', found {}", name, shown(now())));
  }
  void expect(TokenKind kind, const char* what) {
    if (now().kind != kind) fail_at(now().line, fmt::format("expected {}, found {}", what, shown(now())));
    take();
  }
  std::string identifier() {
    if (now().kind != TokenKind::kName) fail_at(now().line, "expected a name, found " + shown(now()));
    return take().text;
  }

  // ---------------------------------------------------------------------------------------------- statements
  // Up to a block that begins with one of `ends`, whose name comes next; or to the end of the template.
  Body statements(std::initializer_list<std::string_view> ends) {
    if (++depth_ > kMaxDepth)
      fail_at(now().line, fmt::format("expected at most {} statements within each other", kMaxDepth));
    Body body;
    while (now().kind != TokenKind::kEnd) {
      const int line = now().line;
      if (now().kind == TokenKind::kText) {
        body.push_back({.kind = StmtKind::kText, .line = line, .text = take().text});
      } else if (now().kind == TokenKind::kPrintBegin) {
        take();
        body.push_back({.kind = StmtKind::kPrint, .line = line});
        body.back().exprs.push_back(tuple(true));
        expect(TokenKind::kPrintEnd, "'}}'");
      } else {
        expect(TokenKind::kBlockBegin, "'{%'");
        if (now().kind == TokenKind::kName && std::ranges::find(ends, now().text) != ends.end()) break;
        body.push_back(statement(line));
      }
    }
    if (now().kind == TokenKind::kEnd && ends.size() > 0) {
      fail_at(now().line, fmt::format("expected '{}', found the end of the template", *(ends.end() - 1)));
    }
    depth_--;
    return body;
  }

  void end_block(std::string_view name) {
    expect_name(name);
    end_tag();
  }
  void end_tag() { expect(TokenKind::kBlockEnd, "'%}'"); }

  Stmt statement(int line) {
    const std::string name = identifier();
    if (name == "if") return if_(line);
    if (name == "for") return for_(line);
    if (name == "set") return set(line);
    if (name == "macro") return macro(line);
    if (name == "break" || name == "continue") {
      if (loops_ == 0) fail_at(line, fmt::format("expected '{}' in a loop", name));
      end_tag();
      return {.kind = name == "break" ? StmtKind::kBreak : StmtKind::kContinue, .line = line};
    }
    if (name == "filter") {
      Stmt s = {.kind = StmtKind::kFilter, .line = line};
      s.filters = filter_of(filtered(line));
      while (is_op("|")) s.filters = filter(std::move(s.filters));
      end_tag();
      s.bodies.push_back(statements({"endfilter"}));
      end_block("endfilter");
      return s;
    }
    if (name == "generation") {  // marks what a model wrote, for training
      end_tag();
      Stmt s = {.kind = StmtKind::kGroup, .line = line};
      s.bodies.push_back(statements({"endgeneration"}));
      end_block("endgeneration");
      return s;
    }
    fail_at(line, fmt::format("expected a statement that chat templates have, found '{}'", name));
  }

  Stmt if_(int line) {
    Stmt s = {.kind = StmtKind::kIf, .line = line};
    s.exprs.push_back(tuple(true));
    end_tag();
    for (;;) {
      s.bodies.push_back(statements({"elif", "else", "endif"}));
      if (take_name("elif")) {
        s.exprs.push_back(tuple(true));
        end_tag();
        continue;
      }
      if (take_name("else")) {
        end_tag();
        s.bodies.push_back(statements({"endif"}));
      }
      end_block("endif");
      return s;
    }
  }

  Stmt for_(int line) {
    Stmt s = {.kind = StmtKind::kFor, .line = line};
    s.names = targets();
    expect_name("in");
    s.exprs.push_back(tuple(false));
    s.exprs.push_back(take_name("if") ? expression() : nullptr);
    if (is_name("recursive")) fail_at(line, "expected a loop that is not recursive");
    end_tag();
    loops_++;
    s.bodies.push_back(statements({"else", "endfor"}));
    loops_--;
    if (take_name("else")) {
      end_tag();
      s.bodies.push_back(statements({"endfor"}));
    }
    end_block("endfor");
    return s;
  }

  // a, b or (a, b)
  std::vector<std::string> targets() {
    const bool bracket = take_op("(");
    std::vector<std::string> names = {identifier()};
    while (take_op(",")) names.push_back(identifier());
    if (bracket) expect_op(")");
    return names;
  }

  Stmt set(int line) {
    Stmt s = {.kind = StmtKind::kSet, .line = line};
    if (ahead(1).kind == TokenKind::kOperator && ahead(1).text == ".") {
      s.object = identifier();
      expect_op(".");
      s.names = {identifier()};
    } else {
      s.names = targets();
    }
    if (take_op("=")) {
      s.exprs.push_back(tuple(true));
      end_tag();
      return s;
    }
    s.kind = StmtKind::kSetBlock;
    if (s.names.size() != 1) fail_at(line, "expected one name of a set block");
    if (is_op("|")) {
      s.filters = filter(filtered(line));
      while (is_op("|")) s.filters = filter(std::move(s.filters));
    }
    end_tag();
    s.bodies.push_back(statements({"endset"}));
    end_block("endset");
    return s;
  }

  Stmt macro(int line) {
    Stmt s = {.kind = StmtKind::kMacro, .line = line, .text = identifier()};
    expect_op("(");
    while (!is_op(")")) {
      s.names.push_back(identifier());
      s.exprs.push_back(take_op("=") ? expression() : nullptr);
      if (!take_op(",")) break;
    }
    expect_op(")");
    end_tag();
    const int loops = std::exchange(loops_, 0);
    s.bodies.push_back(statements({"endmacro"}));
    loops_ = loops;
    end_block("endmacro");
    return s;
  }

  // ---------------------------------------------------------------------------------------------- expressions
  template <class... Args>
  ExprPtr make(ExprKind kind, int line, std::string name, Args... args) {
    auto e = std::make_unique<Expr>(Expr{.kind = kind, .line = line, .name = std::move(name)});
    (e->args.push_back(std::move(args)), ...);
    return measured(std::move(e));
  }
  // Trees are walked by recursion: their depth is bounded here.
  ExprPtr measured(ExprPtr e) {
    int deepest = 0;
    for (const ExprPtr& a : e->args) deepest = std::max(deepest, a ? a->depth : 0);
    for (const auto& [name, a] : e->named) deepest = std::max(deepest, a->depth);
    e->depth = deepest + 1;
    if (e->depth > kMaxDepth) {
      fail_at(e->line, fmt::format("expected an expression of at most {} operations within each other", kMaxDepth));
    }
    return e;
  }
  ExprPtr literal(int line, Value value) {
    auto e = make(ExprKind::kLiteral, line, "");
    e->literal = std::move(value);
    return e;
  }
  ExprPtr filtered(int line) { return make(ExprKind::kName, line, kFiltered); }

  // a or a, b
  ExprPtr tuple(bool conditions) {
    const int line = now().line;
    ExprPtr first = conditions ? expression() : or_();
    if (!is_op(",")) return first;
    ExprPtr list = make(ExprKind::kTuple, line, "", std::move(first));
    while (take_op(",")) {
      if (now().kind != TokenKind::kName && now().kind != TokenKind::kString && now().kind != TokenKind::kInt &&
          now().kind != TokenKind::kFloat && !is_op("(") && !is_op("[") && !is_op("{")) {
        break;
      }
      list->args.push_back(conditions ? expression() : or_());
    }
    return measured(std::move(list));
  }

  ExprPtr expression() {
    if (++depth_ > kMaxDepth)
      fail_at(now().line, fmt::format("expected at most {} brackets within each other", kMaxDepth));
    ExprPtr e = or_();
    while (is_name("if")) {
      const int line = take().line;
      ExprPtr condition = or_();
      ExprPtr other = take_name("else") ? expression() : nullptr;
      e = make(ExprKind::kCondition, line, "", std::move(condition), std::move(e), std::move(other));
    }
    depth_--;
    return e;
  }

  ExprPtr or_() {
    ExprPtr e = and_();
    while (is_name("or")) {
      const int line = take().line;
      e = make(ExprKind::kBinary, line, "or", std::move(e), and_());
    }
    return e;
  }
  ExprPtr and_() {
    ExprPtr e = not_();
    while (is_name("and")) {
      const int line = take().line;
      e = make(ExprKind::kBinary, line, "and", std::move(e), not_());
    }
    return e;
  }
  ExprPtr not_() {
    if (!is_name("not")) return compare();
    const int line = take().line;
    if (++depth_ > kMaxDepth) fail_at(line, fmt::format("expected at most {} operations within each other", kMaxDepth));
    ExprPtr e = make(ExprKind::kUnary, line, "not", not_());
    depth_--;
    return e;
  }

  ExprPtr compare() {
    const int line = now().line;
    ExprPtr first = sum();
    std::vector<std::string> names;
    std::vector<ExprPtr> others;
    for (;;) {
      std::string op;
      for (const char* o : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (is_op(o)) op = o;
      }
      if (!op.empty()) {
        take();
      } else if (take_name("in")) {
        op = "in";
      } else if (is_name("not") && ahead(1).kind == TokenKind::kName && ahead(1).text == "in") {
        take();
        take();
        op = "not in";
      } else {
        break;
      }
      names.push_back(op);
      others.push_back(sum());
    }
    if (names.empty()) return first;
    auto e = make(ExprKind::kCompare, line, "", std::move(first));
    for (ExprPtr& o : others) e->args.push_back(std::move(o));
    e->names = std::move(names);
    return measured(std::move(e));
  }

  template <class Operand>
  ExprPtr left_to_right(std::initializer_list<const char*> operators, const Operand& operand) {
    ExprPtr e = operand();
    for (;;) {
      const auto op = std::ranges::find_if(operators, [&](const char* o) { return is_op(o); });
      if (op == operators.end()) return e;
      const int line = take().line;
      e = make(ExprKind::kBinary, line, *op, std::move(e), operand());
    }
  }
  ExprPtr sum() {
    return left_to_right({"+", "-"}, [&] {
      return left_to_right({"~"}, [&] {
        return left_to_right({"*", "//", "/", "%"}, [&] { return left_to_right({"**"}, [&] { return unary(true); }); });
      });
    });
  }

  ExprPtr unary(bool with_filters) {
    if (++depth_ > kMaxDepth)
      fail_at(now().line, fmt::format("expected at most {} operations within each other", kMaxDepth));
    ExprPtr e;
    if (is_op("-") || is_op("+")) {
      const Token op = take();
      e = make(ExprKind::kUnary, op.line, op.text, unary(false));
    } else {
      e = primary();
    }
    e = postfix(std::move(e));
    if (with_filters) e = filters_and_tests(std::move(e));
    depth_--;
    return e;
  }

  ExprPtr primary() {
    const Token t = take();
    switch (t.kind) {
      case TokenKind::kName:
        if (t.text == "true" || t.text == "True") return literal(t.line, true);
        if (t.text == "false" || t.text == "False") return literal(t.line, false);
        if (t.text == "none" || t.text == "None") return literal(t.line, None{});
        return make(ExprKind::kName, t.line, t.text);
      case TokenKind::kString: {
        std::string s = t.text;
        while (now().kind == TokenKind::kString) s += take().text;
        return literal(t.line, std::move(s));
      }
      case TokenKind::kInt: {
        int64_t i = 0;
        if (std::from_chars(t.text.data(), t.text.data() + t.text.size(), i).ec != std::errc()) {
          fail_at(t.line, fmt::format("expected a whole number of 63 bits, found {}", t.text));
        }
        return literal(t.line, i);
      }
      case TokenKind::kFloat:
        return literal(t.line, std::strtod(t.text.c_str(), nullptr));
      default:
        break;
    }
    if (t.kind == TokenKind::kOperator && t.text == "(") {
      if (take_op(")")) return make(ExprKind::kTuple, t.line, "");
      ExprPtr e = tuple(true);
      expect_op(")");
      return e;
    }
    if (t.kind == TokenKind::kOperator && t.text == "[") {
      ExprPtr e = make(ExprKind::kList, t.line, "");
      while (!is_op("]")) {
        e->args.push_back(expression());
        if (!take_op(",")) break;
      }
      expect_op("]");
      return measured(std::move(e));
    }
    if (t.kind == TokenKind::kOperator && t.text == "{") {
      ExprPtr e = make(ExprKind::kDict, t.line, "");
      while (!is_op("}")) {
        e->args.push_back(expression());
        expect_op(":");
        e->args.push_back(expression());
        if (!take_op(",")) break;
      }
      expect_op("}");
      return measured(std::move(e));
    }
    fail_at(t.line, "expected an expression, found " + shown(t));
  }

  // .name, [..], (..)
  ExprPtr postfix(ExprPtr e) {
    for (;;) {
      const int line = now().line;
      if (take_op(".")) {
        if (now().kind == TokenKind::kInt) {
          ExprPtr index = literal(line, static_cast<int64_t>(std::stoi(take().text.substr(0, 6))));
          e = make(ExprKind::kItem, line, "", std::move(e), std::move(index));
        } else {
          e = make(ExprKind::kAttribute, line, identifier(), std::move(e));
        }
      } else if (take_op("[")) {
        e = subscript(std::move(e), line);
      } else if (is_op("(")) {
        e = call(make(ExprKind::kCall, line, "", std::move(e)));
      } else {
        return e;
      }
    }
  }

  ExprPtr subscript(ExprPtr e, int line) {
    ExprPtr parts[3];
    int n = 0;
    bool slice = false;
    while (!is_op("]")) {
      if (take_op(":")) {
        slice = true;
        if (++n == 3) fail_at(line, "expected at most two ':' in a slice");
      } else {
        parts[n] = expression();
        if (!is_op(":") && !is_op("]")) break;
      }
    }
    expect_op("]");
    if (slice) {
      return make(ExprKind::kSlice, line, "", std::move(e), std::move(parts[0]), std::move(parts[1]),
                  std::move(parts[2]));
    }
    if (!parts[0]) fail_at(line, "expected an index, found ']'");
    return make(ExprKind::kItem, line, "", std::move(e), std::move(parts[0]));
  }

  // (a, b, name=c) behind e, which takes them
  ExprPtr call(ExprPtr e) {
    expect_op("(");
    while (!is_op(")")) {
      if (now().kind == TokenKind::kName && ahead(1).kind == TokenKind::kOperator && ahead(1).text == "=") {
        std::string name = take().text;
        take();
        e->named.emplace_back(std::move(name), expression());
      } else if (!e->named.empty()) {
        fail_at(now().line, "expected name=value after a named argument, found " + shown(now()));
      } else {
        e->args.push_back(expression());
      }
      if (!take_op(",")) break;
    }
    expect_op(")");
    return measured(std::move(e));
  }

  ExprPtr filter(ExprPtr e) {
    expect_op("|");
    return filter_of(std::move(e));
  }
  ExprPtr filter_of(ExprPtr e) {
    const int line = now().line;
    e = make(ExprKind::kFilter, line, identifier(), std::move(e));
    return is_op("(") ? call(std::move(e)) : std::move(e);
  }

  ExprPtr filters_and_tests(ExprPtr e) {
    for (;;) {
      if (is_op("|")) {
        e = filter(std::move(e));
      } else if (is_name("is")) {
        e = test(std::move(e));
      } else if (is_op("(")) {
        e = call(make(ExprKind::kCall, now().line, "", std::move(e)));
      } else {
        return e;
      }
    }
  }

  ExprPtr test(ExprPtr e) {
    const int line = take().line;
    const bool negated = take_name("not");
    e = make(ExprKind::kTest, line, identifier(), std::move(e));
    if (is_op("(")) {
      e = call(std::move(e));
    } else if (now().kind == TokenKind::kString || now().kind == TokenKind::kInt || now().kind == TokenKind::kFloat ||
               is_op("[") || is_op("{") ||
               (now().kind == TokenKind::kName && !is_name("else") && !is_name("or") && !is_name("and") &&
                !is_name("if") && !is_name("is") && !is_name("in") && !is_name("not") && !is_name("recursive"))) {
      e->args.push_back(postfix(primary()));
      e = measured(std::move(e));
    }
    return negated ? make(ExprKind::kUnary, line, "not", std::move(e)) : std::move(e);
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0, loops_ = 0;
};

}  // namespace

Body parse(std::string_view source) {
  return Parser(source)();
}

}  // namespace nextn::jinja
