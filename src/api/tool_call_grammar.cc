#include "api/tool_call_grammar.h"

#include <algorithm>

#include "grammar/schema_compiler.h"
#include "text/chat/bare_value.h"
#include "text/chat/call_reader.h"
#include "text/chat/parameter_types.h"

namespace nextn::api {

namespace {

using grammar::Expr;
using grammar::GrammarBuilder;
using grammar::SchemaCompiler;
using BareText = SchemaCompiler::BareText;

// As ReplyParser reads the values of this parameter.
BareText bare_text_of(ParameterType type) {
  BareText bare;
  const bool or_null = (type.bits & ~(ParameterType::kString | ParameterType::kNull)) == 0;
  bare.kind = type.is_string()                                 ? BareText::Kind::kString
              : or_null && type.allows(ParameterType::kString) ? BareText::Kind::kStringOrNull
                                                               : BareText::Kind::kUnknown;
  bare.is_itself = [type](const std::string& text) {
    if (type.is_string()) return true;
    const Json read = parse_chat_json(value_as_json(text, type));
    return read.is_string() && read == text;
  };
  return bare;
}

class CallGrammar {
 public:
  CallGrammar(const ToolUse& use, const CallLayout& layout)
      : use_(use), layout_(layout), builder_("tools"), text_(builder_, layout.not_in_value), types_(use.tools) {}

  std::shared_ptr<const grammar::Grammar> build(bool after_reasoning) {
    const grammar::RuleId root = builder_.declare("the answer"), call = builder_.declare("a call");
    std::vector<Expr> any;
    for (const Json& tool : use_.tools) {
      const Json& function = tool["function"];
      if (use_.name.empty() || function["name"] == use_.name) any.push_back(call_of(function));
    }
    builder_.define(call, builder_.choice(any));
    std::vector<Expr> answer{builder_.literal(after_reasoning ? layout_.after_reasoning : ""), builder_.call(call)};
    if (use_.parallel) {
      const Expr next = builder_.sequence({builder_.literal(layout_.between), builder_.call(call)});
      answer.push_back(builder_.repeat(next, 0, grammar::kUnbounded));
    }
    builder_.define(root, builder_.sequence(answer));
    return builder_.build(root);
  }

 private:
  Expr call_of(const Json& function) {
    static const Json kNoParameters = {{"type", "object"}, {"properties", Json::object()}};
    const std::string& name = function["name"].get_ref<const std::string&>();
    const auto given = function.find("parameters");
    const Json& schema = given == function.end() || given->is_null() ? kNoParameters : *given;
    SchemaCompiler compiler(schema, fmt::format("tools[{}].parameters", name), builder_, text_);
    std::vector<Expr> parts{builder_.literal(layout_.begin), name_of(name), builder_.literal(layout_.after_name)};
    if (layout_.has_json_arguments()) {
      parts.push_back(compiler.object());
    } else {
      for (const SchemaCompiler::Property& property : compiler.properties()) {
        const Expr parameter = parameter_of(name, property, compiler);
        parts.push_back(property.required ? parameter : builder_.optional(parameter));
      }
    }
    compiler.finish();
    parts.push_back(builder_.literal(layout_.end));
    return builder_.sequence(parts);
  }

  Expr name_of(const std::string& name) {
    const bool is_plain =
        name.size() <= kMaxFunctionName && std::ranges::all_of(name, [](char c) { return is_in_function_name(c); });
    if (name.empty() || (!layout_.has_json_arguments() && !is_plain)) {
      fail(ErrorCode::kRequest, "tools[{}].name: expected letters, digits and any of _-.:/ for a call that is forced",
           name);
    }
    return layout_.has_json_arguments() ? text_.quoted_text(name) : builder_.literal(name);
  }

  Expr parameter_of(const std::string& function, const SchemaCompiler::Property& property, SchemaCompiler& compiler) {
    const std::string& key = property.name;
    const auto stands_in_key = [&](const std::string& part) { return key.find(part) != key.npos; };
    if (key.empty() || std::ranges::any_of(layout_.not_in_key, stands_in_key)) {
      fail(ErrorCode::kRequest, "{}: expected a name that the model's way of writing calls can hold", property.path);
    }
    const BareText bare = bare_text_of(types_.of(function, key));
    return builder_.sequence({builder_.literal(layout_.before_key), builder_.literal(key),
                              builder_.literal(layout_.after_key), compiler.value_of(property, bare),
                              builder_.literal(layout_.after_value)});
  }

  const ToolUse& use_;
  const CallLayout& layout_;
  GrammarBuilder builder_;
  grammar::JsonText text_;
  const ParameterTypes types_;
};

}  // namespace

std::shared_ptr<const grammar::Grammar> tool_call_grammar(const ToolUse& use, const CallLayout& layout,
                                                          bool after_reasoning) {
  return CallGrammar(use, layout).build(after_reasoning);
}

}  // namespace nextn::api
