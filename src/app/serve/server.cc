#include "app/serve/server.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "app/output.h"
#include "app/serve/answer.h"
#include "app/serve/call.h"
#include "engine/calibration.h"
#include "engine/tokenizer_loader.h"

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

std::string model_id(const ServerOptions& options) {
  if (!options.alias.empty()) return options.alias;
  if (!options.engine.model_bytes.empty()) return options.engine.model_path;
  return std::filesystem::path(options.engine.model_path).stem().string();
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
      }) {}

Server::~Server() {
  http_.stop();
}

// ------------------------------------------------------------------------------------------------ life

void Server::load() {
  engine_ = std::make_unique<Engine>(options_.engine);
  const gguf::File& file = engine_->file();
  chat_template_ = load_chat_template(file, options_.chat_template);
  model_.id = model_id(options_);
  model_.created = api::now_in_seconds();
  model_.tokenizer = &engine_->tokenizer();
  model_.chat_template = &*chat_template_;
  model_.n_ctx = engine_->options().n_ctx;
  model_.defaults = options_.defaults;
  model_.defaults.sampling = options_.sampling(file);
  check_sampler_params(model_.defaults.sampling, engine_->tokenizer().n_vocab(), ErrorCode::kUsage);
  model_.template_variables = options_.template_variables;
  if (engine_->drafts() && model_.defaults.adaptive) {
    Session session(*engine_);
    calibrate(*engine_, session);
  }
  scheduler_ = std::make_unique<Scheduler>(*engine_, options_.scheduler);
  if (!options_.slot_folder.empty()) slot_files_.emplace(*scheduler_, options_.slot_folder);
}

// What was found, once it serves.
void Server::report() const {
  const EngineOptions& o = engine_->options();
  const HeadVerdict& head = engine_->head_verdict();
  std::string drafts = engine_->model().info().has_head ? "MTP head" : "no MTP head";
  if (head.kind == HeadVerdict::Kind::kIncomplete) drafts += " (" + head.reason + ")";
  if (head.kind == HeadVerdict::Kind::kUsable && !engine_->model().info().has_head) drafts = "MTP head not in use";
  if (engine_->draft_model() != nullptr) drafts += ", " + o.draft_path;
  uint64_t memory = 0;
  for (const MemoryPart& part : engine_->plan().parts) memory += part.bytes;
  log_.info("ready", {{"address", address()},
                      {"model", model_.id},
                      {"architecture", engine_->model().info().architecture},
                      {"drafts", drafts},
                      {"context", o.n_ctx},
                      {"parallel", o.n_parallel},
                      {"checkpoints", o.n_checkpoints},
                      {"memory_mib", memory >> 20},
                      {"kernels", engine_->isa()},
                      {"threads", o.n_threads},
                      {"load_ms", engine_->load_ms()},
                      {"api_key", options_.api_keys.empty() ? "none" : "required"}});
}

void Server::run(const std::atomic<bool>& stop) {
  http_.start();
  log_.info("loading", {{"address", address()}, {"model", options_.engine.model_path}});
  load();
  state_ = State::kReady;
  report();
  std::thread engine_thread([this] { scheduler_->run(); });
  while (!stop) std::this_thread::sleep_for(std::chrono::milliseconds(50));

  state_ = State::kEnding;
  log_.info("ending", {{"limit_s", options_.drain_limit.count()}});
  scheduler_->drain();
  const auto until = std::chrono::steady_clock::now() + options_.drain_limit;
  while (scheduler_->busy() && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  scheduler_->cancel_all();
  engine_thread.join();
  slot_files_.reset();
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
  try {
    dispatch(call);
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
    if (route.access == Access::kReady) check_ready();
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

void Server::generate(Call& call, const api::GenerationRequest& request, std::unique_ptr<api::Reply> reply) {
  call.request.body = {};
  if (request.params.grammar) engine_->token_trie();  // made here, not by the thread that steps
  start_answer(*scheduler_, metrics_, call.exchange, request, std::move(reply), call.headers,
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
  Json fields = {
      {"id", call.id},
      {"method", call.request.method},
      {"path", call.request.path},
      {"status", status},
      {"ms", std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - call.start).count()}};
  if (more.is_object()) fields.update(more);
  log_.info("request", fields);
}

}  // namespace nextn
