// Which tokens end a generation. Files name one or two of them; the others are known by what they are called.
#pragma once

#include <cstdint>
#include <set>
#include <string_view>

#include "text/tokenizer/tokenizer_data.h"

namespace nextn {

// The ids that eos, eot, eom, fim_pad, fim_rep and fim_sep name (the last three also when only the usual spelling of
// the token says so), and every token with one of the known names of an end. llama.cpp stops at the same ones, and also
// at ordinary tokens that happen to have such a name, as </s> in Qwen's vocabularies.
std::set<int32_t> find_end_tokens(const TokenizerData& data);

// Whether a token's text is one of the known names.
bool is_end_name(std::string_view text) noexcept;

}  // namespace nextn
