#include "text/jinja/arguments.h"

#include <algorithm>
#include <limits>

namespace nextn::jinja {

Parameters::Parameters(std::string_view function, const Arguments& arguments,
                       std::initializer_list<std::string_view> names, size_t n_required)
    : function_(function), values_(names.size(), nullptr) {
  if (arguments.positional.size() > names.size())
    raise("{}() takes at most {} arguments ({} given)", function, names.size(), arguments.positional.size());
  for (size_t i = 0; i < arguments.positional.size(); i++) values_[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto place = std::ranges::find(names, name);
    if (place == names.end()) raise("{}() got an unexpected keyword argument '{}'", function, name);
    const size_t i = static_cast<size_t>(place - names.begin());
    if (values_[i] != nullptr) raise("{}() got multiple values for argument '{}'", function, name);
    values_[i] = &value;
  }
  for (size_t i = 0; i < n_required; i++) {
    if (values_[i] == nullptr) raise("{}() missing a required argument: '{}'", function, *(names.begin() + i));
  }
}

int64_t Parameters::integer(size_t i, int64_t otherwise) const {
  return values_[i] == nullptr ? otherwise : to_index(*values_[i]);
}

const std::string& Parameters::text(size_t i, const std::string& otherwise) const {
  if (values_[i] == nullptr) return otherwise;
  if (values_[i]->is_undefined()) raise("{}", values_[i]->undefined_message());
  const std::string* text = values_[i]->text();
  if (text == nullptr) raise("{}() argument must be str, not {}", function_, values_[i]->type());
  return *text;
}

int64_t to_index(const Value& value) {
  if (value.is_undefined()) raise("{}", value.undefined_message());
  const auto integer = value.integer();
  if (!integer) raise("'{}' object cannot be interpreted as an integer", value.type());
  constexpr Integer kMin = std::numeric_limits<int64_t>::min(), kMax = std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(std::clamp(*integer, kMin, kMax));
}

}  // namespace nextn::jinja
