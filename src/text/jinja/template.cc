#include "text/jinja/template.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/lexer.h"
#include "text/jinja/parser.h"

namespace nextn::jinja {

struct Template::Tree {
  Block block;
};

Template::Template(std::string_view source, std::string name) : name_(std::move(name)) {
  try {
    tree_ = std::make_unique<const Tree>(Tree{parse(source)});
  } catch (const SyntaxError& error) {
    fail(ErrorCode::kFile, "{}:{}: {}", name_, error.line, error.message);
  }
}

Template::~Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;

std::string Template::render(const nlohmann::ordered_json& variables, const RenderOptions& options) const {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(options.now);
  std::tm now{};
  localtime_r(&seconds, &now);
  int line = 1;
  try {
    const Value values = from_json(variables);
    if (!values.is_dict()) raise("expected an object of variables, found another value");
    Interpreter interpreter(*values.dict(), options.limits, now);
    try {
      return interpreter.render(tree_->block);
    } catch (const Raised&) {
      line = interpreter.line();
      throw;
    }
  } catch (const Raised& error) {
    fail(ErrorCode::kRequest, "{}:{}: {}", name_, line, error.message);
  }
}

}  // namespace nextn::jinja
