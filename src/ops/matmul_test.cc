// The matmul and embedding ops: a row's result depends on that row alone, whatever stands around it.
#include "ops/matmul.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/fp16.h"
#include "base/mapped_file.h"
#include "quant/decode.h"

namespace nextn {
namespace {

const PackFormat kFormats[] = {PackFormat::kF32,  PackFormat::kF16,  PackFormat::kBF16, PackFormat::kQ8_0,
                               PackFormat::kQ4_0, PackFormat::kQ4_K, PackFormat::kQ5_K, PackFormat::kQ6_K};

// A random matrix: its rows as in a file, and its tiles.
struct Matrix {
  Matrix(PackFormat format, int64_t k, int64_t n_out, std::mt19937& random) : format(format), k(k), n_out(n_out) {
    const DTypeInfo& info = dtype_info(dtype_of(format));
    row_bytes = static_cast<size_t>(k / info.block_values * info.block_bytes);
    rows.resize(static_cast<size_t>(n_out) * row_bytes);
    std::normal_distribution<float> normal(0, 1);
    const auto put = [&](size_t at, auto value) { std::memcpy(&rows[at], &value, sizeof value); };
    const auto scale = [&] { return f32_to_f16(0.01f * normal(random)); };
    for (size_t at = 0; at < rows.size(); at += info.block_bytes) {
      switch (format) {
        case PackFormat::kF32:
          put(at, normal(random));
          continue;
        case PackFormat::kF16:
          put(at, f32_to_f16(normal(random)));
          continue;
        case PackFormat::kBF16:
          put(at, static_cast<uint16_t>(bits_of_float(normal(random)) >> 16));
          continue;
        default:
          break;
      }
      for (size_t i = 0; i < info.block_bytes; i++) rows[at + i] = static_cast<uint8_t>(random());
      put(format == PackFormat::kQ6_K ? at + 208 : at, scale());
      if (format == PackFormat::kQ4_K || format == PackFormat::kQ5_K) put(at + 2, scale());
    }
    tiles.resize(static_cast<size_t>(weight().n_tiles()) * tile_bytes(format, k));
    for (int64_t t = 0; t < weight().n_tiles(); t++) {
      pack_tile(format, rows.data() + static_cast<size_t>(16 * t) * row_bytes, row_bytes,
                static_cast<int>(std::min<int64_t>(16, n_out - 16 * t)), k,
                tiles.data() + static_cast<size_t>(t) * tile_bytes(format, k));
    }
  }
  Weight weight() const { return {format, k, n_out, tiles.data()}; }
  std::vector<float> row(int64_t r) const {
    std::vector<float> x(static_cast<size_t>(k));
    decode_row(dtype_of(format), rows.data() + static_cast<size_t>(r) * row_bytes, k, x.data());
    return x;
  }

