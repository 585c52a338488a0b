// The form that every front end builds: a context-free grammar over bytes. Rules whose right sides are expressions:
// byte classes, sequences, choices, repetition, calls of rules. build() turns it into a Grammar.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/byte_set.h"
#include "grammar/code_points.h"

namespace nextn::grammar {

class Grammar;

using Expr = int32_t;  // of one builder
using RuleId = int32_t;

inline constexpr int kUnbounded = -1;

// Everything throws Error{kRequest} where a grammar becomes too large (kMaxExprs, kMaxDepth); `what` begins its
// messages.
class GrammarBuilder {
 public:
  static constexpr int kMaxExprs = 400'000;
  static constexpr int kMaxDepth = 1'000;  // of an expression, calls not followed

  explicit GrammarBuilder(std::string what) : what_(std::move(what)) {}

  Expr empty();                                 // the empty text
  Expr literal(std::string_view text);          // these bytes
  Expr bytes(const ByteSet& set);               // one byte; of an empty set: no text at all
  Expr chars(const CodePointSet& set);          // one code point as UTF-8; of an empty set: no text at all
  Expr sequence(const std::vector<Expr>& all);  // one after another
  Expr choice(const std::vector<Expr>& any);    // one of these; of nothing: no text at all
  Expr repeat(Expr e, int min, int max);        // max: kUnbounded or at least min
  Expr optional(Expr e) { return repeat(e, 0, 1); }

  // Any of the items, in this order, those that are required at least, with `separator` between each two.
  struct Item {
    Expr expr;
    bool required;
  };
  Expr separated(Expr separator, const std::vector<Item>& items);

  // The texts of e that have none of these within. e calls no rule.
  Expr without(Expr e, const std::vector<std::string>& texts);

  // A rule may be called before it is defined, and by itself. Names are for messages.
  RuleId declare(std::string name);
  void define(RuleId rule, Expr body);
  Expr call(RuleId rule);

  // Throws Error{kRequest}: left recursion, no text at all, more states or work than the limits of compiler.h. Every
  // rule that was declared must be defined.
  std::shared_ptr<const Grammar> build(RuleId root) const;

  const std::string& what() const { return what_; }

 private:
  friend class Compiler;

  enum class Kind : uint8_t { kLiteral, kBytes, kSequence, kChoice, kRepeat, kSeparated, kWithout, kCall };
  struct Node {
    Kind kind;
    int16_t depth;
    // kLiteral: first byte in text_, size. kBytes: of sets_. kSequence, kChoice: first child in children_, count.
    // kRepeat: child, min, max. kSeparated: separator, first (expr, required) pair in children_, number of pairs.
    // kWithout: child, first literal in children_, count. kCall: rule.
    int32_t a = 0, b = 0, c = 0;
  };
  struct Rule {
    std::string name;
    Expr body = -1;
  };

  Expr add(Kind kind, int depth, int32_t a, int32_t b = 0, int32_t c = 0);
  Expr list(Kind kind, const std::vector<Expr>& children);
  int depth(Expr e) const { return nodes_[static_cast<size_t>(e)].depth; }
  void add_utf8(char32_t first, char32_t last, std::vector<Expr>& any);

  std::string what_;
  std::vector<Node> nodes_;  // children before parents
  std::vector<int32_t> children_;
  std::string text_;
  std::vector<ByteSet> sets_;
  std::map<ByteSet, int32_t> set_ids_;  // where in sets_
  std::vector<Rule> rules_;
};

}  // namespace nextn::grammar
