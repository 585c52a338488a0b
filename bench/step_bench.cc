// Where a step's time goes: T(M) of the trunk and the LM head for M rows at a position, a draft step, a prompt chunk,
// and for one of them the table op by op beside what reading its weights costs at the machine's read bandwidth.
//
//   step_bench -m FILE [--position 0] [--rows 1,2,3,4,8] [--repeats 9] [--profile M] [--prompt N] [-t N] [--isa NAME]
//
// Each repeat runs every M once, so that slow drifts of the machine cancel in the ratios; medians over the repeats.
#include <emmintrin.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "ops/profile.h"
#include "step_timer.h"

namespace nextn {
namespace {

struct Options {
  EngineOptions engine;
  int64_t position = 0;
  std::vector<int> rows = {1, 2, 3, 4, 8};
  int repeats = 9;
  int profile = 1;  // rows of the step whose ops are listed
  int prompt = 0;   // rows of a prompt chunk
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Bytes a second that all threads read together, best of five passes over 512 MiB.
double read_bandwidth(ThreadPool& pool) {
  constexpr int64_t kBytes = int64_t{512} << 20, kPiece = 1 << 20;
  AlignedBuffer bytes(static_cast<size_t>(kBytes));
  std::memset(bytes.data(), 1, bytes.size());
  double best = 1e9;
  for (int i = 0; i < 5; i++) {
    const auto start = Clock::now();
    pool.run(static_cast<int>(kBytes / kPiece), [&](int piece) {
      __m128i a = _mm_setzero_si128();
      const __m128i* p = reinterpret_cast<const __m128i*>(bytes.data() + piece * kPiece);
      for (int64_t j = 0; j < kPiece / 16; j += 4) {
        a = _mm_xor_si128(_mm_xor_si128(a, _mm_xor_si128(p[j], p[j + 1])), _mm_xor_si128(p[j + 2], p[j + 3]));
      }
      asm volatile("" : : "x"(a));
    });
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return kBytes / best;
}

// The mean over `repeats` runs of body, op by op.
template <class Body>
void print_profile(Engine& engine, const std::string& what, double bandwidth, int repeats, const Body& body) {
  StepProfile profile;
  body();
  engine.ctx().profile = &profile;
  for (int i = 0; i < repeats; i++) body();
  engine.ctx().profile = nullptr;
  std::vector<StepProfile::Entry> entries(profile.begin(), profile.end());
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.ns > b.ns; });
  double total = 0;
  for (const auto& e : entries) total += e.ns;
  fmt::print("\n{}: {:.3f} ms in ops\n{:<16} {:>6} {:>9} {:>6} {:>8} {:>7}\n", what, total * 1e-6 / repeats, "op",
             "calls", "us", "%", "floor us", "GB/s");
  for (const auto& e : entries) {
    fmt::print("{:<16} {:>6} {:>9.1f} {:>6.2f}", e.name, e.calls / repeats, e.ns * 1e-3 / repeats, 100 * e.ns / total);
    if (e.bytes > 0) fmt::print(" {:>8.1f} {:>7.1f}", e.bytes / bandwidth * 1e6 / repeats, e.bytes / e.ns);
    fmt::print("\n");
  }
}

void run(const Options& o) {
  Engine engine(o.engine);
  StepTimer timer(engine, o.position);
  const double bandwidth = read_bandwidth(engine.ctx().pool);
  fmt::print("{} {} threads {}  position {}  read {:.1f} GB/s\n", o.engine.model_path, engine.ctx().kernels.isa,
             engine.ctx().pool.n_threads(), o.position, bandwidth * 1e-9);

  const size_t n = o.rows.size();
  std::vector<std::vector<double>> trunk(n), head(n);
  std::vector<double> draft, draft_logits;
  const bool has_head = engine.model().info().has_head;
  for (int i = -1; i < o.repeats; i++) {  // the first round warms up
    for (size_t m = 0; m < n; m++) {
      const double a = timer.trunk(1, o.rows[m] - 1), b = timer.logits(o.rows[m]);
      if (i >= 0) trunk[m].push_back(a), head[m].push_back(b);
    }
    if (!has_head) continue;
    const double a = timer.head(), b = timer.head_logits();
    if (i >= 0) draft.push_back(a), draft_logits.push_back(b);
  }
  fmt::print("\n{:>3} {:>9} {:>9} {:>9} {:>7}\n", "M", "trunk ms", "head ms", "T(M) ms", "T/T(1)");
  const double one = median(trunk[0]) + median(head[0]);
  for (size_t m = 0; m < n; m++) {
    const double t = median(trunk[m]), h = median(head[m]);
    fmt::print("{:>3} {:>9.3f} {:>9.3f} {:>9.3f} {:>7.3f}\n", o.rows[m], t, h, t + h, (t + h) / one);
  }
  if (has_head) fmt::print("draft step: block {:.3f} ms, LM head {:.3f} ms\n", median(draft), median(draft_logits));

  print_profile(engine, fmt::format("trunk, {} rows", o.profile), bandwidth, o.repeats,
                [&] { timer.trunk(1, o.profile - 1); });
  print_profile(engine, fmt::format("LM head, {} rows", o.profile), bandwidth, o.repeats,
                [&] { timer.logits(o.profile); });
  if (has_head) print_profile(engine, "head, 1 row", bandwidth, o.repeats, [&] { timer.head(), timer.head_logits(); });
  if (o.prompt > 0) {
    print_profile(engine, fmt::format("trunk, prompt of {}", o.prompt), bandwidth, 2,
                  [&] { timer.trunk(o.prompt, 0); });
    if (has_head) {
      print_profile(engine, fmt::format("head, prompt of {}", o.prompt), bandwidth, 2,
                    [&] { timer.head_prefill(o.prompt); });
    }
  }
}

Options parse(int argc, char** argv) {
  Options o;
  o.engine.max_draft = 7;
  o.engine.n_ctx = 0;
  for (int i = 1; i < argc; i++) {
    const std::string flag = argv[i];
    if (++i == argc) fail(ErrorCode::kUsage, "{}: expected a value", flag);
    const char* const value = argv[i];
    if (flag == "-m")
      o.engine.model_path = value;
    else if (flag == "-t")
      o.engine.n_threads = std::atoi(value);
    else if (flag == "--isa")
      o.engine.isa = value;
    else if (flag == "--position")
      o.position = std::atoll(value);
    else if (flag == "--repeats")
      o.repeats = std::max(1, std::atoi(value));
    else if (flag == "--profile")
      o.profile = std::clamp(std::atoi(value), 1, 1 + kMaxDraftLimit);
    else if (flag == "--prompt")
      o.prompt = std::atoi(value);
    else if (flag == "--rows") {
      o.rows.clear();
      for (const char* p = value; *p != 0; p += *p == ',')
        o.rows.push_back(static_cast<int>(std::strtol(p, const_cast<char**>(&p), 10)));
    } else
      fail(ErrorCode::kUsage, "{}: unknown flag", flag);
  }
  for (const int m : o.rows) {
    if (m < 1 || m > 1 + kMaxDraftLimit) {
      fail(ErrorCode::kUsage, "--rows: expected 1 to {}, found {}", 1 + kMaxDraftLimit, m);
    }
    o.engine.max_draft = std::max(o.engine.max_draft, m - 1);
  }
  o.engine.max_draft = std::max(o.engine.max_draft, o.profile - 1);
  o.engine.row_limit = std::max(512, o.prompt);
  o.engine.n_ctx = o.position + o.engine.row_limit;
  return o;
}

}  // namespace
}  // namespace nextn

int main(int argc, char** argv) {
  try {
    nextn::run(nextn::parse(argc, argv));
  } catch (const nextn::Error& e) {
    fmt::print(stderr, "step_bench: {}\n", e.what());
    return 1;
  }
  return 0;
}
