// nextn selftest: PASS, or where a run with drafts first differed from the one without.
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "base/error.h"
#include "engine/selftest.h"

namespace nextn {

int selftest_main(int argc, char** argv) {
  CLI::App app("Compares texts, logits and states with and without drafts, on this machine and model.",
               "nextn selftest");
  ModelFlags model;
  std::string inject;
  int n_predict = 32;
  bool json = false;
  model.add_to(app);
  app.add_option("-n,--predict", n_predict, "tokens of each text");
  app.add_option("--inject", inject, "break one thing on purpose: replay, kv or order");
  app.add_flag("--json", json, "print one JSON object");
  int status = 0;
  if (!parse_flags(app, argc, argv, &status)) return status;
  if (n_predict < 1) fail(ErrorCode::kUsage, "-n: expected 1 or more, found {}", n_predict);

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
