#include "text/jinja/objects.h"

namespace nextn::jinja {

Value Loop::attribute(std::string_view name) const {
  const size_t size = items.size();
  if (name == "index") return Value(index + 1);
  if (name == "index0") return Value(index);
  if (name == "revindex") return Value(size - index);
  if (name == "revindex0") return Value(size - index - 1);
  if (name == "first") return Value(index == 0);
  if (name == "last") return Value(index + 1 == size);
  if (name == "length") return Value(size);
  if (name == "depth") return Value(level + 1);
  if (name == "depth0") return Value(level);
  if (name == "previtem") return index == 0 ? Value::undefined("there is no previous item") : items[index - 1];
  if (name == "nextitem") return index + 1 >= size ? Value::undefined("there is no next item") : items[index + 1];
  return Value::undefined({});
}

}  // namespace nextn::jinja
