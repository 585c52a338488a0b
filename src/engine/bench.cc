#include "engine/bench.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "engine/calibration.h"
#include "text/tokenizer/stream_decoder.h"

namespace nextn {

namespace {

constexpr size_t kChunk = 16;
constexpr int64_t kWarmUpTokens = 16, kWarmUpPrompt = 32;

// When the text had grown to how many bytes.
struct Arrival {
  Clock::time_point time;
  size_t bytes;
};

// The time of every 16 tokens. A token has arrived when its text is out; one in the middle of a character brings none.
std::vector<double> chunk_times(const Tokenizer& tokenizer, const std::vector<int32_t>& tokens,
                                const std::vector<Arrival>& arrivals) {
  std::vector<double> chunks;
  StreamDecoder decoder(tokenizer);
  size_t bytes = 0, at = 0;
  std::optional<Clock::time_point> last;
  for (size_t i = 0; i < tokens.size(); i++) {
    bytes += decoder.push(tokens[i]).size();
    while (at < arrivals.size() && arrivals[at].bytes < bytes) at++;
    if (i % kChunk != 0 || at == arrivals.size()) continue;
    if (last) chunks.push_back(ms_between(*last, arrivals[at].time));
    last = arrivals[at].time;
  }
  return chunks;
}

// Where the text of an arm first differs from the plain one's, or nothing.
std::optional<std::string> difference(const Tokenizer& tokenizer, const Generation& plain, const Generation& other) {
  const std::vector<int32_t>&a = plain.tokens, &b = other.tokens;
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (x == a.end() && y == b.end()) {
    if (plain.text == other.text) return std::nullopt;
    return std::string("the same tokens, another text");
  }
  const auto name = [&](auto it, auto end) {
    return it == end ? "the end" : fmt::format("{} '{}'", *it, tokenizer.decode({&*it, 1}));
  };
  return fmt::format("token {}: expected {}, found {}", x - a.begin(), name(x, a.end()), name(y, b.end()));
}

class Meter {
 public:
  Meter(Engine& engine, const BenchOptions& options)
      : engine_(engine), options_(options), plain_(engine, /*to_draft=*/false), drafting_(engine) {}

  BenchReport operator()() {
    warm_up();
    report_.experts.assign(options_.arms.size(), {.most_rows = 1 + engine_.options().max_draft});
    const int n_tasks = static_cast<int>(options_.tasks.size()), n_temps = static_cast<int>(options_.temps.size());
    const int total = n_tasks * n_temps * options_.rounds;
    for (int i = 0; i < total && !interrupted(); i++) {
      const int round = i / (n_tasks * n_temps), temp = i / n_tasks % n_temps, task = i % n_tasks;
      if (!run_group({task, temp, round, {}})) break;
      if (options_.on_progress) options_.on_progress(i + 1, total);
    }
    return std::move(report_);
  }

 private:
  void warm_up() {
    const bool adaptive = std::ranges::any_of(options_.arms, &BenchArm::adaptive);
    if (adaptive) report_.calibrate_ms = calibrate(engine_, drafting_);
    const std::vector<int32_t>& prompt = options_.tasks.front().prompt;
    const size_t n = std::min<size_t>(prompt.size(), kWarmUpPrompt);
    for (const BenchArm& arm : options_.arms) {
      GenerateParams params = params_for(arm, options_.temps.front(), 0);
      params.n_predict = std::min(params.n_predict, kWarmUpTokens);
      session_for(arm).clear();
      session_for(arm).generate(std::span(prompt).last(n), params);
    }
  }

  // Gives false when it was stopped before every arm was done.
  bool run_group(BenchGroup group) {
    const size_t n_arms = options_.arms.size();
    group.runs.resize(n_arms);
    std::vector<Generation> texts(n_arms);
    // The arms in turn, beginning with another one in each task, temperature and round.
    const size_t first = static_cast<size_t>(group.task + group.temp + group.round);
    for (size_t i = 0; i < n_arms; i++) {
      const size_t arm = (first + i) % n_arms;
      engine_.ctx().experts = &report_.experts[arm];
      texts[arm] = run(group, options_.arms[arm], group.runs[arm]);
      engine_.ctx().experts = nullptr;
      if (interrupted()) return false;
    }
    for (size_t arm = 1; arm < n_arms; arm++) {
      report_.n_compared++;
      if (const auto where = difference(engine_.tokenizer(), texts[0], texts[arm])) {
        report_.n_different++;
        if (report_.first_difference.empty()) {
          report_.first_difference =
              fmt::format("{}, temperature {:g}, {}: {}", options_.tasks[static_cast<size_t>(group.task)].name,
                          options_.temps[static_cast<size_t>(group.temp)], options_.arms[arm].name, *where);
        }
      }
    }
    report_.groups.push_back(std::move(group));
    return true;
  }

