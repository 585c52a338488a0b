// A chat template: jinja2 as Hugging Face sets it up, in a subset and in a sandbox.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "text/jinja/sandbox.h"

namespace nextn::jinja {

struct RenderOptions {
  Limits limits;
  std::chrono::system_clock::time_point now =
      std::chrono::system_clock::now();  // what strftime_now tells, in local time
};

// Parsed once, rendered as often as wanted, by several threads at once if need be.
class Template {
 public:
  // Throws Error{kFile} with the line: "chat template:12: expected ..., found ...".
  explicit Template(std::string_view source, std::string name = "chat template");
  ~Template();
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;

  // `variables` is an object. Throws Error{kRequest} with the line where the template raises an exception, uses a value
  // in a way that Python would not, or takes more than it may.
  std::string render(const nlohmann::ordered_json& variables, const RenderOptions& options = {}) const;

 private:
  struct Tree;
  std::string name_;
  std::unique_ptr<const Tree> tree_;
};

}  // namespace nextn::jinja
