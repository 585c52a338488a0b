#include "app/inspect_report.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/error.h"
#include "engine/tokenizer_loader.h"
#include "model/model.h"
#include "quant/decode.h"

namespace nextn {

namespace {

using gguf::Value;
using gguf::ValueType;

// ------------------------------------------------------------------------------------------------ metadata

std::optional<double> number(const Value& value, uint64_t i) {
  switch (value.element) {
    case ValueType::kU8:
      return value.get<uint8_t>(i);
    case ValueType::kI8:
      return value.get<int8_t>(i);
    case ValueType::kU16:
      return value.get<uint16_t>(i);
    case ValueType::kI16:
      return value.get<int16_t>(i);
    case ValueType::kU32:
      return value.get<uint32_t>(i);
    case ValueType::kI32:
      return value.get<int32_t>(i);
    case ValueType::kU64:
      return static_cast<double>(value.get<uint64_t>(i));
    case ValueType::kI64:
      return static_cast<double>(value.get<int64_t>(i));
    case ValueType::kF32: {
      // 0.8f is 0.8 to who reads it, not 0.800000012.
      char text[32];
      const auto end = std::to_chars(text, text + sizeof text, value.get<float>(i)).ptr;
      double v = 0;
      std::from_chars(text, end, v);
      return v;
    }
    case ValueType::kF64:
      return value.get<double>(i);
    default:
      return std::nullopt;
  }
}

// A size or an id: whole, not negative, and exact in a double.
std::optional<int64_t> count(const gguf::File& file, const std::string& key) {
  const Value* const value = file.find(key);
  if (value == nullptr) return std::nullopt;
  std::optional<int64_t> largest;
  for (uint64_t i = 0; i < value->count; i++) {
    const auto v = number(*value, i);
    if (!v || !(*v >= 0 && *v < 1e15) || *v != std::floor(*v)) return std::nullopt;
    largest = std::max(largest.value_or(0), static_cast<int64_t>(*v));
  }
  return largest;
}

std::string text(const gguf::File& file, std::string_view key) {
  const Value* const value = file.find(key);
  return value != nullptr && value->type == ValueType::kString ? std::string(value->text[0]) : "";
}

// llama.cpp's names for the mixes of types it writes.
std::string file_type_name(const gguf::File& file) {
  constexpr const char* kNames[] = {"F32",    "F16",    "Q4_0",  "Q4_1",    "",       "",       "",         "Q8_0",
                                    "Q5_0",   "Q5_1",   "Q2_K",  "Q3_K_S",  "Q3_K_M", "Q3_K_L", "Q4_K_S",   "Q4_K_M",
                                    "Q5_K_S", "Q5_K_M", "Q6_K",  "IQ2_XXS", "IQ2_XS", "Q2_K_S", "IQ3_XS",   "IQ3_XXS",
                                    "IQ1_S",  "IQ4_NL", "IQ3_S", "IQ3_M",   "IQ2_S",  "IQ2_M",  "IQ4_XS",   "IQ1_M",
                                    "BF16",   "",       "",      "",        "TQ1_0",  "TQ2_0",  "MXFP4_MOE"};
  const auto id = count(file, "general.file_type");
  if (!id) return "";
  const bool known = *id < static_cast<int64_t>(std::size(kNames)) && *kNames[*id] != '\0';
  return known ? kNames[*id] : fmt::format("file type {}", *id);
}

ArchitectureNumbers numbers(const gguf::File& file, const std::string& architecture) {
  const auto n = [&](const char* key) { return count(file, architecture + "." + key); };
  ArchitectureNumbers a = {.n_blocks = n("block_count"),
                           .n_mtp = n("nextn_predict_layers"),
                           .n_embd = n("embedding_length"),
                           .n_ff = n("feed_forward_length"),
                           .n_heads = n("attention.head_count"),
                           .n_kv_heads = n("attention.head_count_kv"),
                           .head_dim = n("attention.key_length"),
                           .n_ctx_train = n("context_length"),
                           .n_experts = n("expert_count"),
                           .n_experts_used = n("expert_used_count"),
                           .n_ff_expert = n("expert_feed_forward_length")};
  if (!a.n_kv_heads) a.n_kv_heads = a.n_heads;
  if (!a.head_dim && a.n_embd && a.n_heads.value_or(0) > 0) a.head_dim = *a.n_embd / *a.n_heads;
  return a;
}

std::vector<std::pair<std::string, double>> sampling_keys(const gguf::File& file) {
  constexpr std::string_view kPrefix = "general.sampling.";
  std::vector<std::pair<std::string, double>> out;
  for (const gguf::Entry& entry : file.metadata()) {
    if (!entry.key.starts_with(kPrefix) || entry.value.is_array()) continue;
    if (const auto v = number(entry.value, 0)) out.emplace_back(entry.key.substr(kPrefix.size()), *v);
  }
  return out;
}

// ------------------------------------------------------------------------------------------------ tensors

// "blk.12.attn_q.weight" is block 12, part "attn_q.weight"; other names have no block and are all part.
struct BlockName {
  std::optional<int64_t> block;
  std::string_view part;
};

BlockName block_name(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) return {std::nullopt, name};
  int64_t block = 0;
  const auto [end, error] = std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), block);
  if (error != std::errc() || end == name.data() + name.size() || *end != '.') return {std::nullopt, name};
  return {block, name.substr(static_cast<size_t>(end + 1 - name.data()))};
}

