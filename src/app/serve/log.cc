#include "app/serve/log.h"

#include <fmt/chrono.h>

#include <chrono>

#include "app/output.h"

namespace nextn {

namespace {

using Json = nlohmann::ordered_json;

std::string now() {
  const auto time = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(time)), ms);
}

std::string to_text(const Json& value) {
  if (value.is_string()) return printable(value.get_ref<const std::string&>());
  if (value.is_number_float()) return fmt::format("{:.4g}", value.get<double>());
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

void Log::line(const char* level, std::string_view event, const Json& fields) const {
  std::string text;
  if (format_ == Format::kJson) {
    Json line = {{"time", now()}, {"level", level}, {"event", event}};
    line.update(fields.is_object() ? fields : Json::object());
    text = line.dump(-1, ' ', false, Json::error_handler_t::replace);
  } else {
    text = fmt::format("{} {:<7} {}", now(), level, event);
    for (const auto& [name, value] : fields.items()) text += fmt::format(" {}={}", name, to_text(value));
  }
  write_stderr(text + "\n");
}

void Log::info(std::string_view event, const Json& fields) const noexcept {
  try {
    line("info", event, fields);
  } catch (const std::exception&) {  // no memory for a line of a log: the server goes on
  }
}

void Log::warning(std::string_view event, const Json& fields) const noexcept {
  try {
    line("warning", event, fields);
  } catch (const std::exception&) {
  }
}

}  // namespace nextn
