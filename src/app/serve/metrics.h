// What Prometheus is told, under the names that vLLM's dashboards know (with nextn: before them), and what only nextn
// has. Counters and histograms are told as things happen; gauges are asked for when somebody reads them.
#pragma once

#include <memory>
#include <string>

#include "engine/scheduler.h"

namespace nextn {

class Metrics {
 public:
  explicit Metrics(const std::string& model);
  ~Metrics();

  // From any thread.
  void first_token(double seconds) noexcept;  // since the request came
  void next_token(double seconds) noexcept;   // since the token before it
  void request_done(double seconds, const Generation& made) noexcept;
  void request_failed() noexcept;
  void answered(int status) noexcept;  // an HTTP answer

  // Prometheus's text format.
  std::string text(const SchedulerStats& stats, int64_t n_ctx, size_t connections, bool asleep);

 private:
  struct Families;
  std::unique_ptr<Families> f_;
};

}  // namespace nextn
