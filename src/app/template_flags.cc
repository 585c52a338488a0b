#include "app/template_flags.h"

#include "app/command.h"
#include "base/error.h"
#include "text/chat/chat_template.h"

namespace nextn {

void TemplateFlags::add_to(CLI::App& app) {
  app.add_option("--chat-template-kwargs", variables_, "JSON object: names for the template");
  app.add_option("--chat-template-file", file_, "a Jinja template instead of the file's own");
}

std::string TemplateFlags::source() const {
  return file_.empty() ? std::string() : read_prompt_file(file_);
}

nlohmann::ordered_json TemplateFlags::variables() const {
  if (variables_.empty()) return nlohmann::ordered_json::object();
  nlohmann::ordered_json read = parse_chat_json(variables_);
  if (!read.is_object()) {
    fail(ErrorCode::kUsage, "--chat-template-kwargs: expected a JSON object, found '{}'", variables_);
  }
  return read;
}

}  // namespace nextn
