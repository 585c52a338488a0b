// Tokens a second of several users at once, with drafts and without, on one engine: the scheduler alone, no server.
//
//   scheduler_bench -m FILE [--users 1,2,4] [--tokens 96] [--rounds 5] [-c 2048] [-t N]
//
// A round runs every number of users with and without drafts once, in turn; figures are medians over the rounds, beside
// those of one user without drafts. The texts of both ways are compared.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "engine/calibration.h"
#include "engine/scheduler.h"

namespace nextn {
namespace {

struct Options {
  EngineOptions engine;
  std::vector<int> users = {1, 2, 4};
  int64_t n_tokens = 96;
  int rounds = 5;
};

struct Round {
  double tokens_per_second = 0, rows_per_step = 0;
  std::vector<std::vector<int32_t>> texts;  // by user
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Everybody's prompt is read first; then the time counts until everybody has written.
Round run_round(Engine& engine, Scheduler& scheduler, const Options& o, int n_users, bool drafts) {
  Round round;
  round.texts.resize(static_cast<size_t>(n_users));
  int n_writing = 0, n_done = 0;
  for (int user = 0; user < n_users; user++) {
    Request r;
    r.prompt = engine.tokenizer().encode("ba be bi bo bu da de di do du " + std::to_string(user), true, false);
    r.params.sampling.temp = 0;
    r.params.n_predict = o.n_tokens;
    r.params.ignore_eos = true;
    r.params.adaptive = true;
    if (!drafts) r.params.draft_max = 0;
    r.params.on_text = [&, begun = false](std::string_view) mutable {
      if (!begun) n_writing++;
      begun = true;
    };
    r.on_done = [&, user](Generation&& g) {
      n_done++;
      round.texts[static_cast<size_t>(user)] = std::move(g.tokens);
    };
    r.on_error = [](const Error& e) { throw e; };
    scheduler.submit(std::move(r));
  }
  while (n_writing < n_users) scheduler.step();
  const SchedulerStats before = scheduler.stats();
  const auto start = Clock::now();
  while (n_done < n_users) scheduler.step();
  const double s = std::chrono::duration<double>(Clock::now() - start).count();
  const SchedulerStats after = scheduler.stats();
  round.tokens_per_second = static_cast<double>(n_users * (o.n_tokens - 1)) / s;
  round.rows_per_step =
      static_cast<double>(after.step_rows - before.step_rows) / static_cast<double>(after.steps - before.steps);
  return round;
}

void run(Options o) {
  o.engine.n_parallel = o.engine.n_sessions = *std::ranges::max_element(o.users);
  Engine engine(o.engine);
  {
    Session session(engine);
    calibrate(engine, session);
  }
  const StepCosts& costs = engine.costs();
  fmt::print("{} {} threads {}; T(1) {:.1f} ms, T(2) {:.2f} T(4) {:.2f} T(8) {:.2f} T({}) {:.2f} of it\n",
             o.engine.model_path, engine.isa(), engine.options().n_threads, costs.verify(1),
             costs.verify(2) / costs.verify(1), costs.verify(4) / costs.verify(1), costs.verify(8) / costs.verify(1),
             costs.max_rows(), costs.verify(costs.max_rows()) / costs.verify(1));
  struct Figures {
    std::vector<double> tokens, rows;
  };
  std::map<std::pair<int, bool>, Figures> all;
  bool same = true;
  for (int i = 0; i < o.rounds; i++) {
    for (const int n : o.users) {
      Round rounds[2];
      for (const bool drafts : {false, true}) {
        Scheduler scheduler(engine, {});
        rounds[drafts] = run_round(engine, scheduler, o, n, drafts);
        all[{n, drafts}].tokens.push_back(rounds[drafts].tokens_per_second);
        all[{n, drafts}].rows.push_back(rounds[drafts].rows_per_step);
      }
      same &= rounds[0].texts == rounds[1].texts;
    }
  }
  const double one = median(all[{o.users.front(), false}].tokens);
  fmt::print("\n users  drafts   tok/s  of {} plain  rows a step\n", o.users.front());
  for (const auto& [key, figures] : all) {
    fmt::print("{:>6}  {:>6}  {:>6.1f}  {:>10.2f}  {:>11.1f}\n", key.first, key.second ? "yes" : "no",
               median(figures.tokens), median(figures.tokens) / one, median(figures.rows));
  }
  fmt::print("\ntexts {} with drafts and without\n", same ? "the same" : "DIFFER");
  if (!same) std::exit(1);
}

Options parse(int argc, char** argv) {
  Options o;
  o.engine.n_ctx = 2048;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 == argc) fail(ErrorCode::kUsage, "{}: expected a value", flag);
    const char* const value = argv[i + 1];
    if (flag == "-m") {
      o.engine.model_path = value;
    } else if (flag == "--users") {
      o.users.clear();
      for (const char* p = value; *p != 0; p += *p == ',')
        o.users.push_back(static_cast<int>(std::strtol(p, const_cast<char**>(&p), 10)));
    } else if (flag == "--tokens") {
      o.n_tokens = std::atoi(value);
    } else if (flag == "--rounds") {
      o.rounds = std::atoi(value);
    } else if (flag == "-c") {
      o.engine.n_ctx = std::atoi(value);
    } else if (flag == "-t") {
      o.engine.n_threads = std::atoi(value);
    } else {
      fail(ErrorCode::kUsage, "{}: expected -m, --users, --tokens, --rounds, -c or -t", flag);
    }
  }
  if (o.engine.model_path.empty()) fail(ErrorCode::kUsage, "expected -m FILE");
  if (o.users.empty() || *std::ranges::min_element(o.users) < 1 || o.n_tokens < 2 || o.rounds < 1) {
    fail(ErrorCode::kUsage, "--users, --tokens, --rounds: expected numbers above 0, and at least 2 tokens");
  }
  return o;
}

}  // namespace
}  // namespace nextn

int main(int argc, char** argv) {
  try {
    nextn::run(nextn::parse(argc, argv));
  } catch (const nextn::Error& e) {
    fmt::print(stderr, "scheduler_bench: {}\n", e.what());
    return e.code() == nextn::ErrorCode::kUsage ? 2 : 1;
  }
}
