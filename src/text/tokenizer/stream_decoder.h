// Tokens to text while they come. A token may end in the middle of a character; what this hands out never does.
#pragma once

#include <cstdint>
#include <string>

namespace nextn {

class Tokenizer;

// For one stream and one thread. What all calls return, joined, is Tokenizer::decode of all tokens, byte for byte:
// bytes that are no UTF-8 and cannot become any are handed out as they are. A consumer that must have UTF-8 (JSON)
// passes every returned string through replace_invalid_utf8; the result does not depend on where the stream was cut.
class StreamDecoder {
 public:
  // The tokenizer must outlive the decoder.
  explicit StreamDecoder(const Tokenizer& tokenizer, bool render_special = false)
      : tokenizer_(tokenizer), render_special_(render_special) {}

  // Takes the next token; returns the bytes that are complete now, perhaps none.
  std::string push(int32_t id);

  // Ends the stream: returns what is still held back (at most 3 bytes of an unfinished character) and starts afresh.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool render_special_;
  std::string held_;
};

}  // namespace nextn
