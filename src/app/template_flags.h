// The flags that say how a conversation becomes a prompt.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>

namespace nextn {

class TemplateFlags {
 public:
  void add_to(CLI::App& app);

  // The Jinja template that was given; empty: the model's own. Throws Error{kSystem} for a file that cannot be read.
  std::string source() const;
  // Further names for it. Throws Error{kUsage} for what is no JSON object.
  nlohmann::ordered_json variables() const;

 private:
  std::string file_, variables_;
};

}  // namespace nextn
