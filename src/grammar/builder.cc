#include "grammar/builder.h"

#include <algorithm>

#include "base/error.h"
#include "grammar/compiler.h"
#include "grammar/grammar.h"

namespace nextn::grammar {

Expr GrammarBuilder::add(Kind kind, int depth, int32_t a, int32_t b, int32_t c) {
  if (nodes_.size() >= static_cast<size_t>(kMaxExprs) || children_.size() > size_t{4} * kMaxExprs ||
      text_.size() > size_t{4} * kMaxExprs)
    fail(ErrorCode::kRequest, "{}: expected at most {} parts, found more", what_, kMaxExprs);
  if (depth > kMaxDepth)
    fail(ErrorCode::kRequest, "{}: expected at most {} levels of nesting, found more", what_, kMaxDepth);
  nodes_.push_back({kind, static_cast<int16_t>(depth), a, b, c});
  return static_cast<Expr>(nodes_.size()) - 1;
}

Expr GrammarBuilder::list(Kind kind, const std::vector<Expr>& children) {
  if (children.size() == 1) return children[0];
  const auto first = static_cast<int32_t>(children_.size());
  int deepest = 0;
  for (Expr e : children) {
    children_.push_back(e);
    deepest = std::max(deepest, depth(e));
  }
  return add(kind, deepest + 1, first, static_cast<int32_t>(children.size()));
}

Expr GrammarBuilder::empty() {
  return literal("");
}

Expr GrammarBuilder::literal(std::string_view text) {
  const auto first = static_cast<int32_t>(text_.size());
  text_ += text;
  return add(Kind::kLiteral, 1, first, static_cast<int32_t>(text.size()));
}

Expr GrammarBuilder::bytes(const ByteSet& set) {
  const auto [found, is_new] = set_ids_.try_emplace(set, static_cast<int32_t>(sets_.size()));
  if (is_new) sets_.push_back(set);
  return add(Kind::kBytes, 1, found->second);
}

// A range of code points whose UTF-8 has one length becomes byte ranges: it is cut where a leading byte changes unless
// all continuations below it are in.
void GrammarBuilder::add_utf8(char32_t first, char32_t last, std::vector<Expr>& any) {
  for (const char32_t end : {0x7Fu, 0x7FFu, 0xFFFFu}) {
    if (first <= end && end < last) {
      add_utf8(first, end, any);
      add_utf8(end + 1, last, any);
      return;
    }
  }
  for (int shift = 6; shift <= 18 && last >= 0x80; shift += 6) {
    const char32_t low = (char32_t{1} << shift) - 1;
    if ((first & ~low) == (last & ~low)) break;  // one leading part: nothing above to cut
    if ((first & low) != 0) {
      add_utf8(first, first | low, any);
      add_utf8((first | low) + 1, last, any);
      return;
    }
    if ((last & low) != low) {
      add_utf8(first, (last & ~low) - 1, any);
      add_utf8(last & ~low, last, any);
      return;
    }
  }
  std::string from, to;
  append_utf8(first, from);
  append_utf8(last, to);
  std::vector<Expr> sequence_of_bytes;
  for (size_t i = 0; i < from.size(); i++)
    sequence_of_bytes.push_back(bytes(ByteSet(static_cast<uint8_t>(from[i]), static_cast<uint8_t>(to[i]))));
  any.push_back(sequence(sequence_of_bytes));
}

Expr GrammarBuilder::chars(const CodePointSet& set) {
  std::vector<Expr> any;
  ByteSet ascii;
  for (auto [first, last] : set.ranges()) {
    if (first < 0x80) {
      const char32_t end = std::min<char32_t>(last, 0x7F);
      ascii.add(static_cast<uint8_t>(first), static_cast<uint8_t>(end));
      if (last == end) continue;
      first = 0x80;
    }
    add_utf8(first, last, any);
  }
  if (!ascii.empty() || any.empty()) any.push_back(bytes(ascii));
  return choice(any);
}

Expr GrammarBuilder::sequence(const std::vector<Expr>& all) {
  return all.empty() ? empty() : list(Kind::kSequence, all);
}

Expr GrammarBuilder::choice(const std::vector<Expr>& any) {
  return list(Kind::kChoice, any);
}

Expr GrammarBuilder::repeat(Expr e, int min, int max) {
  NEXTN_CHECK(min >= 0 && (max == kUnbounded || max >= min));
  return add(Kind::kRepeat, depth(e) + 1, e, min, max);
}

Expr GrammarBuilder::separated(Expr separator, const std::vector<Item>& items) {
  const auto first = static_cast<int32_t>(children_.size());
  int deepest = depth(separator);
  for (const Item& item : items) {
    children_.push_back(item.expr);
    children_.push_back(item.required);
    deepest = std::max(deepest, depth(item.expr));
  }
  return add(Kind::kSeparated, deepest + 1, separator, first, static_cast<int32_t>(items.size()));
}

Expr GrammarBuilder::without(Expr e, const std::vector<std::string>& texts) {
  std::vector<Expr> literals;
  for (const std::string& text : texts) literals.push_back(literal(text));
  const auto first = static_cast<int32_t>(children_.size());
  children_.insert(children_.end(), literals.begin(), literals.end());
  return add(Kind::kWithout, depth(e) + 1, e, first, static_cast<int32_t>(literals.size()));
}

RuleId GrammarBuilder::declare(std::string name) {
  rules_.push_back({std::move(name), -1});
  return static_cast<RuleId>(rules_.size()) - 1;
}

void GrammarBuilder::define(RuleId rule, Expr body) {
  rules_[static_cast<size_t>(rule)].body = body;
}

Expr GrammarBuilder::call(RuleId rule) {
  return add(Kind::kCall, 1, rule);
}

std::shared_ptr<const Grammar> GrammarBuilder::build(RuleId root) const {
  return std::make_shared<const Grammar>(Compiler(*this, root).run());
}

}  // namespace nextn::grammar
