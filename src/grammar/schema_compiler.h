// The compiler behind json_schema.h: a schema becomes an expression, each object, array and target of a $ref a rule.
// schema_types.cc has the keywords that speak of one type, json_schema.cc those that combine schemas.
#pragma once

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

  // The schema must outlive it.
  explicit SchemaCompiler(const Json& root) : root_(root), b_("json_schema"), text_(b_) {}

  // Throws as parse_json_schema.
  std::shared_ptr<const Grammar> run();

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
  Expr all_of(const Place& at, int depth);
  Expr any_of(const Place& at, const char* key, int depth);

  std::vector<std::string> types(const Place& at);
  Expr of_types(const Place& at, int depth);
  Expr constants(const Place& at);
  std::optional<int> count(const Place& at, const char* key);
  void check_bounds(const Place& at, const char* key, int min, int max);
  Expr string(const Place& at);
  Expr number(const Place& at, bool integer);
  Expr own_rule(const Place& at, int depth);
  Expr list_of(Expr one);
  Expr object(const Place& at, int depth);
  Expr array(const Place& at, int depth);
  Expr brackets(const Place& at, Expr elements);

  const Json& root_;
  GrammarBuilder b_;
  JsonText text_;
  std::map<std::string, RuleId> targets_;  // by $ref
  std::vector<Waiting> waiting_;           // rules that are called and not defined yet
  size_t n_values_ = 0;
};

}  // namespace nextn::grammar
