#include "api/structured_output.h"

#include "grammar/builder.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/regex.h"
#include "text/chat/chat_template.h"

namespace nextn::api {

namespace {

using GrammarPtr = std::shared_ptr<const grammar::Grammar>;

constexpr size_t kMaxChoices = 10'000;

GrammarPtr one_of(const std::vector<std::string>& texts) {
  grammar::GrammarBuilder builder("guided_choice");
  std::vector<grammar::Expr> any;
  for (const std::string& text : texts) any.push_back(builder.literal(text));
  const grammar::RuleId root = builder.declare("root");
  builder.define(root, builder.choice(any));
  return builder.build(root);
}

GrammarPtr grammar_of(const Fields& body, const char* name, const Json& value) {
  const std::string_view kind = name;
  if (kind == "json_schema" || kind == "guided_json") {
    if (!value.is_string()) return grammar::parse_json_schema(value);
    const Json schema = parse_chat_json(value.get_ref<const std::string&>());
    if (schema.is_discarded()) body.refuse(name, "a JSON schema", value);
    return grammar::parse_json_schema(schema);
  }
  if (kind == "guided_choice") {
    if (!value.is_array() || value.empty()) body.refuse(name, "an array of strings", value);
    return one_of(body.strings(name, kMaxChoices));
  }
  if (!value.is_string()) body.refuse(name, "a string", value);
  const std::string& text = value.get_ref<const std::string&>();
  if (text.empty()) return nullptr;  // llama.cpp's clients send "" for none
  return kind == "guided_regex" ? grammar::parse_regex(text) : grammar::parse_gbnf(text);
}

}  // namespace

GrammarPtr read_format(const Fields& format) {
  const std::string type = format.string("type").value_or("");
  if (type == "text") return nullptr;
  if (type == "json_object") {
    const Json* const schema = format.find("schema");
    return schema == nullptr ? grammar::json_object_grammar() : grammar::parse_json_schema(*schema);
  }
  if (type != "json_schema") {
    fail(ErrorCode::kRequest, "{}: expected text, json_object or json_schema, found '{}'", format.path("type"), type);
  }
  // Chat completions put the schema in an object of its own, responses do not.
  const auto wrapped = format.object("json_schema");
  const Json* const schema = (wrapped ? *wrapped : format).find("schema");
  if (schema == nullptr) fail(ErrorCode::kRequest, "{}: expected a schema", format.path("json_schema"));
  return grammar::parse_json_schema(*schema);
}

GrammarPtr read_grammar(const Fields& body) {
  GrammarPtr found;
  for (const char* name :
       {"grammar", "json_schema", "guided_json", "guided_regex", "guided_choice", "guided_grammar"}) {
    const Json* const value = body.find(name);
    GrammarPtr one = value == nullptr ? nullptr : grammar_of(body, name, *value);
    if (one && found) fail(ErrorCode::kRequest, "{}: expected one grammar, found another beside it", name);
    if (one) found = std::move(one);
  }
  return found;
}

}  // namespace nextn::api
