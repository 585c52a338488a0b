#include "app/serve/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace nextn {

namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Histogram;

// Seconds: a CPU's tokens take from a millisecond to a second, its prompts up to minutes.
const Histogram::BucketBoundaries kTokenBuckets = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1,
                                                   0.15,  0.2,    0.3,   0.5,  0.75,  1,    2.5,   5};
const Histogram::BucketBoundaries kRequestBuckets = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,   2.5,
                                                     5,    10,    20,   40,  80,   160, 320, 640};

}  // namespace

struct Metrics::Families {
  explicit Families(const std::string& model) : labels({{"model_name", model}}) {}

  prometheus::Counter& counter(const char* name, const char* help, prometheus::Labels more = {}) {
    return BuildCounter().Name(name).Help(help).Labels(labels).Register(registry).Add(std::move(more));
  }
  prometheus::Gauge& gauge(const char* name, const char* help, prometheus::Labels more = {}) {
    return BuildGauge().Name(name).Help(help).Labels(labels).Register(registry).Add(std::move(more));
  }
  Histogram& histogram(const char* name, const char* help, const Histogram::BucketBoundaries& buckets) {
    return BuildHistogram().Name(name).Help(help).Labels(labels).Register(registry).Add({}, buckets);
  }

  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
  prometheus::Labels labels;

  Histogram& ttft =
      histogram("nextn:time_to_first_token_seconds", "From a request to its first token.", kRequestBuckets);
  Histogram& inter_token = histogram("nextn:inter_token_latency_seconds",
                                     "From one token to the next, as they are streamed.", kTokenBuckets);
  Histogram& whole = histogram("nextn:e2e_request_latency_seconds", "From a request to its end.", kRequestBuckets);
  prometheus::Counter& prompt = counter("nextn:prompt_tokens_total", "Tokens of prompts, cached ones too.");
  prometheus::Counter& generated = counter("nextn:generation_tokens_total", "Tokens written.");
  prometheus::Counter& queries = counter("nextn:prefix_cache_queries_total", "Tokens of prompts looked up.");
  prometheus::Counter& hits = counter("nextn:prefix_cache_hits_total", "Tokens of prompts that were known.");
  prometheus::Counter& cycles = counter("nextn:spec_decode_num_drafts_total", "Cycles with drafts.");
  prometheus::Counter& drafted = counter("nextn:spec_decode_num_draft_tokens_total", "Draft tokens verified.");
  prometheus::Counter& accepted = counter("nextn:spec_decode_num_accepted_tokens_total", "Draft tokens accepted.");
  prometheus::Counter& failed = counter("nextn:request_failure_total", "Requests that ended with an error.");
  prometheus::Counter& draft_seconds = counter("nextn:draft_seconds_total", "Time that drafts took, by sequence.");
  prometheus::Counter& verify_seconds =
      counter("nextn:verify_seconds_total", "Time of the steps that verified, by sequence.");
};

Metrics::Metrics(const std::string& model) : f_(std::make_unique<Families>(model)) {}

Metrics::~Metrics() = default;

void Metrics::first_token(double seconds) noexcept {
  f_->ttft.Observe(seconds);
}

void Metrics::next_token(double seconds) noexcept {
  f_->inter_token.Observe(seconds);
}

void Metrics::request_done(double seconds, const Generation& made) noexcept {
  const GenerateStats& s = made.stats;
  f_->whole.Observe(seconds);
  f_->counter("nextn:request_success_total", "Requests that ended well.",
              {{"finished_reason", end_reason_name(made.end_reason)}})
      .Increment();
  f_->prompt.Increment(static_cast<double>(s.prompt_n + s.cached_n));
  f_->queries.Increment(static_cast<double>(s.prompt_n + s.cached_n));
  f_->hits.Increment(static_cast<double>(s.cached_n));
  f_->generated.Increment(static_cast<double>(made.tokens.size()));
  f_->draft_seconds.Increment(s.draft_ms / 1000);
  f_->verify_seconds.Increment(s.verify_ms / 1000);
  for (size_t i = 0; i < s.drafted.size(); i++) {
    if (s.drafted[i] == 0) continue;
    f_->drafted.Increment(static_cast<double>(s.drafted[i]));
    f_->accepted.Increment(static_cast<double>(s.accepted[i]));
    if (i == 0) f_->cycles.Increment(static_cast<double>(s.drafted[i]));
    const prometheus::Labels position = {{"position", std::to_string(i)}};
    f_->counter("nextn:spec_decode_num_accepted_tokens_per_pos_total", "Draft tokens accepted, by position.", position)
        .Increment(static_cast<double>(s.accepted[i]));
    f_->counter("nextn:spec_decode_num_draft_tokens_per_pos_total", "Draft tokens verified, by position.", position)
        .Increment(static_cast<double>(s.drafted[i]));
  }
  for (size_t k = 0; k < s.lengths.size(); k++) {
    if (s.lengths[k] == 0) continue;
    f_->counter("nextn:spec_decode_cycles_total", "Cycles by the number of drafts that they verified.",
                {{"drafts", std::to_string(k)}})
        .Increment(static_cast<double>(s.lengths[k]));
  }
}

void Metrics::request_failed() noexcept {
  f_->failed.Increment();
}

void Metrics::answered(int status) noexcept {
  f_->counter("nextn:http_responses_total", "HTTP answers by status.", {{"status", std::to_string(status)}})
      .Increment();
}

std::string Metrics::text(const SchedulerStats& stats, int64_t n_ctx, size_t connections, bool asleep) {
  int running = 0;
  int64_t held = 0;
  for (const SchedulerStats::Slot& slot : stats.slots) {
    running += slot.busy;
    held += slot.busy ? slot.context_n : 0;
  }
  const double room = static_cast<double>(n_ctx) * static_cast<double>(stats.slots.size());
  f_->gauge("nextn:num_requests_running", "Requests that have a sequence.").Set(running);
  f_->gauge("nextn:num_requests_waiting", "Requests in the queue.").Set(static_cast<double>(stats.waiting));
  f_->gauge("nextn:kv_cache_usage_perc", "Share of all sequences' positions in use, 0 to 1.")
      .Set(room > 0 ? static_cast<double>(held) / room : 0);
  f_->gauge("nextn:kept_texts", "Texts in memory that no sequence holds any more.")
      .Set(static_cast<double>(stats.kept_texts));
  f_->gauge("nextn:kept_texts_bytes", "Their memory.").Set(static_cast<double>(stats.kept_bytes));
  f_->gauge("nextn:engine_sleeping", "1 while the model is not in memory (--sleep-idle-seconds).").Set(asleep);
  f_->gauge("nextn:http_connections", "Open connections.").Set(static_cast<double>(connections));
  f_->gauge("nextn:steps", "Steps of the engine since the start.").Set(static_cast<double>(stats.steps));
  f_->gauge("nextn:step_rows", "Rows of all these steps.").Set(static_cast<double>(stats.step_rows));
  for (size_t rows = 1; rows <= stats.step_ms.size(); rows *= 2) {
    f_->gauge("nextn:step_cost_seconds", "What a step of so many rows takes, as the draft controller has it.",
              {{"rows", std::to_string(rows)}})
        .Set(stats.step_ms[rows - 1] / 1000);
  }
  return prometheus::TextSerializer().Serialize(f_->registry.Collect());
}

}  // namespace nextn
