#include "text/jinja/parser.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <set>

#include "text/jinja/lexer.h"

namespace nextn::jinja {

namespace {

constexpr int kMaxDepth = 150;  // of the grammar's recursion, and of an expression's tree

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(tokenize(source)) {}

  Block run() { return statements({}, 1); }

 private:
  // One level deeper while it lives.
  struct Level {
    explicit Level(Parser& p) : parser(p) {
      if (parser.depth_ >= kMaxDepth)
        parser.error(fmt::format("expected at most {} levels of nesting, found more", kMaxDepth));
      parser.depth_++;
    }
    ~Level() { parser.depth_--; }
    Parser& parser;
  };

  const Token& now() const { return tokens_[at_]; }
  const Token& after() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  int line() const { return now().line; }
  const Token& take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }

  [[noreturn]] void error(std::string message) const { throw SyntaxError{line(), std::move(message)}; }
  [[noreturn]] void unexpected(std::string_view expected) const {
    error(fmt::format("expected {}, found {}", expected, now().described()));
  }

  bool skip_name(std::string_view name) {
    if (!now().is_name(name)) return false;
    take();
    return true;
  }
  bool skip_operator(std::string_view op) {
    if (!now().is_operator(op)) return false;
    take();
    return true;
  }
  void expect_operator(std::string_view op) {
    if (!skip_operator(op)) unexpected(fmt::format("'{}'", op));
  }
  void expect_name(std::string_view name) {
    if (!skip_name(name)) unexpected(fmt::format("'{}'", name));
  }
  std::string expect_any_name(std::string_view what = "a name") {
    if (now().type != TokenType::kName) unexpected(what);
    return take().text;
  }
  void expect(TokenType type, std::string_view what) {
    if (now().type != type) unexpected(what);
    take();
  }

  template <class Node>
  ExpressionPtr finish(int line, Node node, int depth) const {
    if (depth > kMaxDepth)
      error(fmt::format("expected an expression at most {} levels deep, found a deeper one", kMaxDepth));
    return std::make_unique<Expression>(Expression{line, depth, std::move(node)});
  }

  // ---- statements

  // Up to a tag with one of the names, which is left to be read; to the end of the template without names. `begin` is
  // the line of the tag before them.
  Block statements(std::initializer_list<std::string_view> ends, int begin) {
    const Level level(*this);
    Block block;
    for (;;) {
      switch (now().type) {
        case TokenType::kData: {
          const int at = line();
          block.push_back({at, Data{take().text}});
          break;
        }
        case TokenType::kOutputBegin: {
          const int at = take().line;
          ExpressionPtr value = tuple();
          expect(TokenType::kOutputEnd, "}}");
          block.push_back({at, Output{std::move(value)}});
          break;
        }
        case TokenType::kBlockBegin: {
          take();
          if (now().type == TokenType::kName && std::ranges::find(ends, now().text) != ends.end()) return block;
          statement(block);
          expect(TokenType::kBlockEnd, "%}");
          break;
        }
        default:
          if (ends.size() == 0) return block;
          unexpected(fmt::format("{{% {} %}} for line {}", *(ends.end() - 1), begin));
      }
    }
  }

  // The body of a tag: "%} ... {% name".
  Block body(std::initializer_list<std::string_view> ends) {
    skip_operator(":");
    const int begin = line();
    expect(TokenType::kBlockEnd, "%}");
    return statements(ends, begin);
  }
  Block body_to(std::string_view end) {
    Block block = body({end});
    take();
    return block;
  }