  PackFormat format;
  int64_t k, n_out;
  size_t row_bytes;
  std::vector<uint8_t> rows, tiles;
};

constexpr int kMaxRows = 300;
constexpr int64_t kWidth = 512;
// Heights that are odd, several tiles, less than one.
const int64_t kHeights[] = {37, 300, 5};

// The products of x's rows with three matrices of different formats, at once.
std::vector<float> multiply(ThreadPool& pool, const std::vector<Matrix>& w, std::vector<float>& x, int first, int n) {
  Ctx ctx{select_kernels(nullptr), pool, ActBuffer(n, kWidth)};
  std::vector<float> out[3];
  TensorView y[3];
  for (int i = 0; i < 3; i++) {
    const int64_t stride = w[i].n_out + 3;  // rows need not be packed
    out[i].assign(static_cast<size_t>(n * stride), -1.0f);
    y[i] = {out[i].data(), n, w[i].n_out, stride};
  }
  const Weight a = w[0].weight(), b = w[1].weight(), c = w[2].weight();
  ops::matmul(ctx, TensorView(x.data() + first * kWidth, n, kWidth), {{y[0], a}, {y[1], b}, {y[2], c}});
  std::vector<float> rows;
  for (int r = 0; r < n; r++) {
    for (const TensorView& v : y) rows.insert(rows.end(), v.row(r), v.row(r) + v.cols);
  }
  for (int i = 0; i < 3; i++) {
    for (int64_t at = 0; at < n * y[i].stride; at++) {
      if (at % y[i].stride >= y[i].cols && out[i][at] != -1.0f) ADD_FAILURE() << "written outside";
    }
  }
  return rows;
}

TEST(MatmulOp, ARowIsTheSameInAnyBatchOnAnyNumberOfThreads) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> x(kMaxRows * kWidth);
  for (float& value : x) value = normal(random);
  // Products of one call with mixed formats, floats beside integers.
  for (size_t f = 0; f < std::size(kFormats); f++) {
    std::vector<Matrix> w;
    for (int i = 0; i < 3; i++)
      w.emplace_back(kFormats[(f + 3 * i) % std::size(kFormats)], kWidth, kHeights[i], random);
    ThreadPool one(1), two(2), three(3);
    std::vector<float> alone;
    for (int r = 0; r < kMaxRows; r++) {
      const std::vector<float> row = multiply(one, w, x, r, 1);
      alone.insert(alone.end(), row.begin(), row.end());
    }
    const size_t width = alone.size() / kMaxRows;
    // Against doubles: each product within the rounding of 8-bit activations.
    size_t at = 0;
    for (const Matrix& m : w) {
      for (int64_t o = 0; o < m.n_out; o++, at++) {
        const std::vector<float> row = m.row(o);
        double sum = 0, size = 0;
        for (int64_t i = 0; i < kWidth; i++) sum += row[i] * x[i], size += std::abs(row[i] * x[i]);
        ASSERT_NEAR(alone[at], sum, (m.format <= PackFormat::kBF16 ? 1e-6 : 2e-3) * size)
            << dtype_info(dtype_of(m.format)).name << " output " << o;
      }
    }
    for (ThreadPool* pool : {&one, &two, &three}) {
      for (int n = 1; n <= kMaxRows; n++) {
        if (n > 40 && (pool != &three || (n != 255 && n != 257 && n != kMaxRows))) continue;
        if (pool == &two && n % 7 != 0) continue;
        const int first = (kMaxRows - n) / 2;
        const std::vector<float> batch = multiply(*pool, w, x, first, n);
        ASSERT_EQ(std::memcmp(batch.data(), &alone[first * width], batch.size() * sizeof(float)), 0)
            << n << " rows, " << pool->n_threads() << " threads, first format "
            << dtype_info(dtype_of(kFormats[f])).name;
      }
    }
  }
}

// Sums and maxima taken along with a product are those of its outputs, on any number of threads.
TEST(MatmulOp, SumsAndBlockMaximaOfAProduct) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal(0, 1);
  const int64_t n_out = 2 * ops::kMaxBlock + 37, n_blocks = 3, n_rows = 9;
  const Matrix m(PackFormat::kQ8_0, 32, n_out, random);
  const Weight w = m.weight();
  std::vector<float> x(n_rows * 32), before(n_rows * n_out);
  for (float& value : x) value = normal(random);
  for (float& value : before) value = normal(random);
  x[3 * 32] = std::numeric_limits<float>::quiet_NaN();
  for (const int n_threads : {1, 3}) {
    ThreadPool pool(n_threads);
    Ctx ctx{select_kernels(nullptr), pool, ActBuffer(n_rows, 32)};
    std::vector<float> y(before.size()), sum = before, max(n_rows * n_blocks);
    ops::matmul(ctx, TensorView(x.data(), n_rows, 32),
                {{TensorView(y.data(), n_rows, n_out), w, TensorView(sum.data(), n_rows, n_out),
                  TensorView(max.data(), n_rows, n_blocks)}});
    for (int64_t r = 0; r < n_rows; r++) {
      for (int64_t b = 0; b < n_blocks; b++) {
        const auto first = y.begin() + r * n_out + b * ops::kMaxBlock,
                   last = y.begin() + std::min((r + 1) * n_out, r * n_out + (b + 1) * ops::kMaxBlock);
        if (r == 3) {
          EXPECT_TRUE(std::isnan(max[r * n_blocks + b]));
        } else {
          EXPECT_EQ(max[r * n_blocks + b], *std::max_element(first, last));
        }
      }
      for (int64_t i = r * n_out; r != 3 && i < (r + 1) * n_out; i++) ASSERT_EQ(sum[i], before[i] + y[i]);
    }
  }
}

