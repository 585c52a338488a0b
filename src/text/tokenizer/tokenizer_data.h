// A tokenizer as plain data, the fields named after the keys tokenizer.ggml.* of a GGUF file. The engine fills it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nextn {

struct TokenizerData {
  std::string model;  // "gpt2" is the only one: byte-level BPE
  std::string pre = "default";
  std::vector<std::string> tokens;
  std::vector<int32_t> token_types;  // tokenizer.ggml.token_type; empty: all normal
  std::vector<std::string> merges;   // "A B", by rank

  // tokenizer.ggml.*_token_id. One that is not below the number of tokens is as good as absent.
  std::optional<uint32_t> bos, eos, eot, eom, unknown, padding;
  std::optional<uint32_t> fim_pre, fim_suf, fim_mid, fim_pad, fim_rep, fim_sep;

  std::optional<bool> add_bos, add_eos;  // absent: what the pre-tokenizer implies

  // Whether text is normalised to form C. Absent: as the published tokenizer does (qwen2, qwen35: yes). false gives
  // llama.cpp's ids, which differ where a text has decomposed accents.
  std::optional<bool> nfc;
};

}  // namespace nextn