  void statement(Block& block) {
    const int at = line();
    if (now().type != TokenType::kName) unexpected("the name of a tag");
    const std::string name = now().text;
    const auto add = [&](auto node) { block.push_back({at, std::move(node)}); };
    if (name == "if") return add(if_statement());
    if (name == "for") return add(for_statement());
    if (name == "set") return set_statement(block, at);
    if (name == "macro") return add(macro_statement());
    take();
    if (name == "call") return add(call_statement());
    if (name == "filter") {
      FilterBlock node;
      node.filter = filter(nullptr, true);
      node.body = body_to("endfilter");
      return add(std::move(node));
    }
    if (name == "with") return add(with_statement());
    if (name == "generation") {
      const LoopDepth outside(*this, 0);
      return add(Scoped{body_to("endgeneration")});
    }
    if (name == "print") {
      for (bool first = true; now().type != TokenType::kBlockEnd; first = false) {
        if (!first) expect_operator(",");
        add(Output{expression()});
      }
      return;
    }
    if (name == "break" || name == "continue") {
      if (loops_ == 0) error(fmt::format("expected '{}' inside a loop, found it outside", name));
      if (name == "break") return add(Break{});
      return add(Continue{});
    }
    at_--;
    for (const std::string_view refused : {"extends", "include", "import", "from", "block", "autoescape", "do"}) {
      if (name == refused)
        error(fmt::format("expected a tag that chat templates use, found '{}', which is not supported", name));
    }
    unexpected("a tag");
  }

  // How many loops a break could leave from here; macros start at none.
  struct LoopDepth {
    LoopDepth(Parser& p, int depth) : parser(p), before(p.loops_) { parser.loops_ = depth; }
    ~LoopDepth() { parser.loops_ = before; }
    Parser& parser;
    int before;
  };

  If if_statement() {
    If node;
    take();
    for (;;) {
      ExpressionPtr condition = tuple(false);
      Block then = body({"elif", "else", "endif"});
      node.branches.emplace_back(std::move(condition), std::move(then));
      const std::string end = take().text;
      if (end == "elif") continue;
      if (end == "else") node.otherwise = body_to("endif");
      return node;
    }
  }

  For for_statement() {
    For node;
    take();
    node.target = target(false, "in");
    expect_name("in");
    node.items = tuple(false, "recursive");
    if (skip_name("if")) node.filter = expression();
    node.recursive = skip_name("recursive");
    {
      const LoopDepth inside(*this, loops_ + 1);
      node.body = body({"endfor", "else"});
    }
    if (take().text == "else") node.otherwise = body_to("endfor");
    return node;
  }

  void set_statement(Block& block, int at) {
    take();
    Target to = target(true, {});
    if (skip_operator("=")) {
      ExpressionPtr value = tuple();
      block.push_back({at, Assign{std::move(to), std::move(value)}});
      return;
    }
    AssignBlock node{std::move(to), filter(nullptr, false), {}};
    node.body = body_to("endset");
    block.push_back({at, std::move(node)});
  }

  With with_statement() {
    With node;
    while (now().type != TokenType::kBlockEnd) {
      if (!node.values.empty()) expect_operator(",");
      Target to = target(false, {});
      expect_operator("=");
      node.values.emplace_back(std::move(to), expression());
    }
    node.body = body_to("endwith");
    return node;
  }

  Signature signature() {
    Signature out;
    expect_operator("(");
    while (!now().is_operator(")")) {
      if (!out.names.empty()) expect_operator(",");
      std::string name = assignable_name();
      if (skip_operator("=")) {
        out.defaults.push_back(expression());
      } else if (!out.defaults.empty()) {
        error("expected a default after parameters that have one, found none");
      }
      out.names.push_back(std::move(name));
    }
    take();
    return out;
  }

  // Reads the rest of a macro, whose body decides which of the special variables it gets.
  void macro_body(MacroDefinition& macro, std::string_view end) {
    std::set<std::string, std::less<>> outer = std::exchange(special_names_, {});
    const LoopDepth outside(*this, 0);
    macro.body = body_to(end);
    macro.uses_varargs = special_names_.contains("varargs");
    macro.uses_kwargs = special_names_.contains("kwargs");
    macro.uses_caller = special_names_.contains("caller");
    special_names_.merge(outer);
  }

  std::unique_ptr<MacroDefinition> macro_statement() {
    take();
    auto macro = std::make_unique<MacroDefinition>();
    macro->name = assignable_name();
    macro->signature = signature();
    macro_body(*macro, "endmacro");
    return macro;
  }

