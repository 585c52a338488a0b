#include "text/tokenizer/stream_decoder.h"

#include <utility>

#include "text/tokenizer/tokenizer.h"
#include "text/tokenizer/unicode.h"

namespace nextn {

std::string StreamDecoder::push(int32_t id) {
  std::string bytes = std::exchange(held_, {});
  bytes += tokenizer_.piece(id, render_special_);
  const size_t n_complete = bytes.size() - incomplete_utf8_suffix(bytes);
  held_ = bytes.substr(n_complete);
  bytes.resize(n_complete);
  return bytes;
}

std::string StreamDecoder::finish() {
  return std::exchange(held_, {});
}

}  // namespace nextn
