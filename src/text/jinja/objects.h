// The values that only jinja2 has.
#pragma once

#include <algorithm>

#include "text/jinja/interpreter.h"

namespace nextn::jinja {

struct Namespace : Object {
  std::string type() const override { return "jinja2.utils.Namespace"; }
  std::string representation() const override { return "<Namespace>"; }

  Dict attributes;
};

struct Macro : Object {
  std::string type() const override { return "jinja2.runtime.Macro"; }
  std::string representation() const override { return "<Macro " + python_quoted(definition->name) + ">"; }

  const MacroDefinition* definition;
  Scope* scope;  // where it was defined
};

// `loop` of a for.
struct Loop : Object {
  explicit Loop(std::vector<Value> values) : items(std::move(values)), depth_of_items(0) {
    for (const Value& item : items) depth_of_items = std::max(depth_of_items, item.depth());
    if (depth_of_items >= kMaxValueDepth) raise("expected values nested at most {} deep, found more", kMaxValueDepth);
  }
  std::string type() const override { return "jinja2.runtime.LoopContext"; }
  std::string representation() const override { return fmt::format("<LoopContext {}/{}>", index + 1, items.size()); }
  int depth() const noexcept override { return depth_of_items + 1; }

  Value attribute(std::string_view name) const;  // undefined for an unknown one; not for its methods

  std::vector<Value> items;
  int depth_of_items;
  size_t index = 0;
  int level = 0;  // of a recursive loop
  bool runs = true;
  const For* statement = nullptr;     // of a recursive loop, while it runs
  Scope* scope = nullptr;             // what the loop is in
  std::optional<Value> last_changed;  // loop.changed, while it runs
};

// A global function.
struct Function : Object {
  using Run = Value (*)(Interpreter&, const Arguments&);
  Function(std::string_view its_name, Run its_run) : name(its_name), run(its_run) {}
  std::string type() const override { return "function"; }
  std::string representation() const override { return "<function " + std::string(name) + ">"; }

  std::string_view name;
  Run run;
};

// object.method, not called yet.
struct Method : Object {
  using Run = Value (*)(Interpreter&, const Value& self, const Arguments&);
  Method(Value its_self, Run its_run) : self(std::move(its_self)), run(its_run) {}
  std::string type() const override { return "builtin_function_or_method"; }
  std::string representation() const override { return "<built-in method>"; }
  int depth() const noexcept override { return self.depth(); }

  Value self;
  Run run;
};

}  // namespace nextn::jinja