  CallBlock call_statement() {
    CallBlock node{std::make_unique<MacroDefinition>(), nullptr};
    node.caller->name = "caller";
    if (now().is_operator("(")) node.caller->signature = signature();
    node.call = expression();
    if (!std::holds_alternative<Call>(node.call->node)) error("expected a call after 'call', found another expression");
    macro_body(*node.caller, "endcall");
    return node;
  }

  // ---- targets

  std::string assignable_name() {
    static constexpr std::array<std::string_view, 6> kConstants = {"true", "false", "none", "True", "False", "None"};
    const bool constant = std::ranges::find(kConstants, now().text) != kConstants.end();
    if (now().type != TokenType::kName || constant) unexpected("a name to assign to");
    return take().text;
  }

  Target single_target(bool with_namespace) {
    const Level level(*this);
    Target out;
    out.line = line();
    if (skip_operator("(")) {
      out = target(with_namespace, {});
      expect_operator(")");
      return out;
    }
    out.name = assignable_name();
    if (with_namespace && skip_operator(".")) out.attribute = expect_any_name();
    return out;
  }

  Target target(bool with_namespace, std::string_view end) {
    Target out;
    out.line = line();
    for (;;) {
      const bool over =
          now().type == TokenType::kBlockEnd || now().is_operator(")") || (!end.empty() && now().is_name(end));
      if (over && (out.is_tuple || out.parts.empty())) break;
      out.parts.push_back(single_target(with_namespace));
      if (!skip_operator(",")) break;
      out.is_tuple = true;
    }
    if (out.parts.empty()) unexpected("a name to assign to");
    if (!out.is_tuple) return Target(std::move(out.parts[0]));
    return out;
  }

  // ---- expressions

  // One expression, or several with commas between, which are a tuple. `end`: a name that ends it.
  ExpressionPtr tuple(bool conditionals = true, std::string_view end = {}, bool may_be_empty = false) {
    const int at = line();
    std::vector<ExpressionPtr> items;
    bool is_tuple = false;
    for (;;) {
      const bool over = now().type == TokenType::kOutputEnd || now().type == TokenType::kBlockEnd ||
                        now().is_operator(")") || (!end.empty() && now().is_name(end));
      if (over) break;
      items.push_back(conditionals ? expression() : logic_or());
      if (!skip_operator(",")) break;
      is_tuple = true;
    }
    if (!is_tuple && items.size() == 1) return std::move(items[0]);
    if (items.empty() && !may_be_empty) unexpected("an expression");
    return make_tuple_literal(at, std::move(items));
  }

  ExpressionPtr make_tuple_literal(int at, std::vector<ExpressionPtr> items) const {
    int depth = 0;
    for (const ExpressionPtr& item : items) depth = std::max(depth, item->depth);
    return finish(at, TupleLiteral{std::move(items)}, depth + 1);
  }

  ExpressionPtr expression() {
    const Level level(*this);
    const int at = line();
    ExpressionPtr out = logic_or();
    while (skip_name("if")) {
      Conditional node;
      node.condition = logic_or();
      node.then = std::move(out);
      if (skip_name("else")) node.otherwise = expression();
      const int depth =
          std::max({node.condition->depth, node.then->depth, node.otherwise == nullptr ? 0 : node.otherwise->depth});
      out = finish(at, std::move(node), depth + 1);
    }
    return out;
  }

  ExpressionPtr binary(int at, BinaryOp op, ExpressionPtr left, ExpressionPtr right) const {
    const int depth = std::max(left->depth, right->depth) + 1;
    return finish(at, Binary{op, std::move(left), std::move(right)}, depth);
  }

  ExpressionPtr logic_or() {
    const int at = line();
    ExpressionPtr left = logic_and();
    while (skip_name("or")) left = binary(at, BinaryOp::kOr, std::move(left), logic_and());
    return left;
  }

