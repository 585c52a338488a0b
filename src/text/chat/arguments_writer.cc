#include "text/chat/arguments_writer.h"

#include <utility>

#include "text/chat/bare_value.h"

namespace nextn {

void ArgumentsWriter::begin(std::string name) {
  begun_ = true;
  name_ = std::move(name);
  events_.begin_call(name_);
}

void ArgumentsWriter::key(const std::string& key) {
  std::string text = std::exchange(empty_, false) ? "{\"" : ",\"";
  append_escaped(text, key);
  text += "\":";
  type_ = types_.of(name_, key);
  if (type_.is_string()) text += '"';
  events_.arguments(text);
}

void ArgumentsWriter::value(std::string_view piece) {
  if (!type_.is_string()) {
    held_ += piece;
    return;
  }
  std::string text;
  append_escaped(text, piece);
  events_.arguments(text);
}

void ArgumentsWriter::end_value() {
  events_.arguments(type_.is_string() ? "\"" : value_as_json(std::exchange(held_, {}), type_));
}

void ArgumentsWriter::end() {
  events_.arguments(empty_ ? "{}" : "}");
  events_.end_call(true);
}

void ArgumentsWriter::cut() {
  events_.arguments(std::exchange(held_, {}));
  events_.end_call(false);
}

}  // namespace nextn