// Which blocks are what.
struct Blocks {
  std::set<int64_t> attention, delta, head;
};

Blocks find_blocks(const gguf::File& file, const ArchitectureNumbers& n) {
  Blocks blocks;
  const int64_t n_mtp = n.n_mtp.value_or(0), n_trunk = n.n_blocks.value_or(0) - n_mtp;
  for (const gguf::TensorInfo& t : file.tensors()) {
    const auto [block, part] = block_name(t.name);
    if (!block) continue;
    if (part.starts_with("nextn.") || (n_mtp > 0 && *block >= n_trunk)) blocks.head.insert(*block);
    if (part.starts_with("ssm_")) blocks.delta.insert(*block);
    if (part.starts_with("attn_")) blocks.attention.insert(*block);
  }
  for (const int64_t block : blocks.head) blocks.delta.erase(block), blocks.attention.erase(block);
  for (const int64_t block : blocks.delta) blocks.attention.erase(block);
  return blocks;
}

TensorRole role_of(const gguf::TensorInfo& tensor, const Blocks& blocks) {
  const auto [block, part] = block_name(tensor.name);
  if (block && blocks.head.contains(*block)) return TensorRole::kMtpHead;
  if (tensor.name == "token_embd.weight") return TensorRole::kEmbedding;
  if (tensor.name == "output.weight") return TensorRole::kLmHead;
  if (tensor.n_dims < 2) return TensorRole::kSmall;
  if (!block) return TensorRole::kOther;
  if (part.starts_with("ssm_")) return TensorRole::kDeltaNet;
  if (part.starts_with("attn_")) return blocks.delta.contains(*block) ? TensorRole::kDeltaNet : TensorRole::kAttention;
  if (part.ends_with("_exps.weight")) return TensorRole::kExperts;
  return part.starts_with("ffn_") ? TensorRole::kFfn : TensorRole::kOther;
}

void add_to(std::vector<TensorGroup>& groups, TensorRole role, const gguf::TensorInfo& tensor, uint64_t n_parameters) {
  auto it = std::ranges::find_if(groups, [&](const auto& g) { return g.role == role && g.type == tensor.type; });
  if (it == groups.end()) it = groups.insert(it, {.role = role, .type = tensor.type});
  it->n_tensors++;
  it->n_parameters += n_parameters;
  it->n_bytes += tensor.n_bytes;
}

void count_tensors(const gguf::File& file, const Blocks& blocks, InspectReport& r) {
  for (const gguf::TensorInfo& tensor : file.tensors()) {
    const DTypeInfo& type = dtype_info(tensor.type);
    const uint64_t n_parameters = tensor.n_bytes / type.block_bytes * type.block_values;
    const TensorRole role = role_of(tensor, blocks);
    add_to(r.groups, role, tensor, n_parameters);
    add_to(r.by_type, TensorRole::kOther, tensor, n_parameters);
    r.n_tensors++;
    r.n_parameters += n_parameters;
    if (role != TensorRole::kMtpHead) continue;
    r.head.n_parameters += n_parameters;
    r.head.n_bytes += tensor.n_bytes;
    r.head.own_embedding |= tensor.name.ends_with("nextn.embed_tokens.weight");
    r.head.own_lm_head |= tensor.name.ends_with("nextn.shared_head_head.weight");
  }
  const auto more = [](const TensorGroup& a, const TensorGroup& b) {
    return a.role != b.role ? a.role < b.role : a.n_bytes > b.n_bytes;
  };
  std::ranges::stable_sort(r.groups, more);
  std::ranges::stable_sort(r.by_type, more);
}

// ------------------------------------------------------------------------------------------------ tokenizer

TokenizerReport inspect_tokenizer(const gguf::File& file) {
  TokenizerReport r;
  const Value* const tokens = file.find("tokenizer.ggml.tokens");
  const bool has_tokens = tokens != nullptr && tokens->is_array() && tokens->element == ValueType::kString;
  const auto token = [&](int64_t id) {
    return has_tokens && id < static_cast<int64_t>(tokens->count) ? std::string(tokens->text[static_cast<size_t>(id)])
                                                                  : std::string();
  };
  r.model = text(file, "tokenizer.ggml.model");
  r.pre = text(file, "tokenizer.ggml.pre");
  r.n_tokens = has_tokens ? tokens->count : 0;
  const Value* const merges = file.find("tokenizer.ggml.merges");
  r.n_merges = merges != nullptr && merges->is_array() ? merges->count : 0;
  for (const char* name : {"bos", "eos", "eot", "eom", "unknown", "padding"}) {
    if (const auto id = count(file, fmt::format("tokenizer.ggml.{}_token_id", name)))
      r.special.push_back({name, *id, token(*id)});
  }
  try {
    const std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(file);
    for (int32_t id = 0; id < tokenizer->n_vocab(); id++) {
      if (tokenizer->is_eog(id)) r.ends.push_back({"", id, token(id)});
    }
  } catch (const Error& e) {
    r.refused = e.what();
  }
  return r;
}