  ExpressionPtr logic_and() {
    const int at = line();
    ExpressionPtr left = logic_not();
    while (skip_name("and")) left = binary(at, BinaryOp::kAnd, std::move(left), logic_not());
    return left;
  }

  ExpressionPtr unary_node(int at, UnaryOp op, ExpressionPtr operand) const {
    const int depth = operand->depth + 1;
    return finish(at, Unary{op, std::move(operand)}, depth);
  }

  ExpressionPtr logic_not() {
    const int at = line();
    if (!skip_name("not")) return comparison();
    const Level level(*this);
    return unary_node(at, UnaryOp::kNot, logic_not());
  }

  std::optional<CompareOp> compare_op() {
    static constexpr std::pair<std::string_view, CompareOp> kOps[] = {
        {"==", CompareOp::kEqual},     {"!=", CompareOp::kNotEqual}, {"<", CompareOp::kLess},
        {"<=", CompareOp::kLessEqual}, {">", CompareOp::kGreater},   {">=", CompareOp::kGreaterEqual}};
    for (const auto& [text, op] : kOps) {
      if (skip_operator(text)) return op;
    }
    if (skip_name("in")) return CompareOp::kIn;
    if (now().is_name("not") && after().is_name("in")) {
      take();
      take();
      return CompareOp::kNotIn;
    }
    return std::nullopt;
  }

  ExpressionPtr comparison() {
    const int at = line();
    Comparison node{sum(), {}};
    int depth = node.first->depth;
    while (const auto op = compare_op()) {
      node.rest.emplace_back(*op, sum());
      depth = std::max(depth, node.rest.back().second->depth);
    }
    if (node.rest.empty()) return std::move(node.first);
    return finish(at, std::move(node), depth + 1);
  }

  ExpressionPtr sum() {
    const int at = line();
    ExpressionPtr left = concatenation();
    for (;;) {
      if (skip_operator("+")) {
        left = binary(at, BinaryOp::kAdd, std::move(left), concatenation());
      } else if (skip_operator("-")) {
        left = binary(at, BinaryOp::kSubtract, std::move(left), concatenation());
      } else {
        return left;
      }
    }
  }

  ExpressionPtr concatenation() {
    const int at = line();
    Concatenation node;
    node.parts.push_back(product());
    int depth = node.parts[0]->depth;
    while (skip_operator("~")) {
      node.parts.push_back(product());
      depth = std::max(depth, node.parts.back()->depth);
    }
    if (node.parts.size() == 1) return std::move(node.parts[0]);
    return finish(at, std::move(node), depth + 1);
  }

  ExpressionPtr product() {
    static constexpr std::pair<std::string_view, BinaryOp> kOps[] = {
        {"*", BinaryOp::kMultiply}, {"/", BinaryOp::kDivide}, {"//", BinaryOp::kFloorDivide}, {"%", BinaryOp::kModulo}};
    const int at = line();
    ExpressionPtr left = power();
    for (;;) {
      const auto* op = std::ranges::find_if(kOps, [&](const auto& one) { return skip_operator(one.first); });
      if (op == std::end(kOps)) return left;
      left = binary(at, op->second, std::move(left), power());
    }
  }

  ExpressionPtr power() {
    const int at = line();
    ExpressionPtr left = unary(true);
    while (skip_operator("**")) left = binary(at, BinaryOp::kPower, std::move(left), unary(true));
    return left;
  }

  ExpressionPtr unary(bool with_filter) {
    const Level level(*this);
    const int at = line();
    ExpressionPtr out;
    if (skip_operator("-")) {
      out = unary_node(at, UnaryOp::kMinus, unary(false));
    } else if (skip_operator("+")) {
      out = unary_node(at, UnaryOp::kPlus, unary(false));
    } else {
      out = primary();
    }
    out = postfix(std::move(out));
    return with_filter ? filters_and_tests(std::move(out)) : std::move(out);
  }

