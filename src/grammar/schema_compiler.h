// The compiler behind json_schema.h: a schema becomes an expression, each object, array and target of a $ref a rule.
// schema_types.cc has the keywords that speak of one type, json_schema.cc those that combine schemas. A larger grammar
// may hold the values of several schemas, and those of an object's properties apart from each other.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "grammar/builder.h"
#include "grammar/grammar.h"
#include "grammar/json_text.h"

namespace nextn::grammar {

class SchemaCompiler {
 public:
  using Json = nlohmann::ordered_json;

  static constexpr int kMaxDepth = 64;           // of schemas in schemas
  static constexpr size_t kMaxValues = 500'000;  // of JSON looked at or copied, merges counted
  static constexpr int kMaxCount = 100'000;      // of minLength, maxLength, minItems, maxItems

  // A property of an object; its schema lives as long as the compiler and what that was given.
  struct Property {
    std::string name;
    const Json& schema;
    std::string path;
    bool required;
  };

  // How values are written that are no part of a JSON text and may be a string without quotes.
  struct BareText {
    enum class Kind {
      kString,        // any text is read as the string that it is
      kStringOrNull,  // any text is read as a string, or as null
      kUnknown,       // JSON is read as what it says
    };
    Kind kind;
    std::function<bool(const std::string&)> is_itself;  // whether this text is read as the string that it is
  };

  // path: the root's, in messages. All must outlive it. All that follows throws as parse_json_schema.
  SchemaCompiler(const Json& root, std::string path, GrammarBuilder& builder, JsonText& text);

  Expr value();   // the texts of valid values
  Expr object();  // of those that are objects

  // Of a schema for objects that are written property by property; additional ones are left out. Throws also for
  // keywords that speak of several properties (anyOf, enum ..).
  std::vector<Property> properties();
  Expr value_of(const Property& property, const BareText& bare);

  // To be called last: defines the rules that are called and not defined yet.
  void finish();

 private:
  // A schema, and where it stands.
  struct Place {
    const Json& schema;
    std::string path;

    bool has(const char* key) const { return schema.contains(key); }
    const Json& operator[](const char* key) const { return schema.at(key); }
    std::string path_of(std::string_view key) const { return fmt::format("{}.{}", path, key); }
    [[noreturn]] void error(std::string_view key, std::string_view message) const {
      fail(ErrorCode::kRequest, "{}: {}", path_of(key), message);
    }
  };
  struct Waiting {
    RuleId rule;
    const Json* schema;  // within root_
    std::string path;
  };

  void count_values(const Json& json, int depth);
  Json merge(const Json& a, const Json& b, const std::string& path);

  Place find(const Place& from);
  RuleId target(const std::string& ref, const Place& place);

  Expr value(const Place& at, int depth);
  void check_keywords(const Place& at);
  static std::optional<Json> without(const Json& schema, const std::string& key);
  Expr reference(const Place& at, int depth);
  const Json& list(const Place& at, const char* key);
  Json merged(const Place& at);
  Expr any_of(const Place& at, const char* key, int depth);

  std::vector<std::string> types(const Place& at);
  Expr of_types(const Place& at, int depth);
  Expr constants(const Place& at);
  std::vector<Property> properties(const Place& at) const;
  bool is_bare(BareText::Kind least) const { return bare_ != nullptr && bare_->kind <= least; }
  std::optional<int> count(const Place& at, const char* key);
  void check_bounds(const Place& at, const char* key, int min, int max);
  Expr string(const Place& at);
  Expr number(const Place& at, bool integer);
  Expr own_rule(const Place& at, int depth);
  Expr list_of(Expr one);
  Expr object(const Place& at, int depth);
  Expr array(const Place& at, int depth);
  Expr elements(const Place& at, int depth);
  Expr brackets(const Place& at, Expr elements);

  const Json& root_;
  const std::string path_;
  GrammarBuilder& b_;
  JsonText& text_;
  const BareText* bare_ = nullptr;         // of the value that is compiled; null within JSON text
  std::optional<Json> object_;             // that properties() speaks of, where schemas were merged
  std::map<std::string, RuleId> targets_;  // by $ref
  std::vector<Waiting> waiting_;           // rules that are called and not defined yet
  size_t n_values_ = 0;
};

}  // namespace nextn::grammar
