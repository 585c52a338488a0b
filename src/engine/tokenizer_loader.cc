#include "engine/tokenizer_loader.h"

#include "base/error.h"

namespace nextn {

std::unique_ptr<Tokenizer> load_tokenizer(const gguf::File& file) {
  const auto key = [](const char* name) { return std::string("tokenizer.ggml.") + name; };
  const auto id = [&](const char* name) -> std::optional<uint32_t> {
    return file.has(key(name)) ? std::optional(file.u32(key(name))) : std::nullopt;
  };
  const auto flag = [&](const char* name) -> std::optional<bool> {
    return file.has(key(name)) ? std::optional(file.boolean(key(name))) : std::nullopt;
  };
  TokenizerData data;
  data.model = file.string(key("model"));
  data.pre = file.string_or(key("pre"), "default");
  for (const std::string_view token : file.strings(key("tokens"))) data.tokens.emplace_back(token);
  if (file.has(key("token_type"))) data.token_types = file.i32s(key("token_type"));
  if (file.has(key("merges"))) {
    for (const std::string_view merge : file.strings(key("merges"))) data.merges.emplace_back(merge);
  }
  data.bos = id("bos_token_id");
  data.eos = id("eos_token_id");
  data.eot = id("eot_token_id");
  data.eom = id("eom_token_id");
  data.unknown = id("unknown_token_id");
  data.padding = id("padding_token_id");
  data.fim_pre = id("fim_pre_token_id");
  data.fim_suf = id("fim_suf_token_id");
  data.fim_mid = id("fim_mid_token_id");
  data.fim_pad = id("fim_pad_token_id");
  data.fim_rep = id("fim_rep_token_id");
  data.fim_sep = id("fim_sep_token_id");
  data.add_bos = flag("add_bos_token");
  data.add_eos = flag("add_eos_token");
  try {
    return std::make_unique<Tokenizer>(std::move(data));
  } catch (const Error& e) {
    throw Error(e.code(), file.path() + ": " + e.what());
  }
}

ChatTemplate load_chat_template(const gguf::File& file, std::string_view source) {
  const std::vector<std::string_view> tokens = file.strings("tokenizer.ggml.tokens");
  const auto text = [&](const char* name) -> std::string {
    const std::string key = std::string("tokenizer.ggml.") + name;
    return file.has(key) && file.u32(key) < tokens.size() ? std::string(tokens[file.u32(key)]) : "";
  };
  if (source.empty()) source = file.string_or("tokenizer.chat_template", "");
  return ChatTemplate(source, text("bos_token_id"), text("eos_token_id"));
}

}  // namespace nextn
