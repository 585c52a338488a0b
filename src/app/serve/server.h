// The server: one model behind HTTP. Listens first, so that a load balancer sees it loading, then loads, then serves
// until it is told to end.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/reply.h"
#include "app/serve/http_server.h"
#include "app/serve/log.h"
#include "app/serve/metrics.h"
#include "app/serve/slot_files.h"
#include "engine/scheduler.h"

namespace nextn {

struct ServerOptions {
  EngineOptions engine;
  GenerateParams defaults;                                   // but the sampling that the file has
  std::function<SamplerParams(const gguf::File&)> sampling;  // of a request that says nothing
  std::string alias;                                         // what clients call the model; empty: the file's name
  std::string chat_template;                                 // Jinja; empty: the file's
  nlohmann::ordered_json template_variables = nlohmann::ordered_json::object();
  HttpServerOptions http;
  std::vector<std::string> api_keys;      // none: everybody may
  std::vector<std::string> cors_origins;  // whose pages may ask; "*": everybody's
  SchedulerOptions scheduler;
  std::chrono::seconds drain_limit{30};  // for running requests, when the server is to end
  bool page = true;                      // the web page at /
  std::string slot_folder;               // where slots are saved; empty: they are not
  Log::Format log = Log::Format::kText;
};

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

  void handle(HttpRequest&& request, const std::shared_ptr<HttpExchange>& exchange);
  void dispatch(Call& call);
  void check_origin(const Call& call) const;
  void check_key(const HttpRequest& request) const;
  void check_ready() const;
  void answer(Call& call, const nlohmann::ordered_json& json, int status = 200);
  void refuse(Call& call, int status, std::string_view message);
  void log_answer(const Call& call, int status, const nlohmann::ordered_json& more = {});
  void generate(Call& call, const api::GenerationRequest& request, std::unique_ptr<api::Reply> reply);
  void load();
  void report() const;

  // the routes (routes.cc)
  static const std::vector<Route>& routes();
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
  // from kReady on
  std::unique_ptr<Engine> engine_;
  std::optional<ChatTemplate> chat_template_;
  api::ServedModel model_;
  // The connections hold what the scheduler's requests call back: it goes before them, they go last.
  HttpServer http_;
  std::unique_ptr<Scheduler> scheduler_;
  std::optional<SlotFiles> slot_files_;
};

}  // namespace nextn
