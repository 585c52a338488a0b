#include "app/serve/server.h"

#include <malloc.h>
#include <openssl/crypto.h>

#include <algorithm>

#include "app/output.h"
#include "app/serve/answer.h"
#include "app/serve/call.h"
#include "base/clock.h"
#include "engine/model_identity.h"

namespace nextn {

namespace {

using api::Json;

constexpr const char* kRetryAfter = "1";  // seconds; a place in the queue is soon free
constexpr size_t kMaxRequestId = 128;

// An HTTP status other than the error's own.
struct Refused {
  int status;
  std::string message;
};

bool same_key(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// "https://example.org:8080" to "example.org:8080".
std::string_view host_of(std::string_view origin) {
  const size_t at = origin.find("://");
  return at == origin.npos ? origin : origin.substr(at + 3);
}

// A message without what the client wrote, which is no matter of a log.
std::string_view without_text(std::string_view message) {
  return message.substr(0, std::min(message.find(", found "), message.find("; last read: ")));
}

// The client's, where it is fit for a header and a log, else one of ours.
std::string request_id(const HttpRequest& request) {
  const std::string_view given = request.header("x-request-id");
  const bool fit = !given.empty() && given.size() <= kMaxRequestId &&
                   std::ranges::all_of(given, [](char c) { return c > ' ' && c < 0x7f; });
  return fit ? std::string(given) : api::random_id("req-");
}

HttpServerOptions with_errors(HttpServerOptions options) {
  options.error_body = [](int status, std::string_view message) {
    return api::to_text(api::error_json(status, message));
  };
  options.headers.emplace_back("Server", "nextn");
  options.headers.emplace_back("X-Content-Type-Options", "nosniff");
  return options;
}

}  // namespace

Server::Server(ServerOptions options)
    : options_(std::move(options)),
      log_(options_.log),
      metrics_(model_id(options_)),
      http_(with_errors(options_.http), [this](HttpRequest&& request, const std::shared_ptr<HttpExchange>& exchange) {
        handle(std::move(request), exchange);
      }) {
  // Each arena of the heap keeps pages that malloc_trim cannot give back; whoever sleeps has one.
  if (options_.sleep_after.count() > 0) mallopt(M_ARENA_MAX, 1);
}

Server::~Server() {
  http_.stop();
}

// ------------------------------------------------------------------------------------------------ life

// The first time it decides what the options leave open; every later one is to be the same.
void Server::load() {
  check_identity();
  auto model = std::make_shared<LoadedModel>(options_, created_, costs_);
  const EngineOptions& decided = model->engine().options();
  options_.engine.n_ctx = decided.n_ctx;
  options_.engine.n_parallel = decided.n_parallel;
  options_.engine.n_sessions = decided.n_sessions;
  options_.engine.n_checkpoints = decided.n_checkpoints;
  const std::lock_guard lock(mutex_);
  description_ = describe(*model);
  last_use_ = Clock::now();
  model_ = std::move(model);
}

// A server must not wake up as another model.
void Server::check_identity() {
  if (options_.sleep_after.count() == 0) return;
  const std::string found = model_identity(open_model_file(options_.engine));
  if (identity_.empty()) identity_ = found;
  if (found != identity_) {
    fail(ErrorCode::kFile, "{}: expected the model that it was ({}), found another ({})", options_.engine.model_path,
         identity_, found);
  }
}

void Server::put_down_if_idle() {
  std::shared_ptr<LoadedModel> model;
  {
    const std::lock_guard lock(mutex_);
    if (!model_ || options_.sleep_after.count() == 0) return;
    const auto now = Clock::now();
    // Calls hold it until they are answered; none can take it while the mutex is ours.
    if (model_.use_count() > 1 || model_->scheduler().busy()) last_use_ = now;
    if (now - last_use_ < options_.sleep_after) return;
    const SchedulerStats last = model_->scheduler().stats();
    slept_.steps += last.steps;
    slept_.step_rows += last.step_rows;
    slept_.step_ms = last.step_ms;
    slept_.slots.assign(last.slots.size(), {});
    model = std::move(model_);
    model_ = nullptr;
  }
  model->end(std::chrono::seconds(0));
  costs_ = model->engine().costs();
  model.reset();
  malloc_trim(0);
  {
    const std::lock_guard lock(mutex_);
    description_.asleep = true;  // only now: the memory is there for others
  }
  log_.info("asleep", {{"idle_s", options_.sleep_after.count()}});
}

void Server::wake_if_asked() {
  {
    const std::lock_guard lock(mutex_);
    if (model_ || waiting_.empty()) return;
  }
  log_.info("waking");
  std::string error;
  try {
    load();
    report(*model_);
  } catch (const std::exception& e) {
    error = e.what();
    malloc_trim(0);
    log_.warning("still asleep", {{"error", error}});
  }
  answer_waiting(error);
}

// With the model, or with what is wrong.
void Server::answer_waiting(const std::string& error) {
  const std::lock_guard lock(mutex_);
  for (Call& call : std::exchange(waiting_, {})) {
    call.model = model_;
    const std::shared_ptr<HttpExchange> exchange = call.exchange;
    exchange->post([this, call = std::move(call), error]() mutable {
      if (!error.empty()) return refuse(call, 503, error);
      guarded(call, [&] { (this->*call.route->handle)(call); });
    });
  }
}

Server::Description Server::description() const {
  const std::lock_guard lock(mutex_);
  return description_;
}

SchedulerStats Server::stats() const {
  const std::lock_guard lock(mutex_);
  if (!model_) return slept_;
  SchedulerStats stats = model_->scheduler().stats();
  stats.steps += slept_.steps;
  stats.step_rows += slept_.step_rows;
  return stats;
}

// What was found, once it serves.
void Server::report(LoadedModel& model) const {
  const Engine& engine = model.engine();
  const EngineOptions& o = engine.options();
  const HeadVerdict& head = engine.head_verdict();
  const ModelInfo& info = model.engine().model().info();
  std::string drafts = info.has_head ? "MTP head" : "no MTP head";
  if (head.kind == HeadVerdict::Kind::kIncomplete) drafts += " (" + head.reason + ")";
  if (head.kind == HeadVerdict::Kind::kUsable && !info.has_head) drafts = "MTP head not in use";
  if (engine.draft_model() != nullptr) drafts += ", " + o.draft_path;
  uint64_t memory = 0;
  for (const MemoryPart& part : engine.plan().parts) memory += part.bytes;
  log_.info("ready", {{"address", address()},
                      {"model", model.served().id},
                      {"architecture", info.architecture},
                      {"drafts", drafts},
                      {"context", o.n_ctx},
                      {"parallel", o.n_parallel},
                      {"checkpoints", o.n_checkpoints},
                      {"kept_texts_mib", engine.plan().kept_texts >> 20},
                      {"memory_mib", memory >> 20},
                      {"kernels", engine.isa()},
                      {"threads", o.n_threads},
                      {"load_ms", engine.load_ms()},
                      {"api_key", options_.api_keys.empty() ? "none" : "required"}});
}

void Server::run(const std::atomic<bool>& stop) {
  http_.start();
  log_.info("loading", {{"address", address()}, {"model", options_.engine.model_path}});
  created_ = api::now_in_seconds();
  load();
  state_ = State::kReady;
  report(*model_);
  while (!stop) {
    put_down_if_idle();
    wake_if_asked();
    std::unique_lock lock(mutex_);
    asked_.wait_for(lock, std::chrono::milliseconds(50), [&] { return !waiting_.empty(); });
  }

  std::shared_ptr<LoadedModel> model;
  {
    const std::lock_guard lock(mutex_);
    state_ = State::kEnding;
    model = model_;
  }
  answer_waiting("the server is ending");
  log_.info("ending", {{"limit_s", options_.drain_limit.count()}});
  if (model) model->end(options_.drain_limit);
  http_.stop(std::chrono::seconds(2));
  log_.info("ended");
}

// ------------------------------------------------------------------------------------------------ requests

void Server::handle(HttpRequest&& request, const std::shared_ptr<HttpExchange>& exchange) {
  Call call;
  call.id = request_id(request);
  call.request = std::move(request);
  call.exchange = exchange;
  call.headers.emplace_back("X-Request-Id", call.id);
  guarded(call, [&] { dispatch(call); });
}

// What `serve` throws is the call's answer.
void Server::guarded(Call& call, const std::function<void()>& serve) {
  try {
    serve();
  } catch (const Refused& e) {
    refuse(call, e.status, e.message);
  } catch (const Error& e) {
    const bool ending = e.code() == ErrorCode::kBusy && state_ == State::kEnding;
    refuse(call, ending ? 503 : api::status_of(e.code()), e.what());
  } catch (const std::exception& e) {
    refuse(call, 500, e.what());
  }
}

void Server::dispatch(Call& call) {
  check_origin(call);
  const std::string_view origin = call.request.header("origin");
  if (!origin.empty() && !options_.cors_origins.empty()) {
    call.headers.emplace_back("Access-Control-Allow-Origin", std::string(origin));
    call.headers.emplace_back("Vary", "Origin");
    if (call.request.method == "OPTIONS") {
      call.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
      call.headers.emplace_back("Access-Control-Allow-Headers", "*, Authorization");
      call.headers.emplace_back("Access-Control-Max-Age", "600");
      return call.exchange->respond(204, "text/plain", "", call.headers);
    }
  }
  const std::string method = call.request.method == "HEAD" ? "GET" : call.request.method;
  std::string allowed;
  for (const Route& route : routes()) {
    const std::string_view path = route.path;
    if (path.ends_with('/') ? !call.request.path.starts_with(path) : call.request.path != path) continue;
    if (method != route.method) {
      allowed = route.method;
      continue;
    }
    call.route = &route;
    if (route.access != Access::kPublic) check_key(call.request);
    if (route.access == Access::kLoaded) check_ready();
    if (route.access == Access::kReady && !take_model(call)) return;
    return (this->*route.handle)(call);
  }
  if (allowed.empty() && page(call)) return;
  if (allowed.empty()) throw Refused{404, fmt::format("{}: there is nothing here", call.request.path)};
  call.headers.emplace_back("Allow", allowed);
  throw Refused{405, fmt::format("{}: expected {}, found {}", call.request.path, allowed, call.request.method)};
}

// A page of another site must not use this server behind its visitor's back.
void Server::check_origin(const Call& call) const {
  const std::string_view origin = call.request.header("origin");
  if (origin.empty() || host_of(origin) == call.request.header("host")) return;
  for (const std::string& allowed : options_.cors_origins) {
    if (allowed == "*" || allowed == origin) return;
  }
  throw Refused{403, fmt::format("origin {}: not among those that --cors-origin allows", origin)};
}

void Server::check_key(const HttpRequest& request) const {
  if (options_.api_keys.empty()) return;
  std::string_view key = request.header("authorization");
  constexpr std::string_view kBearer = "Bearer ";
  key = key.starts_with(kBearer) ? key.substr(kBearer.size()) : request.header("x-api-key");
  bool known = false;
  for (const std::string& each : options_.api_keys) known |= same_key(each, key);
  if (!known) throw Refused{401, "expected an API key: Authorization: Bearer KEY"};
}

void Server::check_ready() const {
  if (state_ == State::kLoading) throw Refused{503, "the model is loading"};
  if (state_ == State::kEnding) throw Refused{503, "the server is ending"};
}

// False where it sleeps: then the call waits for it, and goes on when it is there.
bool Server::take_model(Call& call) {
  const std::lock_guard lock(mutex_);
  check_ready();
  last_use_ = Clock::now();
  call.model = model_;
  if (call.model) return true;
  waiting_.push_back(call);
  asked_.notify_one();
  return false;
}

void Server::generate(Call& call, const api::GenerationRequest& request, std::unique_ptr<api::Reply> reply) {
  call.request.body = {};
  if (request.params.grammar) call.model->engine().token_trie();  // made here, not by the thread that steps
  start_answer(call.model->scheduler(), metrics_, call.exchange, request, std::move(reply), call.headers,
               [this, call](const AnswerEnd& end) {
                 Json more = {{"prompt_n", end.prompt_n},
                              {"cached_n", end.cached_n},
                              {"predicted_n", end.predicted_n},
                              {"draft_n", end.draft_n},
                              {"draft_n_accepted", end.draft_n_accepted},
                              {"first_token_ms", end.first_token_ms}};
                 if (!end.error.empty()) more["error"] = without_text(end.error);
                 log_answer(call, end.cancelled ? 499 : end.status, more);
               });
}

void Server::answer(Call& call, const Json& json, int status) {
  log_answer(call, status);
  call.exchange->respond(status, "application/json", api::to_text(json), call.headers);
}

void Server::refuse(Call& call, int status, std::string_view message) {
  if (status == 429 || status == 503) call.headers.emplace_back("Retry-After", kRetryAfter);
  if (status == 401) call.headers.emplace_back("WWW-Authenticate", "Bearer");
  log_answer(call, status, {{"error", without_text(message)}});
  const auto error = call.route == nullptr ? api::error_json : call.route->error;
  call.exchange->respond(status, "application/json", api::to_text(error(status, message)), call.headers);
}

void Server::log_answer(const Call& call, int status, const Json& more) {
  metrics_.answered(status);
  Json fields = {{"id", call.id},
                 {"method", call.request.method},
                 {"path", call.request.path},
                 {"status", status},
                 {"ms", ms_since(call.start)}};
  if (more.is_object()) fields.update(more);
  log_.info("request", fields);
}

}  // namespace nextn
