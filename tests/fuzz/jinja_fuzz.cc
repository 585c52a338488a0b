// libFuzzer: any text is a template or an Error, and what it may take is bounded.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using nextn::jinja::Value;
  static const Value context = Value::of(nlohmann::ordered_json::parse(
      R"({"s": "Hello", "n": 7, "f": 2.5, "t": true, "none": null, "list": [3, 1, 2], "d": {"a": [1, {"x": null}]},
          "messages": [{"role": "user", "content": "w\u00f6rld"}, {"role": "assistant", "tool_calls": []}]})"));
  constexpr size_t kBytes = 1 << 20;
  try {
    const nextn::jinja::Body body = nextn::jinja::parse(std::string_view(reinterpret_cast<const char*>(data), size));
    const nextn::jinja::Limits limits = {.steps = 20000, .bytes = kBytes};
    if (nextn::jinja::render(body, context, limits, 0).size() > 2 * kBytes) __builtin_trap();
  } catch (const nextn::Error&) {
  }
  return 0;
}
