// Reads one tool call, from behind the marker that began it to its end; one reader for each way in which models write
// calls. What turns out to be no call before anything of it was told becomes content, word for word; nothing is told
// before it is clear that arguments follow, or that there are none.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "text/chat/parameter_types.h"
#include "text/chat/reply_events.h"

namespace nextn {

class CallReader {
 public:
  virtual ~CallReader() = default;

  // False: the call has ended, or there is none. Then rest() is what was read and is not part of it: a character, or a
  // marker or less.
  virtual bool take(char c) = 0;
  const std::string& rest() const noexcept { return rest_; }

  // The text has ended within the call.
  virtual void finish() = 0;

 protected:
  bool end(std::string rest = {}) {
    rest_ = std::move(rest);
    return false;
  }

 private:
  std::string rest_;
};

// Each is given what was read so far, in case it has to become content, and what outlives it.

// <tool_call>\n{"name": "f", "arguments": {..}}\n</tool_call>: Hermes, Qwen2.5, Qwen3. Begins before the brace.
//
// Arguments may come before the name, be called parameters, be a string of JSON, null or absent; other keys are
// dropped. A call begins with its arguments, which are passed on as they come. Once they are no JSON they still are, up
// to the next <tool_call> or </tool_call>, and the call is not whole.
std::unique_ptr<CallReader> read_hermes_call(std::string so_far, ReplyEvents& events);

// <tool_call>\n<function=NAME>\n<parameter=KEY>\nVALUE\n</parameter>\n..</function>\n</tool_call>: Qwen3-Coder,
// Qwen3.5. Begins before NAME; Qwen3-Coder sometimes leaves <tool_call> out.
//
// A newline at either end of VALUE belongs to the format. A value ends with its </parameter>, or, where that was
// forgotten, with the end of the whole call. Other text between parameters ends the call, which then has those before.
std::unique_ptr<CallReader> read_xml_call(std::string so_far, const ParameterTypes& types, ReplyEvents& events);

// <tool_call>NAME\n<arg_key>KEY</arg_key>\n<arg_value>VALUE</arg_value>\n..</tool_call>: GLM. Begins before NAME. VALUE
// is taken word for word; the newlines between may be absent. The rest as above.
std::unique_ptr<CallReader> read_glm_call(std::string so_far, const ParameterTypes& types, ReplyEvents& events);

// The characters of functions' names in the last two, and how many there may be: other text is prose about calls.
inline constexpr size_t kMaxFunctionName = 256;

inline bool is_in_function_name(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_-.:/").find(c) != std::string_view::npos;
}

}  // namespace nextn
