// Writes the arguments of a call as a JSON object, piece by piece, where the model writes them as keys and bare text.
// A string goes out as it comes; any other value is held until its end shows what it is.
#pragma once

#include <string>
#include <string_view>

#include "text/chat/parameter_types.h"
#include "text/chat/reply_events.h"

namespace nextn {

class ArgumentsWriter {
 public:
  // Both have to outlive the writer.
  ArgumentsWriter(const ParameterTypes& types, ReplyEvents& events) : types_(types), events_(events) {}

  void begin(std::string name);  // the call of this function
  bool begun() const noexcept { return begun_; }

  void key(const std::string& key);  // a value begins
  void value(std::string_view piece);
  void end_value();

  void end();  // between values: closes the object and the call
  void cut();  // closes the call alone: what was written of the arguments goes out and can be seen to be cut off

 private:
  const ParameterTypes& types_;
  ReplyEvents& events_;
  std::string name_;
  bool begun_ = false;
  bool empty_ = true;  // no key yet
  ParameterType type_;
  std::string held_;  // of a value that is not just a string
};

}  // namespace nextn
