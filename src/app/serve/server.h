// The server: one model behind HTTP. Listens first, so that a load balancer sees it loading, then loads, then serves
// until it is told to end. Where nobody asks for long it puts the model down (--sleep-idle-seconds); the next request
// takes it up again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api/reply.h"
#include "app/serve/http_server.h"
#include "app/serve/loaded_model.h"
#include "app/serve/log.h"
#include "app/serve/metrics.h"
#include "app/serve/server_options.h"
#include "base/clock.h"

namespace nextn {

class Server {
 public:
  // Listens, and answers that it is loading. Throws as HttpServer does.
  explicit Server(ServerOptions options);
  ~Server();

  std::string address() const { return http_.address(); }

  // Loads the model and serves; returns when `stop` has been set and what was running has ended. Throws Error for a
  // model that cannot be loaded.
  void run(const std::atomic<bool>& stop);

 private:
  enum class State : uint8_t { kLoading, kReady, kEnding };
  struct Route;
  struct Call;

  // What is said of the model, asleep too.
  struct Description {
    nlohmann::ordered_json models, props;
    int64_t n_ctx = 0;
    bool asleep = false;
  };

  void handle(HttpRequest&& request, const std::shared_ptr<HttpExchange>& exchange);
  void guarded(Call& call, const std::function<void()>& serve);
  void dispatch(Call& call);
  void check_origin(const Call& call) const;
  void check_key(const HttpRequest& request) const;
  void check_ready() const;
  bool take_model(Call& call);
  void answer(Call& call, const nlohmann::ordered_json& json, int status = 200);
  void refuse(Call& call, int status, std::string_view message);
  void log_answer(const Call& call, int status, const nlohmann::ordered_json& more = {});
  void generate(Call& call, const api::GenerationRequest& request, std::unique_ptr<api::Reply> reply);
  void load();
  void check_identity();
  void put_down_if_idle();
  void wake_if_asked();
  void answer_waiting(const std::string& error);
  Description description() const;
  SchedulerStats stats() const;
  void report(LoadedModel& model) const;

  // the routes (routes.cc)
  static const std::vector<Route>& routes();
  static Description describe(LoadedModel& model);
  bool page(Call& call);
  void health(Call& call);
  void models(Call& call);
  void completions(Call& call);
  void chat_completions(Call& call);
  void messages(Call& call);
  void count_tokens(Call& call);
  void responses(Call& call);
  void llama_completion(Call& call);
  void tokenize(Call& call);
  void detokenize(Call& call);
  void apply_template(Call& call);
  void props(Call& call);
  void slots(Call& call);
  void slot_action(Call& call);
  void metrics(Call& call);

  ServerOptions options_;
  Log log_;
  Metrics metrics_;
  std::atomic<State> state_ = State::kLoading;
  // The connections hold what the scheduler's requests call back: it goes before them, they go last.
  HttpServer http_;
  // of the thread in run()
  int64_t created_ = 0;
  std::string identity_;            // of the model that was loaded first, where it may be loaded again
  std::optional<StepCosts> costs_;  // as the last one left them

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable asked_;
  Description description_;
  std::shared_ptr<LoadedModel>
      model_;  // nullptr: asleep, or nearly. A call that needs it holds it until it is answered.
  Clock::time_point last_use_;
  std::vector<Call> waiting_;  // for the model
  SchedulerStats slept_;       // of the models before this one, with no slot in use
};

}  // namespace nextn
