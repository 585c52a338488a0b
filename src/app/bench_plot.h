// The picture of a sweep as one SVG file: speed against the number of drafts, and how far the drafts are right. It
// needs nothing beside itself (no fonts, no scripts) and follows the reader's light or dark background.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/bench_stats.h"

namespace nextn {

struct BenchPlot {
  struct Speed {
    double ratio;  // to plain decoding
    Bounds bounds;
  };
  std::string title, subtitle;
  std::vector<Speed> by_k;            // [0] is plain decoding itself
  std::optional<Speed> adaptive;      // a line across
  std::vector<double> conditional;    // by position: right, of those whose predecessors all were
  std::vector<double> unconditional;  // by position: right, of all that were drafted
};

std::string bench_svg(const BenchPlot& plot);

}  // namespace nextn
