// What a template is parsed into.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace nextn::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class ExprKind : uint8_t {
  kLiteral,
  kName,       // name
  kList,       // args
  kTuple,      // args
  kDict,       // args: key, value, key, value ..
  kAttribute,  // args[0] . name
  kItem,       // args[0] [args[1]]
  kSlice,      // args[0] [args[1] : args[2] : args[3]], nullptr where left out
  kCall,       // args[0] (args[1].., named)
  kFilter,     // args[0] | name (args[1].., named)
  kTest,       // args[0] is name (args[1]..)
  kUnary,      // name args[0]: not, -, +
  kBinary,     // args[0] name args[1]: and, or and operators
  kCompare,    // args[0] names[0] args[1] names[1] args[2] ..
  kCondition,  // args[1] if args[0] else args[2], which may be nullptr
};

struct Expr {
  ExprKind kind;
  int line;
  std::string name = {};
  Value literal = {};
  std::vector<ExprPtr> args = {};
  std::vector<std::pair<std::string, ExprPtr>> named = {};
  std::vector<std::string> names = {};
  int depth = 1;  // of nesting
};

struct Stmt;
using Body = std::vector<Stmt>;

enum class StmtKind : uint8_t {
  kText,      // text
  kPrint,     // exprs[0]
  kIf,        // exprs[i]: bodies[i]; one more body: else
  kFor,       // names in exprs[0] if exprs[1]: bodies[0] else bodies[1]
  kSet,       // names = exprs[0]; or object.names[0] where object is not empty
  kSetBlock,  // names[0] = bodies[0] | filters
  kMacro,     // text(names, defaults: exprs, nullptr where there is none): bodies[0]
  kFilter,    // bodies[0] | filters
  kGroup,     // bodies[0], in a scope of its own
  kBreak,
  kContinue,
};

struct Stmt {
  StmtKind kind;
  int line;
  std::string text = {};
  std::string object = {};
  std::vector<std::string> names = {};
  std::vector<ExprPtr> exprs = {};
  std::vector<Body> bodies = {};
  ExprPtr filters = {};  // a chain whose innermost argument is the name kFiltered
};

constexpr const char* kFiltered = "";  // what a filter block filters

}  // namespace nextn::jinja
