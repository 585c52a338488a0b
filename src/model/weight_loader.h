// Binds the tensors of a GGUF file to the fields of a model, in three steps: every name and shape is checked, and what
// the weights would take is known; what memory does not hold is left in the file; all other bytes are read, repacked
// into the interleaved layout (D2) and the file's pages given back as they go, so that nothing is held twice. That last
// part may come after the first step: until a matrix is packed it is used where it lies in the file.
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
#include "ops/ctx.h"
#include "ops/weight.h"
#include "tensor/tensor_view.h"

namespace nextn {

// What a weight is for, for the memory report. Experts: the trunk's, those that only some rows are sent to.
enum class WeightRole : uint8_t { kTrunk, kExperts, kEmbedding, kLmHead, kMtpHead };
constexpr int kNumWeightRoles = 5;
const char* weight_role_name(WeightRole role) noexcept;

using LoadProgress = std::function<void(uint64_t done, uint64_t total)>;
using RoleBytes = std::array<uint64_t, kNumWeightRoles>;

// When matrices are packed: all of them by load(), none, or as long as the system has memory at hand; what is left, by
// load_some().
enum class Packing : uint8_t { kAtOnce, kLater, kWhileQuick };

struct LoadOptions {
  bool map = true;                     // read through the map of the file; else with reads of its bytes, tables too
  bool lock = false;                   // keep the weights from being swapped out
  bool interleave = false;             // spread them over the machine's memory nodes
  Packing packing = Packing::kAtOnce;  // another time only through the map
  size_t piece_bytes = 64 << 20;       // what load_some() packs, about
  LoadProgress progress = {};
};

class WeightLoader {
 public:
  explicit WeightLoader(const gguf::File& file) : file_(file) {}  // which outlives it
  WeightLoader(const WeightLoader&) = delete;
  WeightLoader& operator=(const WeightLoader&) = delete;

  const std::string& path() const noexcept { return file_.path(); }
  std::string_view architecture() const { return file_.string("general.architecture"); }
  bool has(const std::string& name) const noexcept { return file_.tensor(name) != nullptr; }
  bool has_any(std::string_view prefix) const noexcept;  // a tensor whose name begins so

  // Whether both tensors are there, of one type and shape, with the same bytes; reads as much of them as is equal.
  bool same_bytes(const std::string& a, const std::string& b) const;

  // Each of these checks that the tensor is there with exactly this shape (fastest axis first in messages) and a type
  // that nextn computes with, and notes where its data is wanted; the fields are filled by load() and load_some() and
  // must not move until loaded(), nor copies of them be kept. Throws Error{kFile} or Error{kUnsupported} naming the
  // tensor, what was expected and what was found.
  // A matrix X.weight may have an X.scale of one value, experts one for each: their products are multiplied by it.
  void matrix(Weight& field, const std::string& name, int64_t k, int64_t n_out, WeightRole role);
  // A (k) tensor as a matrix of one row.
  void row(Weight& field, const std::string& name, int64_t k, WeightRole role);
  // A (n_experts, per_expert * n_out, k) tensor: n_experts * per_expert matrices.
  void experts(Weight& field, const std::string& name, int64_t k, int64_t n_out, int64_t n_experts, int64_t per_expert,
               WeightRole role);
  void vector(const float*& field, const std::string& name, int64_t n, WeightRole role);
  // A (channels, n_taps) tensor, turned to (n_taps, channels).
  void taps(TensorView& field, const std::string& name, int64_t n_taps, int64_t channels, WeightRole role);
  // A table that is only looked up: its rows stay in the file.
  void table(EmbeddingTable& field, const std::string& name, int64_t n_embd, int64_t n_vocab, WeightRole role);

  // Of any matrix that was asked for.
  int64_t widest_input() const noexcept;

  // What ActBuffer takes its blocks from: 256 if the file has formats of superblocks, else 32, which is finer. The same
  // with and without a head.
  int widest_block() const noexcept;

  // Tables come into memory too: nothing is read through the map.
  void hold_tables() noexcept;

  // Leaves matrices in the file until those that are loaded take at most `limit` bytes, as far as that goes: what is
  // read most often in a cycle stays in memory first.
  void leave_in_file(uint64_t limit);

  // Takes the memory and reads what was asked for. Throws Error{kSystem} when the memory is not to be had, Error{kFile}
  // when the file has become shorter.
  void load(ThreadPool& pool, const LoadOptions& options);
  // Packs the next matrix, or a piece of a large one; between steps, until loaded(). Throws as load() does.
  void load_some(ThreadPool& pool, const LoadProgress& progress = {});
  bool loaded() const noexcept { return next_ == matrices_.size(); }

  // Bytes that load() takes or has taken, and that stay in the file, by role.
  RoleBytes loaded_bytes() const noexcept { return bytes(true); }
  RoleBytes file_bytes() const noexcept { return bytes(false); }
  // Of the largest tile among matrices that are left in the file; 0 without any.
  size_t file_tile_bytes() const noexcept { return largest_tile(true); }
  // Of the largest tile among all others.
  size_t loaded_tile_bytes() const noexcept { return largest_tile(false); }

 private:
  struct MatrixJob {
    Weight* field;
    const gguf::TensorInfo* tensor;
    size_t bytes;
    WeightRole role;
    bool in_file = false;      // for good
    uint8_t* tiles = nullptr;  // where they are packed, unless it is left in the file
  };
  struct VectorJob {
    float const** field;
    const gguf::TensorInfo* tensor;
    size_t bytes;
    WeightRole role;
  };
  struct TapsJob {
    TensorView* field;
    const gguf::TensorInfo* tensor;
    size_t bytes;
    WeightRole role;
  };
  struct TableJob {
    EmbeddingTable* field;
    const gguf::TensorInfo* tensor;
    WeightRole role;
  };

  const gguf::TensorInfo& require(const std::string& name, std::initializer_list<int64_t> shape) const;
  void add_matrix(Weight& field, const gguf::TensorInfo& tensor, int64_t k, int64_t n_out, int64_t n_matrices,
                  int64_t n_scales, WeightRole role);
  RoleBytes bytes(bool loaded) const noexcept;
  size_t largest_tile(bool in_file) const noexcept;
  void pack(const MatrixJob& job, int64_t first, int64_t last, ThreadPool& pool);
  void load_while_quick(ThreadPool& pool);
  void pass_over_left() noexcept;
  void read(const gguf::TensorInfo& tensor, uint8_t* to, ThreadPool& pool);
  FileRows file_rows(const gguf::TensorInfo& tensor) const noexcept;
  [[noreturn]] void fail_short(const gguf::TensorInfo& tensor) const;

  const gguf::File& file_;
  bool hold_tables_ = false;
  std::vector<MatrixJob> matrices_;
  std::vector<VectorJob> vectors_;
  std::vector<TapsJob> taps_;
  std::vector<TableJob> tables_;
  AlignedBuffer storage_;
  // Of load_some().
  LoadOptions options_;
  size_t next_ = 0;        // among matrices_
  int64_t next_tile_ = 0;  // of it
  uint64_t done_ = 0, total_ = 0;
  Slots slots_;  // for a tile as it is in the file, without the map
};

}  // namespace nextn