  ExpressionPtr primary() {
    const int at = line();
    switch (now().type) {
      case TokenType::kName: {
        const std::string name = take().text;
        if (name == "true" || name == "True") return finish(at, Literal{Value(true)}, 1);
        if (name == "false" || name == "False") return finish(at, Literal{Value(false)}, 1);
        if (name == "none" || name == "None") return finish(at, Literal{Value()}, 1);
        if (name == "varargs" || name == "kwargs" || name == "caller") special_names_.insert(name);
        return finish(at, Name{name}, 1);
      }
      case TokenType::kString: {
        std::string text;
        while (now().type == TokenType::kString) text += take().text;
        return finish(at, Literal{Value(std::move(text))}, 1);
      }
      case TokenType::kNumber:
        return finish(at, Literal{take().number}, 1);
      default:
        break;
    }
    if (skip_operator("(")) {
      ExpressionPtr out = tuple(true, {}, true);
      expect_operator(")");
      return out;
    }
    if (skip_operator("[")) return list(at);
    if (skip_operator("{")) return dict(at);
    unexpected("an expression");
  }

  ExpressionPtr list(int at) {
    ListLiteral node;
    int depth = 0;
    while (!now().is_operator("]")) {
      if (!node.items.empty()) expect_operator(",");
      if (now().is_operator("]")) break;
      node.items.push_back(expression());
      depth = std::max(depth, node.items.back()->depth);
    }
    take();
    return finish(at, std::move(node), depth + 1);
  }

  ExpressionPtr dict(int at) {
    DictLiteral node;
    int depth = 0;
    while (!now().is_operator("}")) {
      if (!node.entries.empty()) expect_operator(",");
      if (now().is_operator("}")) break;
      ExpressionPtr key = expression();
      expect_operator(":");
      node.entries.emplace_back(std::move(key), expression());
      depth = std::max({depth, node.entries.back().first->depth, node.entries.back().second->depth});
    }
    take();
    return finish(at, std::move(node), depth + 1);
  }

  ExpressionPtr postfix(ExpressionPtr out) {
    for (;;) {
      if (now().is_operator(".")) {
        out = dotted(std::move(out));
      } else if (now().is_operator("[")) {
        out = subscript(std::move(out));
      } else if (now().is_operator("(")) {
        out = call(std::move(out));
      } else {
        return out;
      }
    }
  }

  ExpressionPtr dotted(ExpressionPtr object) {
    const int at = take().line;
    const int depth = object->depth + 1;
    if (now().type == TokenType::kName) return finish(at, Attribute{std::move(object), take().text}, depth);
    if (now().type != TokenType::kNumber || !now().number.integer()) unexpected("a name or a number after '.'");
    ExpressionPtr key = finish(line(), Literal{take().number}, 1);
    return finish(at, Subscript{std::move(object), std::move(key)}, depth);
  }

  ExpressionPtr subscript(ExpressionPtr object) {
    const int at = take().line;
    ExpressionPtr start;
    if (!now().is_operator(":")) start = expression();
    if (!now().is_operator(":")) {
      if (now().is_operator(",")) start = subscript_tuple(at, std::move(start));
      expect_operator("]");
      const int depth = std::max(object->depth, start->depth) + 1;
      return finish(at, Subscript{std::move(object), std::move(start)}, depth);
    }
    take();
    Slice node{std::move(object), std::move(start), nullptr, nullptr};
    if (!now().is_operator(":") && !now().is_operator("]")) node.stop = expression();
    if (skip_operator(":") && !now().is_operator("]")) node.step = expression();
    expect_operator("]");
    int depth = node.object->depth;
    for (const ExpressionPtr* part : {&node.start, &node.stop, &node.step}) {
      if (*part != nullptr) depth = std::max(depth, (*part)->depth);
    }
    return finish(at, std::move(node), depth + 1);
  }

  ExpressionPtr subscript_tuple(int at, ExpressionPtr first) {
    std::vector<ExpressionPtr> items;
    items.push_back(std::move(first));
    while (skip_operator(",") && !now().is_operator("]")) items.push_back(expression());
    return make_tuple_literal(at, std::move(items));
  }

