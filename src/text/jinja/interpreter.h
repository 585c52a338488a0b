// Runs a parsed template: variables and their scopes, statements, macros, and the rules of jinja2 for a.b and a[b].
// What filters, tests and methods do is in the files of builtins.h.
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/arguments.h"
#include "text/jinja/ast.h"

namespace nextn::jinja {

// Variables of a part of a template. Names are those of the tree, which lives longer.
struct Scope {
  Scope* parent;
  std::vector<std::pair<std::string_view, Value>> variables = {};
  bool is_kept = false;  // a macro still needs it

  Value* find(std::string_view name) noexcept;
  void set(std::string_view name, Value value);
};

struct Loop;
struct Macro;
struct Namespace;

// For one rendering. Raises Raised; line() then says where.
class Interpreter {
 public:
  // `variables` must outlive it. `now` is what strftime_now tells.
  Interpreter(const Dict& variables, const Limits& limits, const std::tm& now);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  std::string render(const Block& block);
  int line() const noexcept { return line_; }

  // For filters, tests, methods and functions.
  Sandbox& sandbox() noexcept { return sandbox_; }
  const std::tm& now() const noexcept { return now_; }
  std::string text(const Value& value) { return to_text(value, sandbox_); }
  std::vector<Value> items(const Value& value) { return iterate(value, sandbox_); }
  Value call(const Value& callee, const Arguments& arguments);
  Value filter(std::string_view name, const Value& input, const Arguments& arguments);
  bool test(std::string_view name, const Value& input, const Arguments& arguments);
  Value attribute(const Value& object, std::string_view name);  // object.name
  Value item(const Value& object, const Value& key);            // object[key]
  Value make_namespace(const Arguments& arguments);

 private:
  enum class Flow { kOn, kBreak, kContinue };
  class Frame;    // a scope while it is open
  class Capture;  // output that goes into a text of its own

  Flow execute(const Block& block);
  Flow run(const Statement& statement);
  Flow run(const Data& node);
  Flow run(const Output& node);
  Flow run(const Assign& node);
  Flow run(const AssignBlock& node);
  Flow run(const If& node);
  Flow run(const For& node);
  Flow run(const std::unique_ptr<MacroDefinition>& node);
  Flow run(const CallBlock& node);
  Flow run(const FilterBlock& node);
  Flow run(const With& node);
  Flow run(const Scoped& node);
  Flow run(const Break&) { return Flow::kBreak; }
  Flow run(const Continue&) { return Flow::kContinue; }

  void write(std::string_view text);
  void assign(const Target& target, const Value& value);
  Flow loop_over(const For& node, const Value& items, int depth);
  Value make_macro(const MacroDefinition& definition);
  Value call_macro(const Macro& macro, const Arguments& arguments);

  Value evaluate(const Expression& expression);
  Value evaluate(const Literal& node) { return node.value; }
  Value evaluate(const Name& node);
  Value evaluate(const ListLiteral& node);
  Value evaluate(const TupleLiteral& node);
  Value evaluate(const DictLiteral& node);
  Value evaluate(const Unary& node);
  Value evaluate(const Binary& node);
  Value evaluate(const Comparison& node);
  Value evaluate(const Concatenation& node);
  Value evaluate(const Conditional& node);
  Value evaluate(const Attribute& node);
  Value evaluate(const Subscript& node);
  Value evaluate(const Slice& node);
  Value evaluate(const Call& node);
  Value evaluate(const FilterCall& node);
  Value evaluate(const TestCall& node);
  Value evaluate_or_none(const ExpressionPtr& expression);
  std::vector<Value> evaluate_all(const std::vector<ExpressionPtr>& expressions);
  Arguments evaluate(const CallArguments& arguments);
  // A chain of filters over a text instead of an input of its own.
  Value apply_to_block(const Expression& filter, std::string body);

  const Dict& variables_;
  Sandbox sandbox_;
  std::tm now_;
  int line_ = 1;
  Scope root_{nullptr};
  Scope* scope_ = &root_;
  std::string* out_ = nullptr;
  const Value* block_input_ = nullptr;  // what a filter without an input works on
  std::vector<std::unique_ptr<Scope>> kept_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;  // emptied at the end: they may hold themselves
};

}  // namespace nextn::jinja
