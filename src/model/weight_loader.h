// Binds the tensors of a GGUF file to the fields of a model: first every name and shape is checked, then all bytes are
// read, repacked into the interleaved layout (D2) and the file's pages given back as they go, so that nothing is held
// twice.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "gguf/file.h"
#include "ops/weight.h"
#include "tensor/tensor_view.h"

namespace nextn {

// What a weight is for, for the memory report.
enum class WeightRole : uint8_t { kTrunk, kEmbedding, kLmHead, kMtpHead };
constexpr int kNumWeightRoles = 4;
const char* weight_role_name(WeightRole role) noexcept;

using LoadProgress = std::function<void(uint64_t done, uint64_t total)>;

class WeightLoader {
 public:
  explicit WeightLoader(const gguf::File& file) : file_(file) {}

  const std::string& path() const noexcept { return file_.path(); }
  bool has(const std::string& name) const noexcept { return file_.tensor(name) != nullptr; }
  bool has_any(std::string_view prefix) const noexcept;  // a tensor whose name begins so

  // Each of these checks that the tensor is there with exactly this shape (fastest axis first in messages) and a type
  // that nextn computes with, and notes where its data is wanted; the fields are filled by load() and must not move
  // until then. Throws Error{kFile} or Error{kUnsupported} naming the tensor, what was expected and what was found.
  void matrix(Weight& field, const std::string& name, int64_t k, int64_t n_out, WeightRole role);
  void vector(const float*& field, const std::string& name, int64_t n, WeightRole role);
  // A (channels, n_taps) tensor, turned to (n_taps, channels).
  void taps(TensorView& field, const std::string& name, int64_t n_taps, int64_t channels, WeightRole role);
  // A table that is only looked up: its rows stay in the file.
  void table(EmbeddingTable& field, const std::string& name, int64_t n_embd, int64_t n_vocab, WeightRole role);

  // Reads what was asked for. The file outlives what it returns a view of: tables.
  void load(ThreadPool& pool, const LoadProgress& progress);

  // The bytes that the fields point into, and how many of them belong to each role; valid after load().
  AlignedBuffer take_storage() noexcept { return std::move(storage_); }
  const std::array<uint64_t, kNumWeightRoles>& bytes_by_role() const noexcept { return bytes_by_role_; }

 private:
  struct MatrixJob {
    Weight* field;
    const gguf::TensorInfo* tensor;
    size_t at;  // in storage_
  };
  struct VectorJob {
    float const** field;
    const gguf::TensorInfo* tensor;
    size_t at;
  };
  struct TapsJob {
    TensorView* field;
    const gguf::TensorInfo* tensor;
    size_t at;
  };

  const gguf::TensorInfo& require(const std::string& name, std::initializer_list<int64_t> shape) const;
  size_t reserve(size_t bytes, WeightRole role) noexcept;
  void pack(const MatrixJob& job, ThreadPool& pool);

  const gguf::File& file_;
  std::vector<MatrixJob> matrices_;
  std::vector<VectorJob> vectors_;
  std::vector<TapsJob> taps_;
  size_t storage_bytes_ = 0;
  uint64_t file_bytes_ = 0;
  AlignedBuffer storage_;
  std::array<uint64_t, kNumWeightRoles> bytes_by_role_{};
};

}  // namespace nextn
