// A client's JSON object, read field by field. What is not as it should be is an error that names the field; null is
// as good as nothing, and fields that nobody reads are left alone.
#pragma once

#include <optional>
#include <string>

#include "api/json.h"

namespace nextn::api {

class Fields {
 public:
  // `path` is where the object stands: "" for the body. The object outlives the reader.
  explicit Fields(const Json& object, std::string path = {}) : object_(object), path_(std::move(path)) {}

  // nullptr where there is nothing or null.
  const Json* find(const char* name) const;
  bool has(const char* name) const { return find(name) != nullptr; }

  // Throw Error{kRequest} for another type and for what is out of range.
  std::optional<double> number(const char* name, double low, double high) const;
  std::optional<int64_t> integer(const char* name, int64_t low, int64_t high) const;
  std::optional<bool> boolean(const char* name) const;
  std::optional<std::string> string(const char* name) const;
  std::optional<Fields> object(const char* name) const;
  // A string, or an array of strings.
  std::vector<std::string> strings(const char* name, size_t most) const;

  const Json& json() const noexcept { return object_; }
  std::string path(const char* name) const { return path_.empty() ? name : path_ + "." + name; }

  [[noreturn]] void refuse(const char* name, std::string_view expected, const Json& found) const;

 private:
  const Json& object_;
  std::string path_;
};

// What an error says was found: a short value itself, else its type.
std::string shown(const Json& value);

}  // namespace nextn::api
