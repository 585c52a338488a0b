// The paired meter behind `nextn bench`: the same prompts decoded plainly and with drafts, in turn, in one process, on
// one engine. What counts is the ratio within a pair, because the machine drifts; and the texts of all arms are
// compared, because a speed-up of another text is none.
//
// End tokens are ignored, so that every run decodes the same number of tokens.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "engine/bench_stats.h"
#include "engine/session.h"

namespace nextn {

// A way to decode. The first arm of a measurement is the plain one, which the others are compared with.
struct BenchArm {
  std::string name;
  int draft_max = 0;      // from the head; none from anywhere: plain decoding, on a session that does not draft
  bool adaptive = false;  // at most so many, as many as pay
  int suffix_max = 0;     // from the text itself
  int model_max = 0;      // from the draft model

  bool plain() const noexcept { return draft_max == 0 && suffix_max == 0 && model_max == 0; }
};

struct BenchTask {
  std::string name;
  std::vector<int32_t> prompt;
};

struct BenchOptions {
  std::vector<BenchArm> arms;
  std::vector<BenchTask> tasks;
  std::vector<float> temps = {0, 0.7f};
  int rounds = 1;         // each task at each temperature in each round is one group of runs, one of each arm
  GenerateParams params;  // sampling but for temp, n_predict, draft_min, draft_p_min, stop; the seed grows by round
  std::function<void(int done, int total)> on_progress;  // after every group
};

struct BenchRun {
  double tokens_per_second = 0;  // of decoding; the first token belongs to the prompt
  double ttft_ms = 0;
  std::vector<double> chunk_ms;  // time of every 16 tokens as they were streamed
  GenerateStats stats;
  int64_t n_tokens = 0;
};

// One run of each arm, close together in time; a pair for each arm with the plain one.
struct BenchGroup {
  int task, temp, round;
  std::vector<BenchRun> runs;
};

struct BenchReport {
  std::vector<ExpertCount> experts;  // by arm; of the prompts too where they are short
  double calibrate_ms = 0;           // measuring costs for the adaptive arm, before the first run
  std::vector<BenchGroup> groups;    // those that were finished
  int n_compared = 0, n_different = 0;
  std::string first_difference;
};

// Warms every arm up, then runs the groups; the arm that begins changes from one to the next. The tasks fit the
// context (Engine::check_prompt with room for n_predict). Throws Error as Session::generate does.
BenchReport bench(Engine& engine, const BenchOptions& options);

// One arm's medians and sums over the groups of a task, of a temperature, or all (negative).
struct BenchSummary {
  int n_pairs = 0;
  double tokens_per_second = 0, ttft_ms = 0;  // medians
  double ratio = 0;                           // median of the pairs' ratios to the plain arm
  Bounds bounds;                              // 95 % of it
  double chunk_p50 = 0, chunk_p95 = 0;        // ms
  int64_t cycles = 0, n_drafted = 0, n_accepted = 0;
  double acceptance = 0;                   // accepted of drafted
  double acceptance_length = 0;            // tokens a cycle, the bonus token included
  std::vector<int64_t> drafted, accepted;  // by position
  // By position: right, of those whose predecessors all were. Where the number of drafts varies this is a lower bound:
  // right predecessors count although a draft may have ended with them.
  std::vector<double> conditional;
  std::vector<int64_t> k_histogram;                  // cycles by the number of drafts verified
  int64_t unverified = 0;                            // drafts made and not verified
  double draft_ms = 0, verify_ms = 0, other_ms = 0;  // a cycle
  double cycles_per_second = 0;
};
BenchSummary summarise(const BenchReport& report, int arm, int task = -1, int temp = -1);

}  // namespace nextn