TEST(MatmulOp, NoRowsAreNoWork) {
  std::mt19937 random(2);
  ThreadPool pool(2);
  Ctx ctx{select_kernels(nullptr), pool, ActBuffer()};
  const Matrix m(PackFormat::kQ8_0, 32, 16, random);
  const Weight w = m.weight();
  ops::matmul(ctx, TensorView(nullptr, 0, 32), {{TensorView(nullptr, 0, 16), w}});
}

TEST(EmbedOp, ATiedTableGivesTheRowsOfTheFile) {
  std::mt19937 random(3);
  ThreadPool pool(2);
  Ctx ctx{select_kernels(nullptr), pool, ActBuffer()};
  for (const PackFormat format : kFormats) {
    const int64_t block = dtype_info(dtype_of(format)).block_values;
    for (const int64_t n_embd : {block, 3 * block, 256 + 5 * block, int64_t{1024}, 4096 + 2 * block}) {
      const int64_t n_vocab = 35;
      const Matrix m(format, n_embd, n_vocab, random);
      const Weight weight = m.weight();
      const EmbeddingTable tied = {.tied = &weight, .rows = {}, .n_vocab = n_vocab, .n_embd = n_embd};
      const EmbeddingTable untied = {
          .tied = nullptr,
          .rows = {.data = m.rows.data(), .row_bytes = static_cast<int64_t>(m.row_bytes), .type = dtype_of(format)},
          .n_vocab = n_vocab,
          .n_embd = n_embd};
      std::vector<int32_t> tokens = {34, 0, 15, 16, 15};
      for (int32_t id = 0; id < n_vocab; id++) tokens.push_back(id);
      const auto n = static_cast<int64_t>(tokens.size());
      std::vector<float> a(n * n_embd), b(n * n_embd), expected;
      ops::embed(ctx, TensorView(a.data(), n, n_embd), tied, tokens.data());
      ops::embed(ctx, TensorView(b.data(), n, n_embd), untied, tokens.data());
      for (const int32_t id : tokens) {
        const std::vector<float> row = m.row(id);
        expected.insert(expected.end(), row.begin(), row.end());
      }
      const std::string name = std::string(dtype_info(dtype_of(format)).name) + " " + std::to_string(n_embd);
      EXPECT_EQ(std::memcmp(a.data(), expected.data(), expected.size() * sizeof(float)), 0) << name << " tied";
      EXPECT_EQ(std::memcmp(b.data(), expected.data(), expected.size() * sizeof(float)), 0) << name << " untied";

      const std::filesystem::path path =
          std::filesystem::path(::testing::TempDir()) / ("embed_" + std::to_string(getpid()));
      std::ofstream(path, std::ios::binary)
          << "header" << std::string_view(reinterpret_cast<const char*>(m.rows.data()), m.rows.size());
      const MappedFile map(path);
      std::filesystem::remove(path);
      EmbeddingTable in_file = untied;
      in_file.rows.data = map.bytes().data() + std::strlen("header");
      in_file.rows.map = &map;
      std::ranges::fill(a, std::numeric_limits<float>::quiet_NaN());
      ops::embed(ctx, TensorView(a.data(), n, n_embd), in_file, tokens.data());
      EXPECT_EQ(std::memcmp(a.data(), expected.data(), expected.size() * sizeof(float)), 0) << name << " in a file";
    }
  }
}

