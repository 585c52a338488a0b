#include "text/tokenizer/tokenizer.h"

#include <charconv>
#include <utility>

#include "base/error.h"
#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/end_tokens.h"
#include "text/tokenizer/unicode.h"

namespace nextn {

namespace {

std::optional<int32_t> token_id(std::optional<uint32_t> id, const TokenizerData& data) {
  if (!id || *id >= data.tokens.size()) return std::nullopt;
  return static_cast<int32_t>(*id);
}

// The byte that a token of type byte, "<0x0A>", stands for.
std::string byte_of_name(std::string_view name) {
  unsigned byte = 0;
  if (name.size() != 6 || !name.starts_with("<0x") || name[5] != '>') return {};
  const auto [end, error] = std::from_chars(name.data() + 3, name.data() + 5, byte, 16);
  return error == std::errc() && end == name.data() + 5 ? std::string(1, static_cast<char>(byte)) : std::string();
}

}  // namespace

Tokenizer::Tokenizer(TokenizerData data)
    : pre_(find_pre_tokenizer(data.pre)),
      nfc_(data.nfc.value_or(pre_.nfc)),
      add_bos_(data.add_bos.value_or(pre_.add_bos)),
      add_eos_(data.add_eos.value_or(false)),
      bos_(token_id(data.bos, data)),
      eos_(token_id(data.eos, data)),
      end_tokens_(find_end_tokens(data)) {
  if (data.model != "gpt2") {
    fail(ErrorCode::kFile, "tokenizer.ggml.model: expected gpt2 (byte-level BPE), found '{}'", data.model);
  }
  if (data.tokens.empty()) fail(ErrorCode::kFile, "tokenizer.ggml.tokens: expected at least one token, found none");
  read_types(data);
  read_tokens(data);

  std::vector<std::string_view> mergeable(types_.size());
  std::vector<SpecialTokens::Token> user_defined, special;
  for (int32_t id = 0; id < n_vocab(); id++) {
    if (types_[id] == Type::kNormal) mergeable[id] = bytes(id);
    if (types_[id] == Type::kUserDefined) user_defined.push_back({data.tokens[id], id});
    if (types_[id] == Type::kUserDefined || is_control(id)) special.push_back({data.tokens[id], id});
  }
  bpe_ = std::make_unique<Bpe>(mergeable, data.merges, pre_.ignore_merges);
  user_defined_ = std::make_unique<SpecialTokens>(std::move(user_defined));
  special_ = std::make_unique<SpecialTokens>(std::move(special));
}

void Tokenizer::read_types(const TokenizerData& data) {
  const size_t n = data.tokens.size();
  if (!data.token_types.empty() && data.token_types.size() != n) {
    fail(ErrorCode::kFile, "tokenizer.ggml.token_type: expected {} entries, one for each token, found {}", n,
         data.token_types.size());
  }
  types_.assign(n, Type::kNormal);
  for (size_t id = 0; id < data.token_types.size(); id++) {
    const int32_t type = data.token_types[id];
    // 0 is "undefined": nothing is known of such a token, so nothing is done with it.
    if (type < 0 || type > 6) {
      fail(ErrorCode::kFile, "tokenizer.ggml.token_type[{}]: expected 0 to 6, found {}", id, type);
    }
    types_[id] = type == 0 ? Type::kUnused : static_cast<Type>(type);
  }
  // Some files leave these normal; what ends an answer must be neither written by a user nor shown to one. An end that
  // is only so by its key may be an ordinary token (a newline, say), and stays one.
  for (const int32_t id : end_tokens_) {
    if (is_end_name(data.tokens[id])) types_[id] = Type::kControl;
  }
}

// Special tokens are kept as they are written, the others as the bytes they stand for.
void Tokenizer::read_tokens(const TokenizerData& data) {
  starts_.reserve(types_.size() + 1);
  for (size_t id = 0; id < types_.size(); id++) {
    const std::string& text = data.tokens[id];
    std::string bytes;
    if (types_[id] == Type::kNormal) bytes = bytes_of_letters(text).value_or(text);
    if (types_[id] == Type::kByte) bytes = byte_of_name(text);
    if (is_control(static_cast<int32_t>(id)) || types_[id] == Type::kUserDefined) bytes = text;
    starts_.push_back(static_cast<uint32_t>(bytes_.size()));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  starts_.push_back(static_cast<uint32_t>(bytes_.size()));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool add_special, bool parse_special) const {
  const SpecialTokens& special = parse_special ? *special_ : *user_defined_;
  Bpe::Scratch scratch;
  std::vector<int32_t> ids;
  if (add_special && add_bos_ && bos_) ids.push_back(*bos_);
  size_t at = 0;
  while (const auto match = special.find(text, at)) {
    encode_text(text.substr(at, match->begin - at), scratch, ids);
    ids.push_back(match->id);
    at = match->begin + match->length;
  }
  encode_text(text.substr(at), scratch, ids);
  if (add_special && add_eos_ && eos_) ids.push_back(*eos_);
  return ids;
}

void Tokenizer::encode_text(std::string_view text, Bpe::Scratch& scratch, std::vector<int32_t>& ids) const {
  std::u32string points = from_utf8(text);
  for (char32_t& c : points) {
    if (c >= kRawByte && !bpe_->has_byte(static_cast<uint8_t>(c - kRawByte))) c = kReplacement;
  }
  if (nfc_) points = to_nfc(std::move(points));

  std::string piece;
  size_t begin = 0;
  for (const size_t end : pre_.split(points)) {
    piece.clear();
    for (; begin < end; begin++) append_utf8(piece, points[begin]);
    bpe_->encode(piece, scratch, ids);
  }
}

bool Tokenizer::is_control(int32_t id) const noexcept {
  return is_token(id) && (types_[id] == Type::kControl || types_[id] == Type::kUnknown);
}

std::string_view Tokenizer::bytes(int32_t id) const noexcept {
  return {bytes_.data() + starts_[id], starts_[id + 1] - starts_[id]};
}

std::string_view Tokenizer::piece(int32_t id, bool render_special) const noexcept {
  if (!is_token(id) || (is_control(id) && !render_special)) return {};
  return bytes(id);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool render_special) const {
  std::string text;
  for (const int32_t id : ids) text += piece(id, render_special);
  return text;
}

}  // namespace nextn
