// nextn selftest: PASS, or where a run with drafts first differed from the one without.
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/error.h"
#include "engine/selftest.h"
#include "engine/wiring.h"

namespace nextn {

namespace {

// 0 where nothing agrees better than what is built.
int wiring_main(EngineOptions options, bool json) {
  options.spec = SpecType::kMtp;
  options.draft_path.clear();
  Engine engine(options);
  const auto print = [](const WiringReport::Row& row) {
    fmt::print("{:>6.1f} %  {}\n", 100 * row.agreement, row.wiring);
    std::fflush(stdout);
  };
  if (!json) fmt::print("The head's first choice is the trunk's, of the positions of a text; as built first:\n");
  const WiringReport report = check_wiring(engine, json ? std::function<void(const WiringReport::Row&)>() : print);
  if (json) {
    nlohmann::ordered_json out = {{"positions", report.n_positions}, {"better", report.better}};
    for (const auto& [name, rows] :
         {std::pair("first_drafts", &report.first_drafts), std::pair("second_drafts", &report.second_drafts)}) {
      for (const WiringReport::Row& row : *rows)
        out[name].push_back({{"wiring", row.wiring}, {"agreement", row.agreement}});
    }
    fmt::print("{}\n", out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else if (report.better.empty()) {
    fmt::print("PASS: nothing agrees better than what is built, beyond chance ({} positions)\n", report.n_positions);
  } else {
    fmt::print("FAIL: this agrees better than what is built: {}\n", report.better);
  }
  return report.better.empty() ? 0 : 1;
}

}  // namespace

int selftest_main(int argc, char** argv) {
  CLI::App app("Compares texts, logits and states with and without drafts, on this machine and model.",
               "nextn selftest");
  ModelFlags model;
  std::string inject;
  int n_predict = 32;
  bool json = false, wiring = false;
  model.add_to(app);
  app.add_option("-n,--predict", n_predict, "tokens of each text");
  app.add_option("--inject", inject, "break one thing on purpose: replay, kv or order");
  app.add_flag("--wiring", wiring, "instead: does the MTP head agree best with the trunk as it is built");
  app.add_flag("--json", json, "print one JSON object");
  int status = 0;
  if (!parse_flags(app, argc, argv, &status)) return status;
  if (n_predict < 1) fail(ErrorCode::kUsage, "-n: expected 1 or more, found {}", n_predict);

  if (wiring && !inject.empty()) fail(ErrorCode::kUsage, "--wiring: expected no --inject beside it, found {}", inject);
  if (wiring) return wiring_main(model.engine_options(), json);
  SelftestOptions options;
  options.engine = model.engine_options();
  options.inject = parse_fault(inject);
  options.n_predict = n_predict;
  if (!json) options.on_line = [](const std::string& line) { fmt::print("{}\n", line), std::fflush(stdout); };
  const SelftestReport report = selftest(options);
  const bool passed = report.n_different == 0;
  if (json) {
    const nlohmann::ordered_json out = {{"pass", passed},
                                        {"head", report.has_head},
                                        {"runs", report.n_runs},
                                        {"different", report.n_different},
                                        {"first_difference", report.first_difference}};
    fmt::print("{}\n", out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    if (!report.has_head) fmt::print("no MTP head is loaded: its drafts were not compared\n");
    if (passed) fmt::print("PASS: {} runs with drafts wrote what the runs without wrote\n", report.n_runs);
    if (!passed)
      fmt::print("FAIL: {} of {} runs differ; first: {}\n", report.n_different, report.n_runs, report.first_difference);
  }
  return passed ? 0 : 1;
}

}  // namespace nextn