// A matrix that is left in the file gives what its tiles give, and either is multiplied by its scale.
TEST(MatmulOp, AMatrixInTheFileGivesTheSameBits) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal(0, 1);
  for (int f = 0; f < kNumPackFormats; f++) {
    const DType type = dtype_of(static_cast<PackFormat>(f));
    const DTypeInfo& info = dtype_info(type);
    for (const int64_t n_out : kHeights) {
      const int64_t row_bytes = kWidth / info.block_values * info.block_bytes;
      std::vector<uint8_t> rows(static_cast<size_t>(n_out * row_bytes));
      for (uint8_t& byte : rows) byte = static_cast<uint8_t>(random() & 0x3f);  // no infinities
      Weight packed;
      packed.format = static_cast<PackFormat>(f);
      packed.k = kWidth;
      packed.n_out = n_out;
      Weight in_file = packed;
      in_file.in_file = {rows.data(), row_bytes, type};
      const size_t tile = tile_bytes(packed.format, kWidth);
      std::vector<uint8_t> tiles(static_cast<size_t>(packed.n_tiles()) * tile);
      for (int64_t t = 0; t < packed.n_tiles(); t++) {
        pack_rows(packed, t, in_file.in_file.row(t * kTileRows), row_bytes,
                  tiles.data() + static_cast<size_t>(t) * tile);
      }
      packed.tiles = tiles.data();

      for (const int n : {1, 3, 8, 20}) {
        std::vector<float> x(static_cast<size_t>(n) * kWidth), y(static_cast<size_t>(n * n_out)), z(y.size());
        for (float& value : x) value = normal(random);
        ThreadPool pool(2);
        Ctx ctx{select_kernels(nullptr), pool, ActBuffer(n, kWidth)};
        ctx.tiles = Slots(2, tile);
        ops::matmul(ctx, {x.data(), n, kWidth}, {{{y.data(), n, n_out}, packed}});
        ops::matmul(ctx, {x.data(), n, kWidth}, {{{z.data(), n, n_out}, in_file}});
        EXPECT_EQ(std::memcmp(y.data(), z.data(), y.size() * sizeof(float)), 0)
            << info.name << " " << n_out << " " << n;

        for (Weight w : {packed, in_file}) {
          const float scale = 0.3f;
          w.scales = &scale;
          const int64_t n_max = (n_out + ops::kMaxBlock - 1) / ops::kMaxBlock;
          std::vector<float> sum(y.size(), 1.0f), max(static_cast<size_t>(n * n_max));
          ops::matmul(ctx, {x.data(), n, kWidth},
                      {{{z.data(), n, n_out}, w, {sum.data(), n, n_out}, {max.data(), n, n_max}}});
          for (size_t i = 0; i < y.size(); i++) {
            ASSERT_EQ(z[i], y[i] * 0.3f);
            ASSERT_EQ(sum[i], 1.0f + z[i]);
          }
          EXPECT_EQ(max[0], *std::max_element(z.begin(), z.begin() + std::min(n_out, ops::kMaxBlock)));
        }
      }

      // A tied table's rows, too.
      const EmbeddingTable a = {.tied = &packed, .rows = {}, .n_vocab = n_out, .n_embd = kWidth},
                           b = {.tied = &in_file, .rows = {}, .n_vocab = n_out, .n_embd = kWidth};
      const int32_t ids[] = {0, 4, static_cast<int32_t>(n_out) - 1};
      std::vector<float> from_tiles(3 * kWidth), from_file(3 * kWidth);
      ThreadPool pool(2);
      Ctx ctx{select_kernels(nullptr), pool, ActBuffer(1, kWidth)};
      ops::embed(ctx, {from_tiles.data(), 3, kWidth}, a, ids);
      ops::embed(ctx, {from_file.data(), 3, kWidth}, b, ids);
      EXPECT_EQ(std::memcmp(from_tiles.data(), from_file.data(), from_tiles.size() * sizeof(float)), 0) << info.name;
    }
  }
}

}  // namespace
}  // namespace nextn
