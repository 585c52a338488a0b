// What one pass over a matrix costs for M activation rows: the numbers behind the choice of how much to draft.
//
// A matrix is repeated until the weights exceed every cache, as the layers of a model do. Each repeat runs all M once,
// so that slow drifts of the machine cancel in the ratios; medians over the repeats, and the best of them for a
// machine that others use too. The memory peak is measured on the same bytes with plain loads, the clock with a chain
// of dependent additions (one a cycle), both within each repeat.
//
//   matmul_bench [--formats Q4_K,Q6_K,..] [--shapes KxN,..] [--threads 1,2] [--rows 1,2,..] [--repeats 9] [--mib 384]
#include <emmintrin.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "kernels/scales_of_test.h"
#include "quant/blocks.h"

namespace nextn {
namespace {

struct Shape {
  int64_t k, n;
};

struct Options {
  std::vector<PackFormat> formats = {PackFormat::kQ4_K, PackFormat::kQ5_K,   PackFormat::kQ6_K, PackFormat::kQ8_0,
                                     PackFormat::kQ4_0, PackFormat::kIQ4_XS, PackFormat::kF16};
  std::vector<Shape> shapes = {{2560, 9216}, {9216, 2560}, {1024, 3584}, {2560, 65536}};
  std::vector<int> threads = {1, 2};
  std::vector<int> rows = {1, 2, 3, 4, 5, 6, 7, 8, 12, 16};
  int repeats = 9;
  int64_t mib = 384;
};

constexpr int kMaxRows = 512;

double now() {
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

// Cycles a second of the core this runs on.
double measure_clock() {
  constexpr int64_t kRounds = 1'000'000;
  double best = 1e9;
  for (int i = 0; i < 3; i++) {
    int64_t x = 1;
    const double start = now();
    for (int64_t r = 0; r < kRounds; r++) {
      asm volatile(
          "add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0\n add %0, %0"
          : "+r"(x));
    }
    best = std::min(best, now() - start);
  }
  return 8 * kRounds / best;
}

// Reads [p, p + bytes) and keeps the loads alive.
void read_all(const uint8_t* p, int64_t bytes) {
  __m128i a = _mm_setzero_si128(), b = a, c = a, d = a;
  for (int64_t i = 0; i + 64 <= bytes; i += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(p) + i + 2048, _MM_HINT_T0);
    const __m128i* v = reinterpret_cast<const __m128i*>(p + i);
    a = _mm_xor_si128(a, _mm_load_si128(v)), b = _mm_xor_si128(b, _mm_load_si128(v + 1));
    c = _mm_xor_si128(c, _mm_load_si128(v + 2)), d = _mm_xor_si128(d, _mm_load_si128(v + 3));
  }
  volatile int keep = _mm_cvtsi128_si32(_mm_xor_si128(_mm_xor_si128(a, b), _mm_xor_si128(c, d)));
  (void)keep;
}

double time_read(ThreadPool& pool, const AlignedBuffer& weights, int64_t bytes) {
  constexpr int64_t kPiece = 1 << 20;
  const double start = now();
  pool.run(static_cast<int>((bytes + kPiece - 1) / kPiece),
           [&](int i) { read_all(weights.data() + i * kPiece, std::min(kPiece, bytes - i * kPiece)); });
  return now() - start;
}

// A tile of random weights with scales near 0.01.
void fill_tile(PackFormat format, int64_t k, uint8_t* tile) {
  const DTypeInfo& info = dtype_info(dtype_of(format));
  const size_t row_bytes = static_cast<size_t>(k / info.block_values) * info.block_bytes;
  std::vector<uint8_t> rows(row_bytes * kTileRows);
  std::mt19937 random(1);
  for (auto& byte : rows) byte = static_cast<uint8_t>(random());
  for (size_t at = 0; at < rows.size(); at += info.block_bytes) {
    if (format == PackFormat::kF32) {
      const float f = 0.01f;
      std::memcpy(&rows[at], &f, sizeof f);
    } else {
      set_scales(dtype_of(format), &rows[at], [&] { return static_cast<uint16_t>(0x2000 + random() % 1024); });
    }
  }
  pack_tile(format, rows.data(), row_bytes, kTileRows, k, tile);
}

struct Activations {
  Activations(const KernelTable& table, int64_t k, int block)
      : k(k), x(kMaxRows * k), q(kMaxRows * k), scale(kMaxRows * k / 32), sum(kMaxRows * k / 16) {
    std::mt19937 random(2);
    std::normal_distribution<float> normal;
    for (auto& value : x) value = normal(random);
    for (int m = 0; m < kMaxRows; m++) {
      table.quantize(&x[m * k], k, block, &q[m * k], &scale[m * k / 32], &sum[m * k / 16]);
    }
  }

