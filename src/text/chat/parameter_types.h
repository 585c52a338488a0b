// What the schemas of a request's tools say about the types of parameters. Formats that write values as bare text need
// it: 12 is a number or a text, and only the schema knows.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>

namespace nextn {

// The types that a parameter may have, as bits.
struct ParameterType {
  static constexpr uint8_t kString = 1, kNumber = 2, kBoolean = 4, kNull = 8, kArray = 16, kObject = 32, kAny = 63;

  uint8_t bits = kAny;

  bool is_string() const noexcept { return bits == kString; }  // and nothing else
  bool allows(uint8_t type) const noexcept { return (bits & type) != 0; }
};

class ParameterTypes {
 public:
  // tools: an array in OpenAI's form. What is none, or says nothing of a type, allows any.
  explicit ParameterTypes(const nlohmann::ordered_json& tools);

  ParameterType of(const std::string& function, const std::string& parameter) const;

 private:
  std::unordered_map<std::string, std::unordered_map<std::string, ParameterType>> functions_;
};

}  // namespace nextn
