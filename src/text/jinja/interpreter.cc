#include "text/jinja/interpreter.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <map>
#include <memory>
#include <optional>

#include "base/error.h"
#include "text/jinja/builtins.h"

namespace nextn::jinja {

namespace {

// Names and what they stand for, and the scope around.
struct Scope {
  Scope* outer = nullptr;
  std::map<std::string, Value> names = {};
  std::shared_ptr<char> alive = {};  // where a macro refers to it

  const Value* find(const std::string& name) const {
    for (const Scope* s = this; s != nullptr; s = s->outer) {
      if (const auto at = s->names.find(name); at != s->names.end()) return &at->second;
    }
    return nullptr;
  }
};

enum class Flow : uint8_t { kOn, kBreak, kContinue };

class Interpreter {
 public:
  Interpreter(const Limits& limits, int64_t now)
      : limits_(limits), now_(now), sandbox_{[this](size_t size) { check_size(size); }} {}

  std::string operator()(const Body& body, const Value& globals) {
    Scope builtin, given{&builtin};
    add_functions(builtin);
    for (const auto& [name, value] : globals.dict()->entries) given.names[name.text()] = value;
    std::string out;
    try {
      run(body, given, out);
    } catch (const std::string& what) {
      forget_namespaces();
      fail(ErrorCode::kRequest, "chat template:{}: {}", line_, what);
    }
    forget_namespaces();
    return out;
  }

 private:
  void check_size(size_t size) const {
    if (size > limits_.bytes) throw fmt::format("expected at most {} bytes or elements, found more", limits_.bytes);
  }
  void step(int line) {
    line_ = line;
    if (++steps_ > limits_.steps) throw fmt::format("expected at most {} steps, found more", limits_.steps);
  }

  // Namespaces alone can come to hold themselves.
  void forget_namespaces() {
    for (Value& n : namespaces_) n.dict()->entries.clear();
  }

  struct Nested {
    explicit Nested(Interpreter& i) : depth(i.depth_) {
      if (++depth > i.limits_.depth)
        throw fmt::format("expected at most {} operations within each other", i.limits_.depth);
    }
    ~Nested() { depth--; }
    int& depth;
  };
  // Lists within lists are destroyed and compared by recursion.
  void check_nesting(const Value& value, int depth) {
    if (depth > limits_.nesting) throw fmt::format("expected at most {} lists within each other", limits_.nesting);
    steps_++;
    if (const List* l = value.list()) {
      for (const Value& v : *l) check_nesting(v, depth + 1);
    } else if (const Dict* d = value.dict(); d != nullptr && !d->is_namespace) {
      for (const auto& [key, v] : d->entries) check_nesting(v, depth + 1);
    }
  }