  int depth_of(const CallArguments& arguments) const {
    int depth = 0;
    for (const auto& part : arguments.positional) depth = std::max(depth, part->depth);
    for (const auto& [name, part] : arguments.named) depth = std::max(depth, part->depth);
    for (const ExpressionPtr* part : {&arguments.more_positional, &arguments.more_named}) {
      if (*part != nullptr) depth = std::max(depth, (*part)->depth);
    }
    return depth;
  }

  CallArguments arguments() {
    CallArguments out;
    expect_operator("(");
    for (bool first = true; !now().is_operator(")"); first = false) {
      if (!first) expect_operator(",");
      if (now().is_operator(")")) break;
      if (now().is_operator("*")) {
        if (out.more_positional || out.more_named) unexpected("one '*' among the arguments, before '**'");
        take();
        out.more_positional = expression();
      } else if (now().is_operator("**")) {
        if (out.more_named) unexpected("one '**' among the arguments");
        take();
        out.more_named = expression();
      } else if (now().type == TokenType::kName && after().is_operator("=")) {
        if (out.more_named) unexpected("'**' as the last argument");
        std::string name = take().text;
        take();
        out.named.emplace_back(std::move(name), expression());
      } else {
        if (out.more_positional || out.more_named || !out.named.empty())
          unexpected("arguments without a name before those with one");
        out.positional.push_back(expression());
      }
    }
    take();
    return out;
  }

  ExpressionPtr call(ExpressionPtr callee) {
    const int at = line();
    Call node{std::move(callee), arguments()};
    const int depth = std::max(node.callee->depth, depth_of(node.arguments)) + 1;
    return finish(at, std::move(node), depth);
  }

  std::string dotted_name() {
    std::string name = expect_any_name();
    while (skip_operator(".")) name += "." + expect_any_name();
    return name;
  }

  // `inline_start`: the first filter of a block comes without its bar.
  ExpressionPtr filter(ExpressionPtr input, bool inline_start) {
    while (inline_start || skip_operator("|")) {
      inline_start = false;
      const int at = line();
      FilterCall node{std::move(input), dotted_name(), {}};
      if (now().is_operator("(")) node.arguments = arguments();
      const int depth = std::max(node.input == nullptr ? 0 : node.input->depth, depth_of(node.arguments)) + 1;
      input = finish(at, std::move(node), depth);
    }
    return input;
  }

  ExpressionPtr test(ExpressionPtr input) {
    const int at = take().line;
    const bool negated = skip_name("not");
    TestCall node{std::move(input), dotted_name(), {}};
    const bool operand = now().type == TokenType::kName || now().type == TokenType::kString ||
                         now().type == TokenType::kNumber || now().is_operator("[") || now().is_operator("{");
    if (now().is_operator("(")) {
      node.arguments = arguments();
    } else if (operand && !now().is_name("else") && !now().is_name("or") && !now().is_name("and")) {
      if (now().is_name("is")) unexpected("one test, not a chain of them");
      node.arguments.positional.push_back(postfix(primary()));
    }
    const int depth = std::max(node.input->depth, depth_of(node.arguments)) + 1;
    ExpressionPtr out = finish(at, std::move(node), depth);
    return negated ? unary_node(at, UnaryOp::kNot, std::move(out)) : std::move(out);
  }

  ExpressionPtr filters_and_tests(ExpressionPtr out) {
    for (;;) {
      if (now().is_operator("|")) {
        out = filter(std::move(out), false);
      } else if (now().is_name("is")) {
        out = test(std::move(out));
      } else if (now().is_operator("(")) {
        out = call(std::move(out));
      } else {
        return out;
      }
    }
  }

  const std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int loops_ = 0;
  std::set<std::string, std::less<>>
      special_names_;  // varargs, kwargs and caller, as far as read inside the macro at hand
};

}  // namespace

Block parse(std::string_view source) {
  return Parser(source).run();
}

}  // namespace nextn::jinja
