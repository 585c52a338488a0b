#include "text/jinja/interpreter.h"

#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/jinja/operations.h"
#include "text/jinja/strings.h"

namespace nextn::jinja {

Value* Scope::find(std::string_view name) noexcept {
  for (Scope* scope = this; scope != nullptr; scope = scope->parent) {
    for (auto& [known, value] : scope->variables) {
      if (known == name) return &value;
    }
  }
  return nullptr;
}

void Scope::set(std::string_view name, Value value) {
  for (auto& [known, old] : variables) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  variables.emplace_back(name, std::move(value));
}

// Opens a scope, and closes it when it dies; kept for later where a macro was defined in it.
class Interpreter::Frame {
 public:
  Frame(Interpreter& interpreter, Scope* parent)
      : interpreter_(interpreter), before_(interpreter.scope_), scope_(std::make_unique<Scope>(parent)) {
    interpreter.sandbox_.bytes(sizeof(Scope));
    interpreter.scope_ = scope_.get();
  }
  ~Frame() {
    interpreter_.scope_ = before_;
    if (scope_->is_kept) interpreter_.kept_.push_back(std::move(scope_));
  }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  Scope& scope() const noexcept { return *scope_; }

 private:
  Interpreter& interpreter_;
  Scope* before_;
  std::unique_ptr<Scope> scope_;
};

class Interpreter::Capture {
 public:
  explicit Capture(Interpreter& interpreter) : interpreter_(interpreter), before_(interpreter.out_) {
    interpreter.out_ = &text;
  }
  ~Capture() { interpreter_.out_ = before_; }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  std::string text;

