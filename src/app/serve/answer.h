// Between a request and its answer: hands the choices to the scheduler, brings what it writes to the connection's
// strand, and from there to the client in its protocol. A client that leaves cancels what is still to be written.
#pragma once

#include <functional>
#include <memory>

#include "api/reply.h"
#include "app/serve/http_server.h"
#include "app/serve/metrics.h"
#include "engine/scheduler.h"

namespace nextn {

// What came of a request, for the log.
struct AnswerEnd {
  int status = 200;
  std::string error;
  bool cancelled = false;
  int64_t prompt_n = 0, cached_n = 0, predicted_n = 0, draft_n = 0, draft_n_accepted = 0;
  double first_token_ms = 0, ms = 0;
};

// Submits every choice, or none. Throws as Scheduler::submit does; then nothing has been answered. The scheduler and
// the metrics outlive the exchange. on_end is called once, on the strand.
void start_answer(Scheduler& scheduler, Metrics& metrics, const std::shared_ptr<HttpExchange>& exchange,
                  const api::GenerationRequest& request, std::unique_ptr<api::Reply> reply, HttpHeaders headers,
                  std::function<void(const AnswerEnd&)> on_end);

}  // namespace nextn
