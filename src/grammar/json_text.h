// The parts of JSON text, as expressions. Decided here:
// - Whitespace: none before and after the whole text and before a colon or comma; after a colon at most one space;
// after
//   [ { , and before ] } at most one space, or one line end and an indentation (kMaxSpaces or kMaxTabs). So a model
//   cannot write whitespace for ever.
// - Numbers: at most 18 digits before the point, 24 after it, and an exponent below that of the largest double.
// - Strings: valid UTF-8, or escapes of Unicode characters (no lone surrogates).
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "grammar/builder.h"

namespace nextn::grammar {

class JsonText {
 public:
  static constexpr int kMaxSpaces = 64, kMaxTabs = 16;
  static constexpr int kMaxDigits = 18, kMaxFraction = 24;

  // forbidden: texts that no string may have within as it is written, because of what stands around the JSON. The
  // builder must outlive it.
  explicit JsonText(GrammarBuilder& builder, std::vector<std::string> forbidden = {})
      : b_(builder), forbidden_(std::move(forbidden)) {}

  Expr value();
  Expr object();  // any
  Expr array();   // any
  Expr string();  // any
  Expr integer();
  Expr number();
  Expr boolean() { return b_.choice({b_.literal("true"), b_.literal("false")}); }
  Expr null() { return b_.literal("null"); }

  Expr character();                         // of a string, written in any way
  Expr chars(const CodePointSet& set);      // of a string, each escaped only where it has to be, and in one way
  Expr quoted(Expr content);                // in quotes
  Expr quoted_text(std::string_view text);  // this string, written as by chars()
  // A string, written as by chars(), that is none of these.
  Expr string_except(const std::vector<std::string>& texts);
  Expr constant(const nlohmann::ordered_json& value, int depth = 0);

  Expr bare();  // any text, without quotes
  // Strings, and texts without quotes, of so many characters; max: kUnbounded or at least min. Of long ones the
  // automaton would be too large: then the first kForbiddenStart bytes of a forbidden text are forbidden already.
  static constexpr int kLong = 32;
  static constexpr size_t kForbiddenStart = 5;
  Expr string(int min, int max) { return bounded(min, max, false); }
  Expr bare(int min, int max) { return bounded(min, max, true); }
  Expr allowed(Expr written);  // but for what has forbidden texts within; it calls no rule

  Expr member(Expr key, Expr value);                               // of an object
  Expr braces(Expr members);                                       // { and } around them
  Expr members(const std::vector<GrammarBuilder::Item>& members);  // with commas between
  Expr brackets(Expr elements);                                    // [ and ]
  Expr comma();

 private:
  Expr space();
  Expr rule(std::optional<RuleId>& id, const char* name, Expr (JsonText::*body)());
  Expr any_value();
  Expr any_object();
  Expr any_array();
  Expr any_string();
  Expr any_space();
  Expr any_number();
  Expr any_rest();
  Expr any_bare();
  Expr bounded(int min, int max, bool is_bare);

  GrammarBuilder& b_;
  const std::vector<std::string> forbidden_;
  std::map<std::tuple<int, int, bool>, RuleId> bounded_;
  std::optional<RuleId> value_, object_, array_, string_, space_, number_, rest_, bare_;
};

}  // namespace nextn::grammar
