// The promise of the same text, checked on the user's own model and machine: speculation off against every number of
// drafts, with the head's drafts and with ones known to be right, wrong or random.
#pragma once

#include <functional>
#include <string>

#include "engine/engine.h"

namespace nextn {

struct SelftestOptions {
  EngineOptions engine;  // max_draft is set here
  int n_predict = 32;
  Fault inject = Fault::kNone;
  std::function<void(const std::string& line)> on_line;  // progress, a line for each comparison
};

struct SelftestReport {
  bool has_head = false;
  int n_runs = 0;
  int n_different = 0;
  std::string first_difference;  // which run, and where it first differed
};

// Throws Error for anything wrong with the options or the file.
SelftestReport selftest(const SelftestOptions& options);

}  // namespace nextn