  Generation run(const BenchGroup& group, const BenchArm& arm, BenchRun& out) {
    GenerateParams params = params_for(arm, options_.temps[static_cast<size_t>(group.temp)], group.round);
    std::vector<Arrival> arrivals;
    arrivals.reserve(static_cast<size_t>(params.n_predict) + 2);
    params.on_text = [&, bytes = size_t{0}](std::string_view text) mutable {
      bytes += text.size();
      arrivals.push_back({Clock::now(), bytes});
    };
    Session& session = session_for(arm);
    session.clear();
    Generation g = session.generate(options_.tasks[static_cast<size_t>(group.task)].prompt, params);
    out.n_tokens = static_cast<int64_t>(g.tokens.size());
    out.tokens_per_second = static_cast<double>(out.n_tokens - 1) * 1000 / std::max(g.stats.predicted_ms, 1e-6);
    out.ttft_ms = g.stats.prompt_ms;
    out.chunk_ms = chunk_times(engine_.tokenizer(), g.tokens, arrivals);
    out.stats = g.stats;
    return g;
  }

  // What an arm is: the one place that turns its fields into parameters.
  GenerateParams params_for(const BenchArm& arm, float temp, int round) const {
    GenerateParams params = options_.params;
    params.draft_max = arm.draft_max;
    params.suffix_max = arm.suffix_max;
    params.model_max = arm.model_max;
    params.adaptive = arm.adaptive;
    params.ignore_eos = true;
    params.sampling.temp = temp;
    params.sampling.seed += static_cast<uint64_t>(round);
    return params;
  }

  Session& session_for(const BenchArm& arm) noexcept { return arm.plain() ? plain_ : drafting_; }
  bool interrupted() const noexcept { return options_.params.stop != nullptr && options_.params.stop->load(); }

  Engine& engine_;
  const BenchOptions& options_;
  Session plain_, drafting_;
  BenchReport report_;
};

template <class T>
void add_to(std::vector<T>& sums, const std::vector<T>& values) {
  sums.resize(std::max(sums.size(), values.size()));
  for (size_t i = 0; i < values.size(); i++) sums[i] += values[i];
}

double ratio_of(double a, double b) {
  return b > 0 ? a / b : 0;
}

}  // namespace

BenchReport bench(Engine& engine, const BenchOptions& options) {
  NEXTN_CHECK(!options.arms.empty() && options.arms.front().plain());
  NEXTN_CHECK(!options.tasks.empty() && !options.temps.empty());
  return Meter(engine, options)();
}

BenchSummary summarise(const BenchReport& report, int arm, int task, int temp) {
  BenchSummary s;
  std::vector<double> speeds, ratios, ttfts, chunks;
  double draft_ms = 0, verify_ms = 0, predicted_ms = 0;
  int64_t n_decoded = 0;
  for (const BenchGroup& group : report.groups) {
    if ((task >= 0 && group.task != task) || (temp >= 0 && group.temp != temp)) continue;
    const BenchRun& run = group.runs[static_cast<size_t>(arm)];
    s.n_pairs++;
    speeds.push_back(run.tokens_per_second);
    ratios.push_back(ratio_of(run.tokens_per_second, group.runs.front().tokens_per_second));
    ttfts.push_back(run.ttft_ms);
    chunks.insert(chunks.end(), run.chunk_ms.begin(), run.chunk_ms.end());
    add_to(s.drafted, run.stats.drafted);
    add_to(s.accepted, run.stats.accepted);
    add_to(s.k_histogram, run.stats.lengths);
    s.unverified += run.stats.unverified;
    s.cycles += run.stats.cycles;
    n_decoded += run.n_tokens - 1;
    draft_ms += run.stats.draft_ms;
    verify_ms += run.stats.verify_ms;
    predicted_ms += run.stats.predicted_ms;
  }
  s.tokens_per_second = median(speeds);
  s.ttft_ms = median(ttfts);
  s.ratio = median(ratios);
  s.bounds = median_bounds(ratios);
  s.chunk_p50 = median(chunks);
  s.chunk_p95 = quantile(chunks, 0.95);
  s.n_drafted = std::accumulate(s.drafted.begin(), s.drafted.end(), int64_t{0});
  s.n_accepted = std::accumulate(s.accepted.begin(), s.accepted.end(), int64_t{0});

  const double cycles = static_cast<double>(s.cycles);
  s.acceptance = ratio_of(static_cast<double>(s.n_accepted), static_cast<double>(s.n_drafted));
  s.acceptance_length = ratio_of(static_cast<double>(n_decoded), cycles);
  s.draft_ms = ratio_of(draft_ms, cycles);
  s.verify_ms = ratio_of(verify_ms, cycles);
  s.other_ms = ratio_of(predicted_ms - draft_ms - verify_ms, cycles);
  s.cycles_per_second = ratio_of(cycles * 1000, predicted_ms);
  for (size_t i = 0; i < s.drafted.size(); i++) {
    const int64_t reached = i == 0 ? s.drafted[0] : std::min(s.drafted[i], s.accepted[i - 1]);
    s.conditional.push_back(ratio_of(static_cast<double>(s.accepted[i]), static_cast<double>(reached)));
  }
  return s;
}

}  // namespace nextn