// ------------------------------------------------------------------------------------------------ verdict

std::string not_run_reason(const gguf::File& file, const std::string& architecture, const Error& error) {
  const std::string message = error.what();
  if (error.code() == ErrorCode::kUnsupported && message.starts_with(file.path() + ": general.architecture:")) {
    return fmt::format("nextn does not run the architecture {} (yet)", architecture);
  }
  return message;
}

void judge_head(const gguf::File& file, const Blocks& blocks, InspectReport& r) {
  HeadReport& head = r.head;
  if (!blocks.head.empty()) head.block = *blocks.head.begin();
  try {
    const HeadVerdict verdict = inspect_head(file);
    head.reason = verdict.reason;
    switch (verdict.kind) {
      case HeadVerdict::Kind::kUsable:
        head.kind = HeadKind::kUsable;
        break;
      case HeadVerdict::Kind::kAbsent:
        head.kind = HeadKind::kAbsent;
        break;
      case HeadVerdict::Kind::kIncomplete:
        head.kind = HeadKind::kIncomplete;
        break;
    }
    if (head.kind != HeadKind::kAbsent && file.tensor("blk.0.attn_norm.weight") == nullptr) {
      head.kind = HeadKind::kWithoutTrunk;
      r.problems.push_back(fmt::format("{}: expected a model, found an MTP head without its trunk", file.path()));
    }
  } catch (const Error& e) {
    head.kind = HeadKind::kNotRun;
    head.reason = not_run_reason(file, r.architecture, e);
    r.problems.push_back(head.reason);
  }
}

void find_unsupported_types(const gguf::File& file, const Blocks& blocks, InspectReport& r) {
  const gguf::TensorInfo* first = nullptr;
  int64_t n = 0;
  for (const gguf::TensorInfo& tensor : file.tensors()) {
    if (can_decode(tensor.type) || role_of(tensor, blocks) == TensorRole::kMtpHead) continue;
    if (first == nullptr) first = &tensor;
    n++;
  }
  if (first == nullptr) return;
  r.problems.push_back(fmt::format("{}: {}: expected a type that nextn computes with, found {}{}", file.path(),
                                   first->name, dtype_info(first->type).name,
                                   n > 1 ? fmt::format(" ({} such tensors)", n) : ""));
}

}  // namespace

double TensorGroup::bits_per_weight() const noexcept {
  return n_parameters == 0 ? 0 : 8 * static_cast<double>(n_bytes) / static_cast<double>(n_parameters);
}

int64_t InspectReport::n_trunk_layers() const noexcept {
  return std::max<int64_t>(0, numbers.n_blocks.value_or(0) - numbers.n_mtp.value_or(0));
}

const char* tensor_role_name(TensorRole role) noexcept {
  constexpr const char* kNames[kNumTensorRoles] = {"embedding", "lm_head", "attention", "delta_net", "ffn",
                                                   "experts",   "small",   "mtp_head",  "other"};
  return kNames[static_cast<size_t>(role)];
}

const char* head_kind_name(HeadKind kind) noexcept {
  constexpr const char* kNames[] = {"usable", "absent", "incomplete", "without trunk", "not run"};
  return kNames[static_cast<size_t>(kind)];
}

InspectReport inspect(const gguf::File& file) {
  InspectReport r;
  r.path = file.path();
  r.version = file.version();
  r.n_parts = file.n_parts();
  r.n_bytes = file.n_bytes();
  r.architecture = text(file, "general.architecture");
  r.name = text(file, "general.name");
  r.file_type = file_type_name(file);
  r.numbers = numbers(file, r.architecture);
  const Blocks blocks = find_blocks(file, r.numbers);
  r.n_delta_layers = static_cast<int64_t>(blocks.delta.size());
  r.n_attention_layers = static_cast<int64_t>(blocks.attention.size());
  r.tied = file.tensor("token_embd.weight") != nullptr && file.tensor("output.weight") == nullptr;
  count_tensors(file, blocks, r);

  r.tokenizer = inspect_tokenizer(file);
  const Value* const chat = file.find("tokenizer.chat_template");
  if (chat != nullptr && chat->type == ValueType::kString) r.chat_template_bytes = chat->text[0].size();
  r.sampling = sampling_keys(file);

  judge_head(file, blocks, r);
  find_unsupported_types(file, blocks, r);
  if (!r.tokenizer.refused.empty()) r.problems.push_back(r.tokenizer.refused);
  return r;
}

}  // namespace nextn
