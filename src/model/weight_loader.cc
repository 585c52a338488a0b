#include "model/weight_loader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "base/clock.h"
#include "base/mapped_file.h"
#include "quant/decode.h"
#include "quant/superblock.h"

namespace nextn {

namespace {

constexpr size_t kRunBytes = 2 << 20;  // what a thread packs at a time

size_t padded(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

size_t row_bytes(DType type, int64_t n) {
  return static_cast<size_t>(n) / dtype_info(type).block_values * dtype_info(type).block_bytes;
}

}  // namespace

const char* weight_role_name(WeightRole role) noexcept {
  constexpr const char* kNames[] = {"trunk", "experts", "embedding", "lm_head", "mtp_head"};
  return kNames[static_cast<int>(role)];
}

bool WeightLoader::has_any(std::string_view prefix) const noexcept {
  return std::ranges::any_of(file_.tensors(), [&](const gguf::TensorInfo& t) { return t.name.starts_with(prefix); });
}

bool WeightLoader::same_bytes(const std::string& a, const std::string& b) const {
  const gguf::TensorInfo *const x = file_.tensor(a), *const y = file_.tensor(b);
  if (x == nullptr || y == nullptr || x->type != y->type || x->shape != y->shape) return false;
  bool same = true;
  for (uint64_t at = 0; same && at < x->n_bytes; at += kRunBytes) {
    const size_t n = std::min<size_t>(kRunBytes, x->n_bytes - at);
    same = std::memcmp(x->data + at, y->data + at, n) == 0;
    for (const gguf::TensorInfo* t : {x, y}) {
      if (file_.map_of(*t) != nullptr) drop_pages(t->data + at, n);
    }
  }
  return same;
}

const gguf::TensorInfo& WeightLoader::require(const std::string& name, std::initializer_list<int64_t> shape) const {
  const gguf::TensorInfo* const tensor = file_.tensor(name);
  if (tensor == nullptr) {
    fail(ErrorCode::kFile, "{}: {}: expected [{}], the file has no such tensor", file_.path(), name,
         fmt::join(shape, ", "));
  }
  std::array<int64_t, 4> expected = {1, 1, 1, 1};
  std::copy(shape.begin(), shape.end(), expected.begin());
  if (tensor->shape != expected) {
    fail(ErrorCode::kFile, "{}: {}: expected [{}], file has {}", file_.path(), name, fmt::join(shape, ", "),
         tensor->shape_text());
  }
  if (!can_decode(tensor->type)) {
    fail(ErrorCode::kUnsupported, "{}: {}: expected a type that nextn computes with, found {}", file_.path(), name,
         dtype_info(tensor->type).name);
  }
  return *tensor;
}

void WeightLoader::add_matrix(Weight& field, const gguf::TensorInfo& tensor, int64_t k, int64_t n_out,
                              int64_t n_matrices, int64_t n_scales, WeightRole role) {
  field.format = *pack_format_of(tensor.type);
  field.k = k;
  field.n_out = n_out;
  field.n_matrices = n_matrices;
  matrices_.push_back({&field, &tensor, field.tiles_bytes(), role});
  const std::string scale = fmt::format("{}.scale", tensor.name.substr(0, tensor.name.rfind('.')));
  if (!has(scale)) return;
  field.matrices_per_scale = n_matrices / n_scales;
  vector(field.scales, scale, n_scales, role);
}

void WeightLoader::matrix(Weight& field, const std::string& name, int64_t k, int64_t n_out, WeightRole role) {
  add_matrix(field, require(name, {k, n_out}), k, n_out, 1, 1, role);
}

void WeightLoader::row(Weight& field, const std::string& name, int64_t k, WeightRole role) {
  add_matrix(field, require(name, {k}), k, 1, 1, 1, role);
}

void WeightLoader::experts(Weight& field, const std::string& name, int64_t k, int64_t n_out, int64_t n_experts,
                           int64_t per_expert, WeightRole role) {
  add_matrix(field, require(name, {k, per_expert * n_out, n_experts}), k, n_out, per_expert * n_experts, n_experts,
             role);
}

void WeightLoader::vector(const float*& field, const std::string& name, int64_t n, WeightRole role) {
  const gguf::TensorInfo& tensor = require(name, {n});
  vectors_.push_back({&field, &tensor, static_cast<size_t>(n) * sizeof(float), role});
}

void WeightLoader::taps(TensorView& field, const std::string& name, int64_t n_taps, int64_t channels, WeightRole role) {
  const gguf::TensorInfo& tensor = require(name, {n_taps, channels});
  taps_.push_back({&field, &tensor, static_cast<size_t>(n_taps * channels) * sizeof(float), role});
}

void WeightLoader::table(EmbeddingTable& field, const std::string& name, int64_t n_embd, int64_t n_vocab,
                         WeightRole role) {
  const gguf::TensorInfo& tensor = require(name, {n_embd, n_vocab});
  field.n_vocab = n_vocab;
  field.n_embd = n_embd;
  tables_.push_back({&field, &tensor, role});
}

int64_t WeightLoader::widest_input() const noexcept {
  int64_t widest = 0;
  for (const MatrixJob& job : matrices_) widest = std::max(widest, job.field->k);
  return widest;
}

int WeightLoader::widest_block() const noexcept {
  const auto is_super = [](const gguf::TensorInfo& t) { return is_superblock(t.type); };
  return std::ranges::any_of(file_.tensors(), is_super) ? kSuperBlock : kActBlock;
}

void WeightLoader::hold_tables() noexcept {
  hold_tables_ = true;
}

void WeightLoader::leave_in_file(uint64_t limit) {
  uint64_t left = limit;
  for (const VectorJob& job : vectors_) left -= std::min<uint64_t>(left, padded(job.bytes));
  for (const TapsJob& job : taps_) left -= std::min<uint64_t>(left, padded(job.bytes));
  // A cycle runs the head several times, the LM head once more than that, the trunk once, and few of its experts.
  for (const WeightRole role :
       {WeightRole::kMtpHead, WeightRole::kLmHead, WeightRole::kTrunk, WeightRole::kExperts, WeightRole::kEmbedding}) {
    for (MatrixJob& job : matrices_) {
      if (job.role != role) continue;
      job.in_file = padded(job.bytes) > left;
      if (!job.in_file) left -= padded(job.bytes);
    }
  }
}

RoleBytes WeightLoader::bytes(bool loaded) const noexcept {
  RoleBytes bytes{};
  const auto add = [&](WeightRole role, size_t n) { bytes[static_cast<size_t>(role)] += n; };
  for (const MatrixJob& job : matrices_) {
    if (job.in_file != loaded) add(job.role, job.in_file ? job.tensor->n_bytes : padded(job.bytes));
  }
  for (const TableJob& job : tables_) {
    if (hold_tables_ == loaded) add(job.role, hold_tables_ ? padded(job.tensor->n_bytes) : job.tensor->n_bytes);
  }
  if (!loaded) return bytes;
  for (const VectorJob& job : vectors_) add(job.role, padded(job.bytes));
  for (const TapsJob& job : taps_) add(job.role, padded(job.bytes));
  return bytes;
}

size_t WeightLoader::largest_tile(bool in_file) const noexcept {
  size_t most = 0;
  for (const MatrixJob& job : matrices_) {
    if (job.in_file == in_file) most = std::max(most, tile_bytes(job.field->format, job.field->k));
  }
  return most;
}

void WeightLoader::fail_short(const gguf::TensorInfo& tensor) const {
  fail(ErrorCode::kFile, "{}: {}: expected {} bytes at byte {}, the file has become shorter", file_.path(tensor.part),
       tensor.name, tensor.n_bytes, tensor.file_offset);
}

// Threads take runs of whole rows, pack them, and give their pages of the file back before they take the next: of a
// tensor, no more than the runs in work is held twice.
void WeightLoader::pack(const MatrixJob& job, int64_t begin, int64_t end, ThreadPool& pool) {
  const Weight& w = *job.field;
  const gguf::TensorInfo& tensor = *job.tensor;
  const int64_t row = static_cast<int64_t>(row_bytes(tensor.type, w.k));
  const size_t tile = tile_bytes(w.format, w.k);
  const bool map = options_.map, mapped = file_.map_of(tensor) != nullptr;
  const int64_t run = std::max<int64_t>(1, static_cast<int64_t>(kRunBytes / tile));
  std::atomic<bool> is_short{false};
  pool.run(static_cast<int>((end - begin + run - 1) / run), [&](int task) {
    const int64_t first = begin + task * run, last = std::min(end, first + run);
    uint8_t* const slot = slots_.take();
    const int64_t first_row = w.first_row(first), end_row = w.first_row(last - 1) + w.tile_rows(last - 1);
    const uint8_t* const data = tensor.data + first_row * row;
    const size_t size = static_cast<size_t>((end_row - first_row) * row);
    if (map && mapped) fetch_pages(data, size);
    for (int64_t t = first; t < last; t++) {
      const uint8_t* rows = tensor.data + w.first_row(t) * row;
      const uint8_t* const next = map && t + 1 < last ? tensor.data + w.first_row(t + 1) * row : nullptr;
      if (!map) {
        rows = slot;
        if (!file_.read(tensor, static_cast<size_t>(w.first_row(t) * row), static_cast<size_t>(w.tile_rows(t) * row),
                        slot)) {
          is_short.store(true);
          break;
        }
      }
      pack_rows(w, t, rows, row, job.tiles + static_cast<size_t>(t) * tile, next);
    }
    if (map && mapped) drop_pages(data, size);
    slots_.give(slot);
  });
  if (is_short.load()) fail_short(tensor);
}

void WeightLoader::read(const gguf::TensorInfo& tensor, uint8_t* to, ThreadPool& pool) {
  std::atomic<bool> is_short{false};
  pool.run(static_cast<int>((tensor.n_bytes + kRunBytes - 1) / kRunBytes), [&](int task) {
    const size_t at = static_cast<size_t>(task) * kRunBytes;
    if (!file_.read(tensor, at, std::min<size_t>(kRunBytes, tensor.n_bytes - at), to + at)) is_short.store(true);
  });
  if (is_short.load()) fail_short(tensor);
}

void WeightLoader::load(ThreadPool& pool, const LoadOptions& options) {
  options_ = options;
  uint64_t n_bytes = 0;
  for (const uint64_t n : loaded_bytes()) n_bytes += n;
  storage_ = AlignedBuffer(n_bytes);
  if (options.interleave) interleave_memory(storage_.data(), storage_.size());
  if (options.lock) lock_memory(storage_.data(), storage_.size());
  uint8_t* next = storage_.data();
  const auto take = [&](size_t bytes) { return std::exchange(next, next + padded(bytes)); };

  for (MatrixJob& job : matrices_) {
    job.field->in_file = file_rows(*job.tensor);
    if (job.in_file) continue;
    job.tiles = take(job.bytes);
    total_ += job.bytes;
  }
  slots_ = Slots(pool.n_threads(), loaded_tile_bytes());
  pass_over_left();
  if (options.packing == Packing::kWhileQuick) load_while_quick(pool);
  while (options.packing == Packing::kAtOnce && !loaded()) load_some(pool, options.progress);
  for (const TableJob& job : tables_) {
    job.field->rows = file_rows(*job.tensor);
    if (!hold_tables_) continue;
    uint8_t* const rows = take(job.tensor->n_bytes);
    read(*job.tensor, rows, pool);
    job.field->rows.data = rows;
    job.field->rows.map = nullptr;
  }
  for (const VectorJob& job : vectors_) {
    float* const v = reinterpret_cast<float*>(take(job.bytes));
    decode_row(job.tensor->type, job.tensor->data, job.tensor->shape[0], v);
    *job.field = v;
  }
  for (const TapsJob& job : taps_) {
    const int64_t n_taps = job.tensor->shape[0], channels = job.tensor->shape[1];
    float* const turned = reinterpret_cast<float*>(take(job.bytes));
    std::vector<float> rows(static_cast<size_t>(n_taps * channels));
    decode_row(job.tensor->type, job.tensor->data, n_taps * channels, rows.data());
    for (int64_t c = 0; c < channels; c++) {
      for (int64_t i = 0; i < n_taps; i++) turned[i * channels + c] = rows[static_cast<size_t>(c * n_taps + i)];
    }
    *job.field = {turned, n_taps, channels};
  }
}

void WeightLoader::pass_over_left() noexcept {
  while (next_ < matrices_.size() && matrices_[next_].in_file) next_++;
  if (loaded()) slots_ = Slots();
}

// Memory that the system has at hand costs little beside packing. Where it must be found first, under a virtual machine
// that has given its free memory back, it costs several times as much; so does a file that is not in the cache yet. The
// first piece tells them apart, which is one of the LM head and thus large: the second time it is packed, both are
// there.
void WeightLoader::load_while_quick(ThreadPool& pool) {
  constexpr double kQuick = 2;  // times what packing alone takes
  if (loaded()) return;
  const MatrixJob& first = matrices_[next_];
  const auto start = Clock::now();
  load_some(pool, options_.progress);
  const auto there = Clock::now();
  if (loaded()) return;
  const int64_t n_tiles = next_tile_ > 0 ? next_tile_ : first.field->n_tiles();
  pack(first, 0, n_tiles, pool);
  const std::chrono::duration<double> once = there - start, again = Clock::now() - there;
  const double per_byte = again.count() / static_cast<double>(done_);
  while (!loaded()) {
    const std::chrono::duration<double> took = Clock::now() - there - again + once;
    if (took.count() > kQuick * per_byte * static_cast<double>(done_)) break;
    load_some(pool, options_.progress);
  }
  if (!loaded() && options_.progress) options_.progress(total_, total_);  // as far as a user waits
}

void WeightLoader::load_some(ThreadPool& pool, const LoadProgress& progress) {
  const MatrixJob& job = matrices_[next_];
  Weight& w = *job.field;
  const size_t tile = tile_bytes(w.format, w.k);
  const int64_t first = next_tile_,
                last = std::min(w.n_tiles(),
                                first + std::max<int64_t>(1, static_cast<int64_t>(options_.piece_bytes / tile)));
  pack(job, first, last, pool);
  next_tile_ = last;
  done_ += static_cast<size_t>(last - first) * tile;
  if (progress) progress(done_, total_);
  if (last < w.n_tiles()) return;
  w.tiles = job.tiles;
  w.in_file = {};
  next_++;
  next_tile_ = 0;
  pass_over_left();
}

FileRows WeightLoader::file_rows(const gguf::TensorInfo& tensor) const noexcept {
  return {tensor.data, static_cast<int64_t>(row_bytes(tensor.type, tensor.shape[0])), tensor.type,
          file_.map_of(tensor)};
}

}  // namespace nextn
