// libFuzzer: any text is a template or an Error, and what it may take is bounded.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "text/jinja/template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto variables = nlohmann::ordered_json::parse(
      R"({"s": "Hello", "n": 7, "f": 2.5, "t": true, "none": null, "list": [3, 1, 2], "d": {"a": [1, {"x": null}]},
          "messages": [{"role": "user", "content": "w\u00f6rld"}, {"role": "assistant", "tool_calls": []}]})");
  nextn::jinja::RenderOptions options;
  options.limits.steps = 20000;
  options.limits.bytes = 1 << 20;
  try {
    const nextn::jinja::Template source(std::string_view(reinterpret_cast<const char*>(data), size));
    if (source.render(variables, options).size() > options.limits.bytes) __builtin_trap();
  } catch (const nextn::Error&) {
  }
  return 0;
}