  ActRows from(int m) const { return {&x[m * k], &q[m * k], &scale[m * k / 32], &sum[m * k / 16]}; }

  int64_t k;
  std::vector<float> x;
  std::vector<int8_t> q;
  std::vector<float> scale;
  std::vector<int16_t> sum;
};

// Tile by tile in blocks of at most 8 rows of nearly equal size; the tile stays in cache between blocks. Or all tiles
// in blocks of many rows, where there is a kernel for so many.
void run_tiles(const KernelTable& table, PackFormat format, MatmulArgs args, const Activations& act, int n_rows,
               int64_t first, int64_t last) {
  const MatmulFn matmul = table.matmul[static_cast<int>(format)], many = table.matmul_many[static_cast<int>(format)];
  if (n_rows <= kMaxMatmulRows) return matmul(args, first, last);
  if (many != nullptr && n_rows >= kMinManyRows) {
    const int n_blocks = (n_rows + kMaxManyRows - 1) / kMaxManyRows;
    float* const y = args.y;
    for (int b = 0; b < n_blocks; b++) {
      const int m0 = n_rows * b / n_blocks;
      args.act = act.from(m0);
      args.n_rows = n_rows * (b + 1) / n_blocks - m0;
      args.y = y + m0 * args.y_stride;
      many(args, first, last);
    }
    return;
  }
  const int n_blocks = (n_rows + kMaxMatmulRows - 1) / kMaxMatmulRows;
  float* y = args.y;
  for (int64_t t = first; t < last; t++) {
    for (int b = 0; b < n_blocks; b++) {
      const int m0 = n_rows * b / n_blocks;
      args.act = act.from(m0);
      args.n_rows = n_rows * (b + 1) / n_blocks - m0;
      args.y = y + m0 * args.y_stride;
      matmul(args, t, t + 1);
    }
  }
}

void bench(const KernelTable& table, const Options& options, PackFormat format, Shape shape) {
  const int64_t n_tiles = shape.n / kTileRows;
  const int64_t bytes_of_tile = static_cast<int64_t>(tile_bytes(format, shape.k)), bytes = n_tiles * bytes_of_tile;
  const int64_t copies = std::max<int64_t>(1, (options.mib << 20) / bytes);
  AlignedBuffer weights(static_cast<size_t>(copies * bytes));
  fill_tile(format, shape.k, weights.data());
  for (int64_t t = 1; t < copies * n_tiles; t++)
    std::memcpy(weights.data() + t * bytes_of_tile, weights.data(), bytes_of_tile);

  const int block = dtype_info(dtype_of(format)).block_values == kSuperBlock ? kSuperBlock : kActBlock;
  const Activations act(table, shape.k, block);
  const MatmulFn matmul = table.matmul[static_cast<int>(format)];
  std::vector<float> y(kMaxRows * shape.n);
  auto args = [&](int64_t copy, int n_rows) {
    return MatmulArgs{weights.data() + copy * bytes, shape.k, shape.n, act.from(0), n_rows, y.data(), shape.n};
  };

  {  // Is it the right answer? One tile against the scalar twin.
    std::vector<float> expected(8 * shape.n);
    MatmulArgs a = args(0, 8);
    matmul(a, 0, 1);
    a.y = expected.data();
    scalar::kernels().matmul[static_cast<int>(format)](a, 0, 1);
    for (int m = 0; m < 8; m++) {
      if (std::memcmp(&y[m * shape.n], &expected[m * shape.n], kTileRows * sizeof(float)) != 0) {
        fail(ErrorCode::kUnsupported, "matmul_bench: {} differs from its scalar twin", table.isa);
      }
    }
  }

  const int64_t chunk = std::max<int64_t>(1, (128 << 10) / bytes_of_tile);  // tiles that a thread takes at a time
  const int n_chunks = static_cast<int>((n_tiles + chunk - 1) / chunk);
  for (int n_threads : options.threads) {
    ThreadPool pool(n_threads);
    const size_t n = options.rows.size();
    std::vector<std::vector<double>> times(n), ratios(n);
    std::vector<double> reads, clocks;
    for (int repeat = -1; repeat < options.repeats; repeat++) {  // the first is a warm-up
      std::vector<double> t(n);
      const double clock = measure_clock(), read = time_read(pool, weights, copies * bytes);
      for (size_t i = 0; i < n; i++) {
        const int m = options.rows[i];
        const double start = now();
        for (int64_t c = 0; c < copies; c++) {
          pool.run(n_chunks, [&](int piece) {
            run_tiles(table, format, args(c, m), act, m, piece * chunk, std::min(n_tiles, (piece + 1) * chunk));
          });
        }
        t[i] = (now() - start) / static_cast<double>(copies);
      }
      if (repeat < 0) continue;
      clocks.push_back(clock);
      reads.push_back(read / static_cast<double>(copies));
      for (size_t i = 0; i < n; i++) times[i].push_back(t[i]), ratios[i].push_back(t[i] / t[0]);
    }
    const double clock = median(clocks), read = median(reads), gigabytes = static_cast<double>(bytes) / 1e9;
    fmt::print("{} K {} N {}, {} thread{}: {:.1f} MB x {}, read peak {:.1f} GB/s, clock {:.2f} GHz\n",
               dtype_info(dtype_of(format)).name, shape.k, shape.n, n_threads, n_threads == 1 ? "" : "s",
               gigabytes * 1e3, copies, gigabytes / read, clock / 1e9);
    fmt::print("   M  us/pass   best   GB/s   of peak  MAC/cycle/core  T(M)/T({0})  of the bests\n", options.rows[0]);
    for (size_t i = 0; i < n; i++) {
      const double t = median(times[i]), best = *std::min_element(times[i].begin(), times[i].end());
      const double macs = static_cast<double>(shape.k) * static_cast<double>(shape.n) * options.rows[i];
      fmt::print("  {:2}  {:7.0f} {:7.0f}  {:5.1f}  {:6.0f} %  {:13.1f}  {:9.2f}  {:12.2f}\n", options.rows[i], t * 1e6,
                 best * 1e6, gigabytes / t, 100 * read / t, macs / (t * clock * n_threads), median(ratios[i]),
                 best / *std::min_element(times[0].begin(), times[0].end()));
    }
    std::fflush(stdout);
  }
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts(1);
  for (char c : list) {
    if (c == ',')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 >= argc) fail(ErrorCode::kUsage, "{}: expected a value", flag);
    const std::string value = argv[i + 1];
    if (flag == "--formats") {
      options.formats.clear();
      for (const auto& name : split(value)) {
        int f = 0;
        while (f < kNumPackFormats && dtype_info(dtype_of(static_cast<PackFormat>(f))).name != name) f++;
        if (f == kNumPackFormats) fail(ErrorCode::kUsage, "--formats: unknown format '{}'", name);
        options.formats.push_back(static_cast<PackFormat>(f));
      }
    } else if (flag == "--shapes") {
      options.shapes.clear();
      for (const auto& shape : split(value)) {
        Shape s{};
        if (std::sscanf(shape.c_str(), "%ldx%ld", &s.k, &s.n) != 2 || s.k % 256 != 0 || s.n % kTileRows != 0 ||
            s.k <= 0 || s.n <= 0) {
          fail(ErrorCode::kUsage, "--shapes: expected KxN with K a multiple of 256 and N of 16, found '{}'", shape);
        }
        options.shapes.push_back(s);
      }
    } else if (flag == "--threads" || flag == "--rows") {
      auto& list = flag == "--rows" ? options.rows : options.threads;
      list.clear();
      for (const auto& number : split(value)) list.push_back(std::clamp(std::atoi(number.c_str()), 1, kMaxRows));
    } else if (flag == "--repeats") {
      options.repeats = std::max(1, std::atoi(value.c_str()));
    } else if (flag == "--mib") {
      options.mib = std::clamp(std::atoi(value.c_str()), 1, 1400);
    } else {
      fail(ErrorCode::kUsage, "unknown flag {}", flag);
    }
  }
  return options;
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown CPU";
}

std::string commit() {
  char name[64] = "";
  if (FILE* git = popen("git describe --always --dirty --exclude '*' 2>/dev/null", "r")) {
    if (std::fgets(name, sizeof name, git) == nullptr) name[0] = 0;
    pclose(git);
  }
  name[std::strcspn(name, "\n")] = 0;
  return name[0] ? name : "unknown";
}

}  // namespace
}  // namespace nextn

int main(int argc, char** argv) {
  using namespace nextn;
  try {
    const Options options = parse(argc, argv);
    const KernelTable& table = select_kernels(std::getenv("NEXTN_ISA"));
    fmt::print(
        "matmul_bench: {}, {}, {} cores, commit {}; clock by dependent additions, medians of {} interleaved runs\n",
        table.isa, cpu_name(), std::thread::hardware_concurrency(), commit(), options.repeats);
    for (Shape shape : options.shapes) {
      for (PackFormat format : options.formats) bench(table, options, format, shape);
    }
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
