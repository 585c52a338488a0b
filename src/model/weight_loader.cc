#include "model/weight_loader.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "quant/decode.h"
#include "quant/widen.h"

namespace nextn {

namespace {

PackFormat pack_format(DType type) {
  switch (type) {
    case DType::kF32:
      return PackFormat::kF32;
    case DType::kF16:
      return PackFormat::kF16;
    case DType::kBF16:
      return PackFormat::kBF16;
    case DType::kQ8_0:
      return PackFormat::kQ8_0;
    case DType::kQ4_0:
      return PackFormat::kQ4_0;
    case DType::kQ4_K:
      return PackFormat::kQ4_K;
    case DType::kQ5_K:
      return PackFormat::kQ5_K;
    case DType::kQ6_K:
      return PackFormat::kQ6_K;
    default:
      NEXTN_CHECK(!"a type without a kernel");
  }
  return PackFormat::kF32;
}

size_t row_bytes(DType type, int64_t n) {
  return static_cast<size_t>(n) / dtype_info(type).block_values * dtype_info(type).block_bytes;
}

}  // namespace

const char* weight_role_name(WeightRole role) noexcept {
  constexpr const char* kNames[] = {"trunk", "embedding", "lm_head", "mtp_head"};
  return kNames[static_cast<int>(role)];
}

bool WeightLoader::has_any(std::string_view prefix) const noexcept {
  return std::ranges::any_of(file_.tensors(), [&](const gguf::TensorInfo& t) { return t.name.starts_with(prefix); });
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
  if (name.ends_with(".weight") && has(name.substr(0, name.size() - 6) + "scale")) {
    fail(ErrorCode::kUnsupported, "{}: {}: has a separate scale tensor, which nextn does not read", file_.path(), name);
  }
  return *tensor;
}

size_t WeightLoader::reserve(size_t bytes, WeightRole role) noexcept {
  const size_t at = storage_bytes_;
  storage_bytes_ += (bytes + 63) / 64 * 64;
  bytes_by_role_[static_cast<size_t>(role)] += bytes;
  return at;
}

void WeightLoader::matrix(Weight& field, const std::string& name, int64_t k, int64_t n_out, WeightRole role) {
  const gguf::TensorInfo& tensor = require(name, {k, n_out});
  field.format = pack_format(runtime_type(tensor.type));
  field.k = k;
  field.n_out = n_out;
  matrices_.push_back(
      {&field, &tensor, reserve(static_cast<size_t>(field.n_tiles()) * tile_bytes(field.format, k), role)});
  file_bytes_ += tensor.n_bytes;
}

void WeightLoader::vector(const float*& field, const std::string& name, int64_t n, WeightRole role) {
  const gguf::TensorInfo& tensor = require(name, {n});
  vectors_.push_back({&field, &tensor, reserve(static_cast<size_t>(n) * sizeof(float), role)});
}

void WeightLoader::taps(TensorView& field, const std::string& name, int64_t n_taps, int64_t channels, WeightRole role) {
  const gguf::TensorInfo& tensor = require(name, {n_taps, channels});
  taps_.push_back({&field, &tensor, reserve(static_cast<size_t>(n_taps * channels) * sizeof(float), role)});
}

void WeightLoader::table(EmbeddingTable& field, const std::string& name, int64_t n_embd, int64_t n_vocab,
                         WeightRole role) {
  const gguf::TensorInfo& tensor = require(name, {n_embd, n_vocab});
  bytes_by_role_[static_cast<size_t>(role)] += tensor.n_bytes;
  field.rows = tensor.data;
  field.row_bytes = static_cast<int64_t>(row_bytes(tensor.type, n_embd));
  field.type = tensor.type;
  field.n_vocab = n_vocab;
  field.n_embd = n_embd;
}

void WeightLoader::pack(const MatrixJob& job, ThreadPool& pool) {
  const Weight& w = *job.field;
  const gguf::TensorInfo& tensor = *job.tensor;
  const DType type = dtype_of(w.format);
  const size_t in_row = row_bytes(tensor.type, w.k), row = row_bytes(type, w.k), tile = tile_bytes(w.format, w.k);
  uint8_t* const tiles = storage_.data() + job.at;
  const bool widened = type != tensor.type;
  const int n_threads = pool.n_threads();
  AlignedBuffer wide(widened ? static_cast<size_t>(n_threads) * kTileRows * row : 0);
  // A task is a run of tiles with a buffer of its own, so that widening needs no more memory than the threads can use.
  const int64_t n_tiles = w.n_tiles();
  pool.run(n_threads, [&](int task) {
    for (int64_t t = n_tiles * task / n_threads; t < n_tiles * (task + 1) / n_threads; t++) {
      const int n_rows = static_cast<int>(std::min<int64_t>(kTileRows, w.n_out - t * kTileRows));
      const uint8_t* rows = tensor.data + static_cast<size_t>(t * kTileRows) * in_row;
      if (widened) {
        uint8_t* const buffer = wide.data() + static_cast<size_t>(task) * kTileRows * row;
        for (int r = 0; r < n_rows; r++) {
          convert_row(tensor.type, type, rows + static_cast<size_t>(r) * in_row, w.k,
                      buffer + static_cast<size_t>(r) * row);
        }
        rows = buffer;
      }
      pack_tile(w.format, rows, row, n_rows, w.k, tiles + static_cast<size_t>(t) * tile);
    }
  });
  job.field->tiles = tiles;
  file_.release(tensor);
}

void WeightLoader::load(ThreadPool& pool, const LoadProgress& progress) {
  storage_ = AlignedBuffer(storage_bytes_);
  uint64_t done = 0;
  for (const MatrixJob& job : matrices_) {
    pack(job, pool);
    done += job.tensor->n_bytes;
    if (progress) progress(done, file_bytes_);
  }
  for (const VectorJob& job : vectors_) {
    float* const v = reinterpret_cast<float*>(storage_.data() + job.at);
    decode_row(job.tensor->type, job.tensor->data, job.tensor->shape[0], v);
    *job.field = v;
  }
  for (const TapsJob& job : taps_) {
    const int64_t n_taps = job.tensor->shape[0], channels = job.tensor->shape[1];
    float* const turned = reinterpret_cast<float*>(storage_.data() + job.at);
    std::vector<float> rows(static_cast<size_t>(n_taps * channels));
    decode_row(job.tensor->type, job.tensor->data, n_taps * channels, rows.data());
    for (int64_t c = 0; c < channels; c++) {
      for (int64_t i = 0; i < n_taps; i++) turned[i * channels + c] = rows[static_cast<size_t>(c * n_taps + i)];
    }
    *job.field = {turned, n_taps, channels};
  }
}

}  // namespace nextn
