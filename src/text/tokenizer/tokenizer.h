// Text to token ids and back, for byte-level BPE vocabularies (GPT-2, Qwen, GLM-4, Llama 3, DeepSeek-LLM).
// encode: special tokens are cut out of the raw text; what is between them is normalised where the model's own
// tokenizer does that, cut into pieces (pre_tokenizer.h), and each piece merged from its bytes (bpe.h). Text need not
// be UTF-8: a byte that is not is its own token, and decode gives it back; normalisation leaves it alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/bpe.h"
#include "text/tokenizer/pre_tokenizer.h"
#include "text/tokenizer/special_tokens.h"
#include "text/tokenizer/tokenizer_data.h"

namespace nextn {

// Immutable; any number of threads may use one at the same time.
class Tokenizer {
 public:
  // Throws Error{kFile} naming the key: an unknown model or pre-tokenizer, no tokens, types or merges that are not
  // right.
  explicit Tokenizer(TokenizerData data);

  // add_special: bos and eos around the ids, as far as the file asks for them. parse_special: control tokens that are
  // written out in the text become those tokens; otherwise they are text like any other. User-defined tokens always are
  // recognised. Time is O(n log n) for any text. A byte of a valid character that the vocabulary has no token for is
  // dropped; an invalid byte it has none for becomes U+FFFD.
  std::vector<int32_t> encode(std::string_view text, bool add_special, bool parse_special) const;

  // The bytes of a token: not always whole characters (see StreamDecoder). Empty for an unused token, an id that is
  // none, and, unless render_special, a control token. The view lives as long as the tokenizer.
  std::string_view piece(int32_t id, bool render_special = false) const noexcept;

  // All pieces joined. No clean-up of spaces: it could not be done while streaming.
  std::string decode(std::span<const int32_t> ids, bool render_special = false) const;

  int32_t n_vocab() const noexcept { return static_cast<int32_t>(types_.size()); }
  bool is_eog(int32_t id) const noexcept { return end_tokens_.contains(id); }  // ends a generation (end_tokens.h)
  bool is_control(int32_t id) const noexcept;
  // Has text, as a normal token does, but always stands for it as a whole: <tool_call>, </think> ..
  bool is_user_defined(int32_t id) const noexcept { return is_token(id) && types_[id] == Type::kUserDefined; }
  std::optional<int32_t> bos() const noexcept { return bos_; }
  std::optional<int32_t> eos() const noexcept { return eos_; }
  bool add_bos() const noexcept { return add_bos_; }
  bool add_eos() const noexcept { return add_eos_; }

 private:
  // tokenizer.ggml.token_type.
  enum class Type : uint8_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

  bool is_token(int32_t id) const noexcept { return id >= 0 && id < n_vocab(); }
  std::string_view bytes(int32_t id) const noexcept;
  void read_types(const TokenizerData& data);
  void read_tokens(const TokenizerData& data);
  void encode_text(std::string_view text, Bpe::Scratch& scratch, std::vector<int32_t>& ids) const;

  const PreTokenizer& pre_;
  bool nfc_, add_bos_, add_eos_;
  std::optional<int32_t> bos_, eos_;
  std::set<int32_t> end_tokens_;
  std::vector<Type> types_;
  std::vector<char> bytes_;       // of all tokens, one after another
  std::vector<uint32_t> starts_;  // in bytes_, one more than there are tokens
  std::unique_ptr<const Bpe> bpe_;
  std::unique_ptr<const SpecialTokens> user_defined_;
  std::unique_ptr<const SpecialTokens> special_;  // the user-defined and the control tokens
};

}  // namespace nextn
