// What the server says while it runs: one line for a thing, on stderr, as text or as JSON. Never what users write.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace nextn {

class Log {
 public:
  enum class Format { kText, kJson };

  explicit Log(Format format) : format_(format) {}

  // {"time", "level", "event", fields..} or "TIME LEVEL event name=value ..". From any thread.
  void info(std::string_view event, const nlohmann::ordered_json& fields = {}) const noexcept;
  void warning(std::string_view event, const nlohmann::ordered_json& fields = {}) const noexcept;

 private:
  void line(const char* level, std::string_view event, const nlohmann::ordered_json& fields) const;

  Format format_;
};

}  // namespace nextn