  void add_functions(Scope& scope) {
    const auto add = [&](const char* name, Function f) { scope.names[name] = std::move(f); };
    add("raise_exception", [](const Arguments& a) -> Value {
      throw a.positional.empty() ? std::string("refused") : a.positional[0].text();
    });
    const auto dict = [](const Arguments& a, bool is_namespace) {
      Dict d;
      if (!a.positional.empty() && a.positional[0].dict()) d = *a.positional[0].dict();
      d.is_namespace = is_namespace;
      for (const auto& [name, value] : a.named) d.set(name, value);
      return Value(std::move(d));
    };
    add("namespace", [this, dict](const Arguments& a) {
      namespaces_.push_back(dict(a, true));
      return namespaces_.back();
    });
    add("dict", [dict](const Arguments& a) { return dict(a, false); });
    add("range", [this](const Arguments& a) -> Value {
      int64_t n[3] = {0, 0, 1};
      const size_t count = a.positional.size();
      if (count < 1 || count > 3) throw std::string("range: expected one to three numbers");
      for (size_t i = 0; i < count; i++) {
        if (!a.positional[i].to_int(&n[count == 1 ? 1 : i])) {
          throw fmt::format("range: expected a whole number, found {}", a.positional[i].type_name());
        }
      }
      if (n[2] == 0) throw std::string("range: expected a step other than 0");
      List out;
      for (int64_t i = n[0]; n[2] > 0 ? i < n[1] : i > n[1];) {
        if (out.size() >= 100'000) throw std::string("range: expected at most 100000 numbers");
        out.push_back(i);
        if (__builtin_add_overflow(i, n[2], &i)) break;
      }
      return out;
    });
    add("strftime_now", [this](const Arguments& a) -> Value {
      const Value* format = a.find(0, "format");
      if (format == nullptr || !format->string()) throw std::string("strftime_now: expected a format");
      const std::time_t t = now_;
      std::tm tm{};
      gmtime_r(&t, &tm);
      std::string out(1024, '\0');
      out.resize(std::strftime(out.data(), out.size(), format->string()->c_str(), &tm));
      return out;
    });
  }

  // ---------------------------------------------------------------------------------------------- statements
  Flow run(const Body& body, Scope& scope, std::string& out) {
    const Nested nested(*this);
    for (const Stmt& s : body) {
      step(s.line);
      if (const Flow flow = run(s, scope, out); flow != Flow::kOn) return flow;
      check_size(out.size());
    }
    return Flow::kOn;
  }

  Flow run(const Stmt& s, Scope& scope, std::string& out) {
    switch (s.kind) {
      case StmtKind::kText:
        out += s.text;
        break;
      case StmtKind::kPrint:
        out += eval(*s.exprs[0], scope).text();
        break;
      case StmtKind::kIf:
        for (size_t i = 0; i < s.exprs.size(); i++) {
          if (eval(*s.exprs[i], scope).truth()) return run(s.bodies[i], scope, out);
        }
        if (s.bodies.size() > s.exprs.size()) return run(s.bodies.back(), scope, out);
        break;
      case StmtKind::kFor:
        return loop(s, scope, out);
      case StmtKind::kSet: {
        Value value = eval(*s.exprs[0], scope);
        if (s.object.empty()) {
          bind(s.names, std::move(value), scope);
        } else {
          const Value* object = scope.find(s.object);
          if (object == nullptr || !object->dict() || !object->dict()->is_namespace) {
            throw fmt::format("set {}.{}: expected a namespace, found {}", s.object, s.names[0],
                              object == nullptr ? "Undefined" : object->type_name());
          }
          object->dict()->set(s.names[0], std::move(value));
        }
        break;
      }
      case StmtKind::kSetBlock: {
        Value value = filtered(s, scope);
        if (s.object.empty()) {
          scope.names[s.names[0]] = std::move(value);
        } else if (const Value* object = scope.find(s.object);
                   object != nullptr && object->dict() && object->dict()->is_namespace) {
          object->dict()->set(s.names[0], std::move(value));
        } else {
          throw fmt::format("set {}.{}: expected a namespace", s.object, s.names[0]);
        }
        break;
      }
      case StmtKind::kFilter:
        out += filtered(s, scope).text();
        break;
      case StmtKind::kGroup: {
        Scope inner{&scope};
        return run(s.bodies[0], inner, out);
      }
      case StmtKind::kMacro:
        define(s, scope);
        break;
      case StmtKind::kBreak:
        return Flow::kBreak;
      case StmtKind::kContinue:
        return Flow::kContinue;
    }
    return Flow::kOn;
  }

  // What a block writes, through its filters.
  Value filtered(const Stmt& s, Scope& scope) {
    Scope inner{&scope};
    std::string text;
    run(s.bodies[0], inner, text);
    if (!s.filters) return text;
    inner.names[kFiltered] = std::move(text);
    return eval(*s.filters, inner);
  }

  static void bind(const std::vector<std::string>& names, Value value, Scope& scope) {
    if (names.size() == 1) {
      scope.names[names[0]] = std::move(value);
      return;
    }
    const List parts = elements(value);
    if (parts.size() != names.size()) {
      throw fmt::format("expected {} values to unpack, found {}", names.size(), parts.size());
    }
    for (size_t i = 0; i < names.size(); i++) scope.names[names[i]] = parts[i];
  }

  Flow loop(const Stmt& s, Scope& scope, std::string& out) {
    List items = elements(eval(*s.exprs[0], scope));
    if (s.exprs[1]) {
      List kept;
      for (Value& item : items) {
        Scope inner{&scope};
        bind(s.names, item, inner);
        if (eval(*s.exprs[1], inner).truth()) kept.push_back(std::move(item));
      }
      items = std::move(kept);
    }
    const size_t n = items.size();
    const auto last_seen = std::make_shared<std::optional<Value>>();  // of loop.changed
    for (size_t i = 0; i < n; i++) {
      step(s.line);
      Scope inner{&scope};
      bind(s.names, items[i], inner);
      Dict l;
      const auto add = [&](const char* name, Value value) { l.entries.emplace_back(name, std::move(value)); };
      add("index", i + 1);
      add("index0", i);
      add("revindex", n - i);
      add("revindex0", n - i - 1);
      add("first", i == 0);
      add("last", i + 1 == n);
      add("length", n);
      add("depth", 1);  // of recursive loops, which there are none of
      add("depth0", 0);
      if (i > 0) add("previtem", items[i - 1]);
      if (i + 1 < n) add("nextitem", items[i + 1]);
      add("cycle", Function([i](const Arguments& a) {
            if (a.positional.empty()) throw std::string("cycle: expected something to go round");
            return a.positional[i % a.positional.size()];
          }));
      add("changed", Function([last_seen](const Arguments& a) -> Value {
            Value now = a.positional;
            const bool changed = !*last_seen || !(now == **last_seen);
            *last_seen = std::move(now);
            return changed;
          }));
      inner.names["loop"] = std::move(l);
      const Flow flow = run(s.bodies[0], inner, out);
      check_size(out.size());
      if (flow == Flow::kBreak) break;
    }
    if (n == 0 && s.bodies.size() > 1) return run(s.bodies[1], scope, out);
    return Flow::kOn;
  }

  void define(const Stmt& s, Scope& scope) {
    if (!scope.alive) scope.alive = std::make_shared<char>();
    scope.names[s.text] = Function([this, &s, &scope, alive = std::weak_ptr(scope.alive)](const Arguments& a) -> Value {
      const Nested nested(*this);
      if (alive.expired()) throw fmt::format("macro {}: expected a call where it is known", s.text);
      if (a.positional.size() > s.names.size()) {
        throw fmt::format("macro {}: expected at most {} arguments, found {}", s.text, s.names.size(),
                          a.positional.size());
      }
      Scope inner{&scope};
      for (size_t i = 0; i < s.names.size(); i++) {
        const Value* given = a.find(i, s.names[i]);
        Value value = given != nullptr ? *given : s.exprs[i] ? eval(*s.exprs[i], inner) : Value(Undefined{s.names[i]});
        inner.names[s.names[i]] = std::move(value);
      }
      for (const auto& [name, value] : a.named) {
        if (std::ranges::find(s.names, name) == s.names.end()) {
          throw fmt::format("macro {}: expected one of its arguments, found '{}'", s.text, name);
        }
      }
      std::string out;
      run(s.bodies[0], inner, out);
      return out;
    });
  }

  // ---------------------------------------------------------------------------------------------- expressions
  Value eval(const Expr& e, Scope& scope) {
    const Nested nested(*this);
    step(e.line);
    switch (e.kind) {
      case ExprKind::kLiteral:
        return e.literal;
      case ExprKind::kName: {
        const Value* found = scope.find(e.name);
        return found == nullptr ? Value(Undefined{e.name}) : *found;
      }
      case ExprKind::kList:
      case ExprKind::kTuple: {
        List list;
        for (const ExprPtr& a : e.args) check_nesting(list.emplace_back(eval(*a, scope)), 1);
        if (e.kind == ExprKind::kTuple) return Tuple{std::move(list)};
        return list;
      }
      case ExprKind::kDict: {
        Dict dict;
        for (size_t i = 0; i < e.args.size(); i += 2) {
          Value key = eval(*e.args[i], scope), value = eval(*e.args[i + 1], scope);
          check_nesting(value, 1);
          dict.set(std::move(key), std::move(value));
        }
        return dict;
      }
      case ExprKind::kAttribute:
        return attribute(eval(*e.args[0], scope), e.name, true);
      case ExprKind::kItem:
        return item(eval(*e.args[0], scope), eval(*e.args[1], scope));
      case ExprKind::kSlice:
        return slice(e, scope);
      case ExprKind::kCall: {
        const Value callee = eval(*e.args[0], scope);
        const Arguments a = arguments(e, scope);
        line_ = e.line;
        if (!callee.function()) {
          const Expr& c = *e.args[0];
          throw fmt::format("expected a function, found {} '{}'", callee.type_name(), c.name);
        }
        return (*callee.function())(a);
      }
      case ExprKind::kFilter: {
        const Value value = eval(*e.args[0], scope);
        const Arguments a = arguments(e, scope);
        line_ = e.line;
        return apply_filter(sandbox_, e.name, value, a);
      }
      case ExprKind::kTest: {
        const Value value = eval(*e.args[0], scope);
        return apply_test(e.name, value, arguments(e, scope));
      }
      case ExprKind::kUnary:
        return unary(e.name, eval(*e.args[0], scope));
      case ExprKind::kBinary: {
        Value left = eval(*e.args[0], scope);
        if (e.name == "and") return left.truth() ? eval(*e.args[1], scope) : left;
        if (e.name == "or") return left.truth() ? left : eval(*e.args[1], scope);
        return binary(e.name, left, eval(*e.args[1], scope));
      }
      case ExprKind::kCompare: {
        Value left = eval(*e.args[0], scope);
        for (size_t i = 0; i < e.names.size(); i++) {
          Value right = eval(*e.args[i + 1], scope);
          if (!is(e.names[i], left, right)) return false;
          left = std::move(right);
        }
        return true;
      }
      case ExprKind::kCondition:
        if (eval(*e.args[0], scope).truth()) return eval(*e.args[1], scope);
        return e.args[2] ? eval(*e.args[2], scope) : Value();
    }
    return {};
  }

  Arguments arguments(const Expr& e, Scope& scope) {
    Arguments a;
    for (size_t i = 1; i < e.args.size(); i++) a.positional.push_back(eval(*e.args[i], scope));
    for (const auto& [name, value] : e.named) a.named.emplace_back(name, eval(*value, scope));
    return a;
  }

  // value.name takes a method before an entry, value["name"] an entry before a method.
  Value attribute(const Value& value, const std::string& name, bool method_first) {
    if (value.is_undefined()) {
      throw fmt::format("'{}' is undefined, and has no '{}'", value.get<Undefined>()->name, name);
    }
    if (method_first) {
      if (Value method = method_of(sandbox_, value, name); !method.is_undefined()) return method;
    }
    if (const Dict* d = value.dict()) {
      if (const Value* found = d->find(Value(name))) return *found;
    }
    if (!method_first) {
      if (Value method = method_of(sandbox_, value, name); !method.is_undefined()) return method;
    }
    return Undefined{name};
  }

  Value item(const Value& value, const Value& key) {
    int64_t i;
    if (value.is_undefined()) return attribute(value, key.text(), false);
    if (const Dict* d = value.dict()) {
      if (const Value* found = d->find(key)) return *found;
    } else if (key.to_int(&i)) {
      if (const List* l = value.list()) {
        if (i < 0) i += static_cast<int64_t>(l->size());
        return i >= 0 && i < static_cast<int64_t>(l->size()) ? (*l)[static_cast<size_t>(i)] : Value();
      }
      if (const std::string* s = value.string()) {
        const std::u32string points = decode(*s);
        if (i < 0) i += static_cast<int64_t>(points.size());
        if (i < 0 || i >= static_cast<int64_t>(points.size())) return {};
        return encode(points.substr(static_cast<size_t>(i), 1));
      }
    }
    return key.string() ? attribute(value, *key.string(), false) : Value(Undefined{key.text()});
  }

  Value slice(const Expr& e, Scope& scope) {
    const Value value = eval(*e.args[0], scope);
    if (value.is_undefined()) throw fmt::format("'{}' is undefined, and has no slices", value.get<Undefined>()->name);
    if (!value.list() && !value.string())
      throw fmt::format("expected a list or a string to slice, found {}", value.type_name());
    const auto bound = [&](size_t i, int64_t other) {
      if (!e.args[i]) return other;
      const Value v = eval(*e.args[i], scope);
      int64_t n = other;
      if (!v.is_none() && !v.to_int(&n))
        throw fmt::format("expected a whole number in a slice, found {}", v.type_name());
      return n;
    };
    const std::u32string points = value.string() ? decode(*value.string()) : std::u32string();
    const int64_t n = static_cast<int64_t>(value.list() ? value.list()->size() : points.size());
    const int64_t by = bound(3, 1);
    if (by == 0) throw std::string("expected a step other than 0 in a slice");
    // As Python counts: from the end where negative, then within [0, n], or within [-1, n - 1] backwards.
    const int64_t low = by > 0 ? 0 : -1, high = by > 0 ? n : n - 1;
    const auto place = [&](int64_t i) { return std::clamp(i < 0 ? (i < -n ? low : i + n) : i, low, high); };
    const int64_t from = e.args[1] ? place(bound(1, by > 0 ? 0 : n)) : (by > 0 ? low : high);
    const int64_t to = e.args[2] && !is_none(e.args[2], scope) ? place(bound(2, 0)) : (by > 0 ? high : low);
    List list;
    std::u32string text;
    for (int64_t i = from; by > 0 ? i < to : i > to;) {
      value.list() ? list.push_back((*value.list())[static_cast<size_t>(i)])
                   : text.push_back(points[static_cast<size_t>(i)]);
      if (__builtin_add_overflow(i, by, &i)) break;
    }
    if (value.list()) return list;
    return encode(text);
  }
  bool is_none(const ExprPtr& e, Scope& scope) { return eval(*e, scope).is_none(); }

  static Value unary(const std::string& op, const Value& v) {
    if (op == "not") return !v.truth();
    int64_t i;
    if (const double* d = v.get<double>()) return op == "-" ? -*d : *d;
    if (!v.to_int(&i) || i == INT64_MIN) throw fmt::format("{}: expected a number, found {}", op, v.type_name());
    return op == "-" ? -i : i;
  }

  Value binary(const std::string& op, const Value& a, const Value& b) const {
    if (op == "~") {
      std::string text = a.text() + b.text();
      check_size(text.size());
      return text;
    }
    for (const Value* v : {&a, &b}) {
      if (v->is_undefined()) throw fmt::format("'{}' is undefined", v->get<Undefined>()->name);
    }
    if (op == "+" && a.string() && b.string()) {
      check_size(a.string()->size() + b.string()->size());
      return *a.string() + *b.string();
    }
    if (op == "+" && a.list() && b.list()) {
      List both = *a.list();
      both.insert(both.end(), b.list()->begin(), b.list()->end());
      check_size(both.size());
      return both;
    }
    if (op == "*" && (a.string() || a.list()) && b.get<int64_t>()) return repeated(a, *b.get<int64_t>());
    if (op == "*" && (b.string() || b.list()) && a.get<int64_t>()) return repeated(b, *a.get<int64_t>());
    double x, y;
    if (!a.to_double(&x) || !b.to_double(&y)) {
      throw fmt::format("{}: expected values that it has a meaning for, found {} and {}", op, a.type_name(),
                        b.type_name());
    }
    int64_t i, j;
    const bool whole = a.to_int(&i) && b.to_int(&j);
    if ((op == "/" || op == "//" || op == "%") && y == 0) throw fmt::format("{}: expected a divisor other than 0", op);
    if (op == "/") return x / y;
    if (!whole) {
      if (op == "+") return x + y;
      if (op == "-") return x - y;
      if (op == "*") return x * y;
      if (op == "//") return std::floor(x / y);
      if (op == "%") return x - y * std::floor(x / y);
      return std::pow(x, y);
    }
    int64_t r = 0;
    bool too_large = false;
    if (op == "+") {
      too_large = __builtin_add_overflow(i, j, &r);
    } else if (op == "-") {
      too_large = __builtin_sub_overflow(i, j, &r);
    } else if (op == "*") {
      too_large = __builtin_mul_overflow(i, j, &r);
    } else if (op == "//" || op == "%") {
      if (j == -1) {
        too_large = i == INT64_MIN;
        r = op == "//" && !too_large ? -i : 0;
      } else {
        const bool down = i % j != 0 && (i < 0) != (j < 0);
        r = op == "//" ? i / j - down : i % j + (down ? j : 0);
      }
    } else {
      if (j < 0) return std::pow(x, y);
      r = 1;
      for (int64_t k = 0; k < j && !too_large && (i < -1 || i > 1 || k < 2); k++)
        too_large = __builtin_mul_overflow(r, i, &r);
      if (i == -1) r = j % 2 == 0 ? 1 : -1;
    }
    if (too_large) throw fmt::format("{}: expected a result of 64 bits", op);
    return r;
  }

  Value repeated(const Value& value, int64_t n) const {
    const size_t times = static_cast<size_t>(std::max<int64_t>(n, 0));
    const size_t size = value.string() ? value.string()->size() : value.list()->size();
    if (size > 0 && times > limits_.bytes / size) check_size(SIZE_MAX);
    std::string text;
    List list;
    for (size_t i = 0; i < times && size > 0; i++) {
      if (value.string()) {
        text += *value.string();
      } else {
        list.insert(list.end(), value.list()->begin(), value.list()->end());
      }
    }
    if (value.string()) return text;
    return list;
  }

  static bool is(const std::string& op, const Value& a, const Value& b) {
    if (op == "==") return a == b;
    if (op == "!=") return !(a == b);
    if (op == "in") return contains(b, a);
    if (op == "not in") return !contains(b, a);
    for (const Value* v : {&a, &b}) {
      if (v->is_undefined()) throw fmt::format("'{}' is undefined", v->get<Undefined>()->name);
    }
    const int order = compare(a, b);
    return op == "<" ? order < 0 : op == "<=" ? order <= 0 : op == ">" ? order > 0 : order >= 0;
  }

  const Limits& limits_;
  int64_t now_;
  Sandbox sandbox_;
  int64_t steps_ = 0;
  int line_ = 1, depth_ = 0;
  List namespaces_;
};

}  // namespace

std::string render(const Body& body, const Value& globals, const Limits& limits, int64_t now) {
  return Interpreter(limits, now)(body, globals);
}

}  // namespace nextn::jinja
