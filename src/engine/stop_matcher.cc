#include "engine/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace nextn {

std::string StopMatcher::push(std::string_view text) {
  if (found()) return {};
  held_ += text;
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) {
    if (const size_t at = held_.find(stop); at < first) {
      first = at;
      found_ = &stop;
    }
  }
  if (found()) {
    held_.resize(first);
    return std::exchange(held_, {});
  }
  // The longest end of the text that a stop string begins with has to wait.
  size_t keep = 0;
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > keep; n--) {
      if (held_.ends_with(std::string_view(stop).substr(0, n))) keep = n;
    }
  }
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return out;
}

std::string StopMatcher::finish() {
  return std::exchange(held_, {});
}

}  // namespace nextn