 private:
  Interpreter& interpreter_;
  std::string* before_;
};

Interpreter::Interpreter(const Dict& variables, const Limits& limits, const std::tm& now)
    : variables_(variables), sandbox_(limits), now_(now) {}

Interpreter::~Interpreter() {
  for (const auto& one : namespaces_) one->attributes = {};
}

std::string Interpreter::render(const Block& block) {
  Capture capture(*this);
  execute(block);
  return std::move(capture.text);
}

void Interpreter::write(std::string_view text) {
  sandbox_.bytes(text.size());
  *out_ += text;
}

// ---- statements

Interpreter::Flow Interpreter::execute(const Block& block) {
  for (const Statement& statement : block) {
    if (const Flow flow = run(statement); flow != Flow::kOn) return flow;
  }
  return Flow::kOn;
}

Interpreter::Flow Interpreter::run(const Statement& statement) {
  sandbox_.steps();
  const Sandbox::Level level(sandbox_);
  line_ = statement.line;
  return std::visit([this](const auto& node) { return run(node); }, statement.node);
}

Interpreter::Flow Interpreter::run(const Data& node) {
  write(node.text);
  return Flow::kOn;
}

Interpreter::Flow Interpreter::run(const Output& node) {
  const Value value = evaluate(*node.value);
  if (const std::string* bytes = value.text()) {
    write(*bytes);
  } else {
    write(text(value));
  }
  return Flow::kOn;
}

void Interpreter::assign(const Target& target, const Value& value) {
  if (!target.attribute.empty()) {
    const Value* owner = scope_->find(target.name);
    if (owner == nullptr) owner = variables_.find(target.name);
    auto* space = owner == nullptr ? nullptr : owner->object<Namespace>();
    if (space == nullptr) raise("cannot assign attribute on non-namespace object");
    sandbox_.bytes(sizeof(Dict::Entry));
    space->attributes.set(target.attribute, value);
  } else if (!target.is_tuple) {
    sandbox_.bytes(sizeof(Value));
    scope_->set(target.name, value);
  } else {
    const std::vector<Value> values = items(value);
    const size_t expected = target.parts.size();
    if (values.size() > expected) raise("too many values to unpack (expected {})", expected);
    if (values.size() < expected) raise("not enough values to unpack (expected {}, got {})", expected, values.size());
    for (size_t i = 0; i < expected; i++) assign(target.parts[i], values[i]);
  }
}

Interpreter::Flow Interpreter::run(const Assign& node) {
  assign(node.target, evaluate(*node.value));
  return Flow::kOn;
}

Interpreter::Flow Interpreter::run(const AssignBlock& node) {
  std::string body;
  {
    Frame frame(*this, scope_);
    Capture capture(*this);
    if (const Flow flow = execute(node.body); flow != Flow::kOn) return flow;
    body = std::move(capture.text);
  }
  assign(node.target, node.filter == nullptr ? Value(std::move(body)) : apply_to_block(*node.filter, std::move(body)));
  return Flow::kOn;
}

Interpreter::Flow Interpreter::run(const FilterBlock& node) {
  std::string body;
  {
    Frame frame(*this, scope_);
    Capture capture(*this);
    if (const Flow flow = execute(node.body); flow != Flow::kOn) return flow;
    body = std::move(capture.text);
  }
  write(text(apply_to_block(*node.filter, std::move(body))));
  return Flow::kOn;
}

Value Interpreter::apply_to_block(const Expression& filter, std::string body) {
  const Value input(std::move(body));
  const Value* before = std::exchange(block_input_, &input);
  Value out = evaluate(filter);
  block_input_ = before;
  return out;
}

Interpreter::Flow Interpreter::run(const If& node) {
  for (const auto& [condition, body] : node.branches) {
    if (evaluate(*condition).truth()) return execute(body);
  }
  return execute(node.otherwise);
}

Interpreter::Flow Interpreter::run(const With& node) {
  std::vector<Value> values;
  for (const auto& [target, value] : node.values) values.push_back(evaluate(*value));
  Frame frame(*this, scope_);
  for (size_t i = 0; i < values.size(); i++) assign(node.values[i].first, values[i]);
  return execute(node.body);
}

Interpreter::Flow Interpreter::run(const Scoped& node) {
  Frame frame(*this, scope_);
  return execute(node.body);
}

Interpreter::Flow Interpreter::run(const For& node) {
  return loop_over(node, evaluate(*node.items), 0);
}

Interpreter::Flow Interpreter::loop_over(const For& node, const Value& over, int depth) {
  std::vector<Value> values = items(over);
  if (node.filter != nullptr) {
    std::vector<Value> passed;
    for (const Value& value : values) {
      Frame frame(*this, scope_);
      assign(node.target, value);
      if (evaluate(*node.filter).truth()) passed.push_back(value);
    }
    values = std::move(passed);
  }
  if (values.empty()) {
    Frame frame(*this, scope_);
    return execute(node.otherwise);
  }

  const auto loop = std::make_shared<Loop>(std::move(values));
  // What a loop remembers of its running must not outlive it: `changed` may hold the loop itself.
  struct End {
    Loop& loop;
    ~End() {
      loop.last_changed.reset();
      loop.runs = false;
      loop.statement = nullptr;
    }
  } const end{*loop};
  loop->level = depth;
  loop->statement = node.recursive ? &node : nullptr;
  loop->scope = scope_;
  const Value loop_value{ObjectPtr(loop)};
  for (size_t i = 0; i < loop->items.size(); i++) {
    loop->index = i;
    sandbox_.steps();
    Frame frame(*this, loop->scope);
    frame.scope().set("loop", loop_value);
    assign(node.target, loop->items[i]);
    if (execute(node.body) == Flow::kBreak) return Flow::kOn;
  }
  return Flow::kOn;
}

// ---- macros

Value Interpreter::make_macro(const MacroDefinition& definition) {
  for (Scope* scope = scope_; scope != nullptr && !scope->is_kept; scope = scope->parent) scope->is_kept = true;
  auto macro = std::make_shared<Macro>();
  macro->definition = &definition;
  macro->scope = scope_;
  return Value(ObjectPtr(std::move(macro)));
}

Interpreter::Flow Interpreter::run(const std::unique_ptr<MacroDefinition>& node) {
  scope_->set(node->name, make_macro(*node));
  return Flow::kOn;
}

Interpreter::Flow Interpreter::run(const CallBlock& node) {
  const auto& call_node = std::get<Call>(node.call->node);
  const Value callee = evaluate(*call_node.callee);
  Arguments arguments = evaluate(call_node.arguments);
  arguments.named.emplace_back("caller", make_macro(*node.caller));
  write(text(call(callee, arguments)));
  return Flow::kOn;
}

Value Interpreter::call_macro(const Macro& macro, const Arguments& arguments) {
  const MacroDefinition& definition = *macro.definition;
  const std::vector<std::string>& names = definition.signature.names;
  const bool explicit_caller = std::ranges::find(names, "caller") != names.end();
  std::vector<const Value*> given(names.size(), nullptr);
  std::vector<Value> varargs;
  auto kwargs = std::make_shared<Dict>();
  Value caller = Value::undefined("No caller defined");

  for (size_t i = 0; i < arguments.positional.size(); i++) {
    if (i < names.size()) {
      given[i] = &arguments.positional[i];
    } else {
      varargs.push_back(arguments.positional[i]);
    }
  }
  for (const auto& [name, value] : arguments.named) {
    const auto place = std::ranges::find(names, name);
    const size_t i = static_cast<size_t>(place - names.begin());
    if (place != names.end() && given[i] == nullptr) {
      given[i] = &value;
    } else if (name == "caller" && definition.uses_caller && !explicit_caller) {
      caller = value;
    } else {
      kwargs->set(name, value);
    }
  }
  if (!definition.uses_kwargs && !kwargs->entries().empty())
    raise("macro {} takes no keyword argument {}", python_quoted(definition.name),
          python_quoted(*kwargs->entries()[0].first.text()));
  if (!definition.uses_varargs && !varargs.empty())
    raise("macro {} takes not more than {} argument(s)", python_quoted(definition.name), names.size());

  Frame frame(*this, macro.scope);
  const size_t n_without = names.size() - definition.signature.defaults.size();
  for (size_t i = 0; i < names.size(); i++) {
    if (given[i] != nullptr) {
      frame.scope().set(names[i], *given[i]);
    } else if (i >= n_without) {
      frame.scope().set(names[i], evaluate(*definition.signature.defaults[i - n_without]));
    } else {
      frame.scope().set(names[i], Value::undefined("parameter " + python_quoted(names[i]) + " was not provided"));
    }
  }
  if (definition.uses_caller && !explicit_caller) frame.scope().set("caller", caller);
  if (definition.uses_kwargs) frame.scope().set("kwargs", Value(DictPtr(std::move(kwargs))));
  if (definition.uses_varargs) frame.scope().set("varargs", make_tuple(std::move(varargs)));
  Capture capture(*this);
  execute(definition.body);
  return Value(std::move(capture.text));
}

Value Interpreter::make_namespace(const Arguments& arguments) {
  auto space = std::make_shared<Namespace>();
  sandbox_.bytes(sizeof(Namespace));
  for (const Value& source : arguments.positional) {
    if (source.dict() == nullptr) raise("namespace() expected a dict, found '{}'", source.type());
    space->attributes = *source.dict();
  }
  for (const auto& [name, value] : arguments.named) space->attributes.set(name, value);
  namespaces_.push_back(space);
  return Value(ObjectPtr(std::move(space)));
}

Value Interpreter::call(const Value& callee, const Arguments& arguments) {
  if (callee.is_undefined()) raise("{}", callee.undefined_message());
  if (const auto* function = callee.object<Function>()) return function->run(*this, arguments);
  if (const auto* method = callee.object<Method>()) return method->run(*this, method->self, arguments);
  if (const auto* macro = callee.object<Macro>()) return call_macro(*macro, arguments);
  if (const auto* loop = callee.object<Loop>()) {
    const Parameters given("loop", arguments, {"iterable"}, 1);
    if (loop->statement == nullptr) raise("The loop must have the 'recursive' marker to be called recursively.");
    Capture capture(*this);
    const Frame frame(*this, loop->scope);
    loop_over(*loop->statement, *given[0], loop->level + 1);
    return Value(std::move(capture.text));
  }
  raise("'{}' object is not callable", callee.type());
}

Value Interpreter::filter(std::string_view name, const Value& input, const Arguments& arguments) {
  sandbox_.steps();
  FilterRun run = find_filter(name);
  if (run == nullptr) run = find_sequence_filter(name);
  if (run == nullptr) raise("No filter named {}.", python_quoted(name));
  return run(*this, input, arguments);
}

bool Interpreter::test(std::string_view name, const Value& input, const Arguments& arguments) {
  sandbox_.steps();
  const TestRun run = find_test(name);
  if (run == nullptr) raise("No test named {}.", python_quoted(name));
  return run(*this, input, arguments);
}

// ---- a.b and a[b]

namespace {

Value undefined_attribute(const Value& object, std::string_view name) {
  return Value::undefined(python_quoted(object.described()) + " has no attribute " + python_quoted(name));
}

}  // namespace

Value Interpreter::attribute(const Value& object, std::string_view name) {
  if (object.is_undefined()) raise("{}", object.undefined_message());
  if (const auto* space = object.object<Namespace>()) {
    const Value* value = space->attributes.find(name);
    return value == nullptr ? undefined_attribute(object, name) : *value;
  }
  if (const Method::Run run = find_method(object, name)) return Value(ObjectPtr(std::make_shared<Method>(object, run)));
  if (is_forbidden_method(object, name)) {
    return Value::undefined(
        fmt::format("access to attribute {} of '{}' object is unsafe.", python_quoted(name), object.type()));
  }
  if (const auto* loop = object.object<Loop>()) {
    Value value = loop->attribute(name);
    return value.is_undefined() && value.undefined_message().empty() ? undefined_attribute(object, name) : value;
  }
  if (const auto* macro = object.object<Macro>(); macro != nullptr && name == "name")
    return Value(macro->definition->name);
  if (const Dict* dict = object.dict()) {
    if (const Value* value = dict->find(name)) return *value;
  }
  return undefined_attribute(object, name);
}

Value Interpreter::item(const Value& object, const Value& key) {
  if (object.is_undefined()) raise("{}", object.undefined_message());
  if (const Dict* dict = object.dict()) {
    if (const Value* value = dict->find(key)) return *value;
  }
  const auto index = key.integer();
  const Sequence* sequence = object.sequence();
  const bool by_index =
      sequence != nullptr && (sequence->type <= SequenceType::kTuple || sequence->type == SequenceType::kRange);
  if (index && by_index) {
    const Integer size = sequence->values.size(), at = *index < 0 ? *index + size : *index;
    if (at >= 0 && at < size) return sequence->values[static_cast<size_t>(at)];
  }
  if (const std::string* bytes = object.text(); index && bytes != nullptr) {
    sandbox_.steps(1 + bytes->size() / 16);
    const auto parts = characters(*bytes);
    const Integer size = parts.size(), at = *index < 0 ? *index + size : *index;
    if (at >= 0 && at < size) return Value(std::string(parts[static_cast<size_t>(at)]), object.is_safe());
  }
  if (const std::string* name = key.text()) return attribute(object, *name);
  return Value::undefined(object.described() + " has no element " + representation(key, sandbox_));
}

// ---- expressions

Value Interpreter::evaluate(const Expression& expression) {
  sandbox_.steps();
  const Sandbox::Level level(sandbox_);
  const int before = std::exchange(line_, expression.line);
  Value value = std::visit([this](const auto& node) { return evaluate(node); }, expression.node);
  line_ = before;
  return value;
}

Value Interpreter::evaluate_or_none(const ExpressionPtr& expression) {
  return expression == nullptr ? Value() : evaluate(*expression);
}

std::vector<Value> Interpreter::evaluate_all(const std::vector<ExpressionPtr>& expressions) {
  std::vector<Value> values;
  values.reserve(expressions.size());
  for (const ExpressionPtr& expression : expressions) values.push_back(evaluate(*expression));
  sandbox_.bytes(values.size() * sizeof(Value));
  return values;
}

Arguments Interpreter::evaluate(const CallArguments& arguments) {
  Arguments out{evaluate_all(arguments.positional), {}};
  for (const auto& [name, value] : arguments.named) {
    const bool twice = std::ranges::any_of(out.named, [&](const auto& one) { return one.first == name; });
    if (twice) raise("keyword argument repeated: {}", name);
    out.named.emplace_back(name, evaluate(*value));
  }
  if (arguments.more_positional != nullptr) {
    for (Value& value : items(evaluate(*arguments.more_positional))) out.positional.push_back(std::move(value));
  }
  if (arguments.more_named != nullptr) {
    const Value more = evaluate(*arguments.more_named);
    if (more.dict() == nullptr) raise("argument after ** must be a mapping, not {}", more.type());
    for (const auto& [name, value] : more.dict()->entries()) {
      if (!name.is_text()) raise("keywords must be strings");
      const bool twice = std::ranges::any_of(out.named, [&](const auto& one) { return one.first == *name.text(); });
      if (twice) raise("got multiple values for keyword argument {}", python_quoted(*name.text()));
      out.named.emplace_back(*name.text(), value);
    }
  }
  return out;
}

Value Interpreter::evaluate(const Name& node) {
  if (const Value* value = scope_->find(node.name)) return *value;
  if (const Value* value = variables_.find(node.name)) return *value;
  if (const Value* value = find_global(node.name)) return *value;
  return Value::undefined(python_quoted(node.name) + " is undefined");
}

Value Interpreter::evaluate(const ListLiteral& node) {
  return make_list(evaluate_all(node.items));
}

Value Interpreter::evaluate(const TupleLiteral& node) {
  return make_tuple(evaluate_all(node.items));
}

Value Interpreter::evaluate(const DictLiteral& node) {
  auto dict = std::make_shared<Dict>();
  sandbox_.bytes(node.entries.size() * sizeof(Dict::Entry));
  for (const auto& [key, value] : node.entries) {
    const Value name = evaluate(*key);
    dict->set(name, evaluate(*value));
  }
  return Value(DictPtr(std::move(dict)));
}

Value Interpreter::evaluate(const Unary& node) {
  return apply(node.op, evaluate(*node.operand));
}

Value Interpreter::evaluate(const Binary& node) {
  Value left = evaluate(*node.left);
  if (node.op == BinaryOp::kAnd) return left.truth() ? evaluate(*node.right) : left;
  if (node.op == BinaryOp::kOr) return left.truth() ? left : evaluate(*node.right);
  return apply(node.op, left, evaluate(*node.right), sandbox_);
}

Value Interpreter::evaluate(const Comparison& node) {
  Value left = evaluate(*node.first);
  for (const auto& [op, operand] : node.rest) {
    Value right = evaluate(*operand);
    if (!apply(op, left, right, sandbox_)) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Value Interpreter::evaluate(const Concatenation& node) {
  std::string out;
  for (const ExpressionPtr& part : node.parts) out += text(evaluate(*part));
  return Value(std::move(out));
}

Value Interpreter::evaluate(const Conditional& node) {
  if (evaluate(*node.condition).truth()) return evaluate(*node.then);
  if (node.otherwise != nullptr) return evaluate(*node.otherwise);
  return Value::undefined(
      fmt::format("the inline if-expression on line {} evaluated to false and no else section was defined.", line_));
}

Value Interpreter::evaluate(const Attribute& node) {
  return attribute(evaluate(*node.object), node.name);
}

Value Interpreter::evaluate(const Subscript& node) {
  const Value object = evaluate(*node.object);
  return item(object, evaluate(*node.key));
}

Value Interpreter::evaluate(const Slice& node) {
  const Value object = evaluate(*node.object), start = evaluate_or_none(node.start), stop = evaluate_or_none(node.stop);
  return slice(object, start, stop, evaluate_or_none(node.step), sandbox_);
}

Value Interpreter::evaluate(const Call& node) {
  const Value callee = evaluate(*node.callee);
  return call(callee, evaluate(node.arguments));
}

Value Interpreter::evaluate(const FilterCall& node) {
  const Value input = node.input == nullptr ? *block_input_ : evaluate(*node.input);
  return filter(node.name, input, evaluate(node.arguments));
}

Value Interpreter::evaluate(const TestCall& node) {
  const Value input = evaluate(*node.input);
  return Value(test(node.name, input, evaluate(node.arguments)));
}

}  // namespace nextn::jinja
