#include "text/tokenizer/end_tokens.h"

#include <algorithm>
#include <span>
#include <unordered_map>

namespace nextn {

namespace {

constexpr std::string_view kEndNames[] = {
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<end_of_utterance>",
    "[e~[",
    "<｜end▁of▁sentence｜>",
};
constexpr std::string_view kFimPadNames[] = {"<|fim_pad|>"};
constexpr std::string_view kFimRepNames[] = {"<|fim_repo|>", "<|repo_name|>"};
constexpr std::string_view kFimSepNames[] = {"<|file_sep|>"};

// Whether the file says that a token is text, though its name may be that of an end: Qwen's vocabularies have an
// ordinary token </s>, and an answer must be free to strike out HTML. A file that calls "<|...|>" normal is not
// believed.
bool is_plain_text(const TokenizerData& data, size_t id) {
  const std::string& text = data.tokens[id];
  return id < data.token_types.size() && data.token_types[id] == 1 && !(text.starts_with("<|") && text.ends_with("|>"));
}

}  // namespace

bool is_end_name(std::string_view text) noexcept {
  return std::ranges::find(kEndNames, text) != std::end(kEndNames);
}

std::set<int32_t> find_end_tokens(const TokenizerData& data) {
  // Only the names above are looked up, so only they are kept; the later of two equal tokens counts.
  std::unordered_map<std::string_view, int32_t> id_of;
  for (const auto& names :
       {std::span<const std::string_view>(kEndNames), std::span<const std::string_view>(kFimPadNames),
        std::span<const std::string_view>(kFimRepNames), std::span<const std::string_view>(kFimSepNames)}) {
    for (const std::string_view name : names) id_of.emplace(name, -1);
  }
  for (size_t id = 0; id < data.tokens.size(); id++) {
    if (is_plain_text(data, id)) continue;
    if (const auto it = id_of.find(data.tokens[id]); it != id_of.end()) it->second = static_cast<int32_t>(id);
  }

  std::set<int32_t> ends;
  const auto has = [&](std::string_view name) { return id_of.at(name) >= 0; };
  const auto add_key = [&](std::optional<uint32_t> id) {
    const bool known = id && *id < data.tokens.size();
    if (known) ends.insert(static_cast<int32_t>(*id));
    return known;
  };
  const auto add_names = [&](std::span<const std::string_view> names) {
    for (const std::string_view name : names) {
      if (has(name)) ends.insert(id_of.at(name));
    }
  };
  for (const auto& id : {data.eos, data.eot, data.eom}) add_key(id);
  if (!add_key(data.fim_pad)) add_names(kFimPadNames);
  if (!add_key(data.fim_rep)) add_names(kFimRepNames);
  if (!add_key(data.fim_sep)) add_names(kFimSepNames);
  add_names(kEndNames);

  // Where these pairs exist, <|end|> ends a part of an answer and </s> is left over from an older vocabulary.
  if ((has("<|return|>") && has("<|call|>")) || (has("<|calls|>") && has("<|flush|>"))) ends.erase(id_of.at("<|end|>"));
  if (has("<|tool_response>")) ends.erase(id_of.at("</s>"));
  return ends;
}

}  // namespace nextn
