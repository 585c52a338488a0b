// What `nextn inspect` knows of a GGUF file, gathered without loading it. Nothing in the metadata makes it fail: a key
// that is absent or of another type is a value that is not there.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gguf/file.h"

namespace nextn {

enum class TensorRole : uint8_t {
  kEmbedding,
  kLmHead,
  kAttention,
  kDeltaNet,
  kFfn,
  kExperts,
  kSmall,
  kMtpHead,
  kOther
};
constexpr int kNumTensorRoles = 9;

struct TensorGroup {
  TensorRole role;
  DType type;
  int64_t n_tensors = 0;
  uint64_t n_parameters = 0, n_bytes = 0;

  double bits_per_weight() const noexcept;
};

// Under the prefix of the architecture. Of an array by layer the largest element.
struct ArchitectureNumbers {
  std::optional<int64_t> n_blocks, n_mtp, n_embd, n_ff, n_heads, n_kv_heads, head_dim, n_ctx_train, n_experts,
      n_experts_used, n_ff_expert;
};

struct SpecialToken {
  std::string name;  // "eos"
  int64_t id;
  std::string text;  // empty when there is no such token
};

struct TokenizerReport {
  std::string model, pre;
  uint64_t n_tokens = 0, n_merges = 0;
  std::vector<SpecialToken> special;
  std::vector<SpecialToken> ends;  // what ends a generation; names are empty
  std::string refused;             // why nextn cannot use the tokenizer; empty when it can
};

enum class HeadKind : uint8_t {
  kUsable,
  kAbsent,
  kIncomplete,    // reason: which tensor and why
  kWithoutTrunk,  // the file holds a head and no model
  kNotRun,        // nextn does not run the file's model; reason: why
};

struct HeadReport {
  HeadKind kind = HeadKind::kAbsent;
  std::string reason;
  std::optional<int64_t> block;  // absent when the file has no tensor of a head
  uint64_t n_bytes = 0, n_parameters = 0;
  bool own_embedding = false, own_lm_head = false;
};

struct InspectReport {
  std::string path;
  uint32_t version = 0;
  int n_parts = 1;
  uint64_t n_bytes = 0;

  std::string architecture, name, file_type;
  ArchitectureNumbers numbers;
  int64_t n_delta_layers = 0, n_attention_layers = 0;  // of the trunk
  int64_t n_tensors = 0;
  uint64_t n_parameters = 0;
  bool tied = false;                 // the LM head is the embedding table
  std::vector<TensorGroup> groups;   // by role, then by bytes, most first
  std::vector<TensorGroup> by_type;  // by bytes, most first; role has no meaning

  TokenizerReport tokenizer;
  std::optional<uint64_t> chat_template_bytes;
  std::vector<std::pair<std::string, double>> sampling;  // general.sampling.*, without that prefix

  HeadReport head;
  std::vector<std::string> problems;  // why nextn cannot run the model, as far as can be seen without loading it

  int64_t n_trunk_layers() const noexcept;
};

InspectReport inspect(const gguf::File& file);

// "attention", "lm_head".
const char* tensor_role_name(TensorRole role) noexcept;
// "usable", "without trunk".
const char* head_kind_name(HeadKind kind) noexcept;

}  // namespace nextn
