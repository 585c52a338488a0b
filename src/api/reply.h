// What a client is told of its answers, in its own protocol, while they are written.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/generation_request.h"
#include "base/clock.h"

namespace nextn::api {

// Some text of one answer, with the tokens that it ends. A token's text may still be held back (half a character, the
// beginning of a stop string); it comes with a later piece.
struct Piece {
  std::string text;  // not always UTF-8
  std::vector<TokenEvent> tokens;
};

// One request's answers. The calls come in the order of events; choices mix. In a stream each call gives the events to
// send, perhaps none; else what counts is body(), when all is done.
class Reply {
 public:
  virtual ~Reply() = default;

  virtual std::string begin() { return {}; }
  virtual std::string piece(int choice, Piece&& piece) = 0;
  virtual std::string done(int choice, const Generation& made) = 0;  // this choice is complete
  virtual std::string end() = 0;                                     // all are
  virtual std::string body() const = 0;
  // Instead of them: what went wrong after the answer was promised.
  virtual Json error_body(int status, std::string_view message) const { return error_json(status, message); }
  virtual std::string error(int status, std::string_view message) { return sse_event(error_body(status, message)); }
};

int64_t now_in_seconds() noexcept;  // Unix time

// "chatcmpl-" and 24 random characters.
std::string random_id(std::string_view prefix);

// Tokens of a request in OpenAI's form, summed over its choices.
class Usage {
 public:
  void add(const Generation& made, bool first_of_its_prompt);
  Json json() const;

 private:
  int64_t prompt_ = 0, cached_ = 0, completion_ = 0, drafted_ = 0, accepted_ = 0;
};

// Speed and drafts of one answer, in llama.cpp's names.
Json timings_json(const Generation& made);

// The same while it is written, as far as it is known.
class RunningTimings {
 public:
  void saw(const Piece& piece) noexcept;
  Json json() const;
  bool last_was_drafted() const noexcept { return last_was_drafted_; }

 private:
  Clock::time_point first_ = {};
  int64_t predicted_ = 0, drafted_ = 0, accepted_ = 0;
  bool last_was_drafted_ = false;
};

// "stop" or "length".
const char* finish_reason(EndReason reason) noexcept;

// The probabilities of tokens in OpenAI's chat form: [{"token", "logprob", "bytes", "top_logprobs": [..]}].
Json chat_logprobs(const std::vector<TokenEvent>& tokens, const Tokenizer& tokenizer);

}  // namespace nextn::api
