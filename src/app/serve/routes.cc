// What the server answers under which path.
#include <algorithm>
#include <charconv>

#include "api/chat_completions.h"
#include "api/completions.h"
#include "api/llama_completion.h"
#include "api/messages.h"
#include "api/responses.h"
#include "api/tokens.h"
#include "app/commit.h"
#include "app/serve/call.h"
#include "app/serve/page.h"

namespace nextn {

using api::Fields;
using api::Json;

namespace {

// "save" of "a=b&action=save"; empty where there is none.
std::string_view query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) return pair.substr(name.size() + 1);
  }
  return {};
}

}  // namespace

const std::vector<Server::Route>& Server::routes() {
  static const std::vector<Route> kRoutes = {
      {"GET", "/health", Access::kPublic, &Server::health},
      {"GET", "/v1/health", Access::kPublic, &Server::health},
      {"GET", "/v1/models", Access::kLoaded, &Server::models},
      {"GET", "/models", Access::kLoaded, &Server::models},
      {"POST", "/v1/completions", Access::kReady, &Server::completions},
      {"POST", "/v1/chat/completions", Access::kReady, &Server::chat_completions},
      {"POST", "/chat/completions", Access::kReady, &Server::chat_completions},
      {"POST", "/v1/messages", Access::kReady, &Server::messages, api::messages_error},
      {"POST", "/v1/messages/count_tokens", Access::kReady, &Server::count_tokens, api::messages_error},
      {"POST", "/v1/responses", Access::kReady, &Server::responses},
      {"POST", "/completion", Access::kReady, &Server::llama_completion},
      {"POST", "/completions", Access::kReady, &Server::llama_completion},
      {"POST", "/tokenize", Access::kReady, &Server::tokenize},
      {"POST", "/detokenize", Access::kReady, &Server::detokenize},
      {"POST", "/apply-template", Access::kReady, &Server::apply_template},
      {"GET", "/props", Access::kLoaded, &Server::props},
      {"GET", "/slots", Access::kLoaded, &Server::slots},
      {"POST", "/slots/", Access::kReady, &Server::slot_action},
      {"GET", "/metrics", Access::kLoaded, &Server::metrics},
  };
  return kRoutes;
}

// A file of the web page, for everybody: it asks for the key itself.
bool Server::page(Call& call) {
  const PageFile* const file = options_.page ? page_file(call.request.path) : nullptr;
  if (file == nullptr || (call.request.method != "GET" && call.request.method != "HEAD")) return false;
  call.headers.emplace_back("Content-Security-Policy", std::string(kPagePolicy));
  call.headers.emplace_back("Referrer-Policy", "no-referrer");
  call.headers.emplace_back("Cache-Control", "no-cache");
  call.headers.emplace_back("ETag", file->etag);
  const bool known = call.request.header("if-none-match") == file->etag;
  log_answer(call, known ? 304 : 200);
  call.exchange->respond(known ? 304 : 200, file->content_type, known ? "" : std::string(file->bytes), call.headers);
  return true;
}

void Server::health(Call& call) {
  switch (state_.load()) {
    case State::kReady:
      return answer(call, {{"status", "ok"}});
    case State::kLoading:
      return refuse(call, 503, "the model is loading");
    case State::kEnding:
      return refuse(call, 503, "the server is ending");
  }
}

Server::Description Server::describe(LoadedModel& loaded) {
  Engine& engine = loaded.engine();
  const api::ServedModel& model = loaded.served();
  const ModelInfo& info = engine.model().info();
  const HeadVerdict& head = engine.head_verdict();
  const Json listed = {{"id", model.id},
                       {"object", "model"},
                       {"created", model.created},
                       {"owned_by", "nextn"},
                       {"max_model_len", model.n_ctx},
                       {"meta",
                        {{"architecture", info.architecture},
                         {"n_ctx", model.n_ctx},
                         {"n_ctx_train", info.n_ctx_train},
                         {"n_embd", info.n_embd},
                         {"n_vocab", info.n_vocab}}}};
  Json settings = api::settings_json(model.defaults);
  settings.erase("seed");  // each request that names none has its own
  settings["n_ctx"] = model.n_ctx;
  const Json props = {{"model",
                       {{"name", model.id},
                        {"path", engine.file().path()},
                        {"architecture", info.architecture},
                        {"n_ctx", model.n_ctx},
                        {"head", info.has_head                             ? "in use"
                                 : head.kind == HeadVerdict::Kind::kUsable ? "not loaded"
                                                                           : "none"},
                        {"head_reason", head.reason}}},
                      {"model_alias", model.id},
                      {"model_path", engine.file().path()},
                      {"total_slots", engine.options().n_parallel},
                      {"default_generation_settings", settings},
                      {"chat_template", engine.file().string_or("tokenizer.chat_template", "")},
                      {"build_info", std::string("nextn ") + NEXTN_VERSION + " " + kCommit}};
  return {{{"object", "list"}, {"data", Json::array({listed})}}, props, model.n_ctx};
}

void Server::models(Call& call) {
  answer(call, description().models);
}

void Server::completions(Call& call) {
  const api::ServedModel& model = call.model->served();
  const api::CompletionRequest request = api::read_completion(api::parse_body(call.request.body), model);
  generate(call, request.generation, api::completion_reply(request, model));
}

void Server::chat_completions(Call& call) {
  const api::ServedModel& model = call.model->served();
  const api::ChatRequest request = api::read_chat(api::parse_body(call.request.body), model);
  generate(call, request.generation, api::chat_reply(request, model));
}

void Server::messages(Call& call) {
  const api::ServedModel& model = call.model->served();
  const api::ChatRequest request = api::read_messages(api::parse_body(call.request.body), model);
  generate(call, request.generation, api::messages_reply(request, model));
}

void Server::count_tokens(Call& call) {
  const api::ServedModel& model = call.model->served();
  const api::ChatRequest request = api::read_messages(api::parse_body(call.request.body), model);
  answer(call, {{"input_tokens", request.generation.prompts[0].size()}});
}

void Server::responses(Call& call) {
  const api::ServedModel& model = call.model->served();
  const api::ResponsesRequest request = api::read_responses(api::parse_body(call.request.body), model);
  generate(call, request.chat.generation, api::responses_reply(request, model));
}

void Server::llama_completion(Call& call) {
  const api::ServedModel& model = call.model->served();
  const api::GenerationRequest request = api::read_llama_completion(api::parse_body(call.request.body), model);
  generate(call, request, api::llama_completion_reply(request, model));
}

void Server::tokenize(Call& call) {
  answer(call, api::tokenize(api::parse_body(call.request.body), call.model->served()));
}

void Server::detokenize(Call& call) {
  answer(call, api::detokenize(api::parse_body(call.request.body), call.model->served()));
}

void Server::apply_template(Call& call) {
  const api::ServedModel& model = call.model->served();
  const Json body = api::parse_body(call.request.body);
  answer(call, {{"prompt", api::read_chat(body, model).prompt}});
}

void Server::props(Call& call) {
  Description now = description();
  now.props["is_sleeping"] = now.asleep;
  answer(call, now.props);
}

void Server::slots(Call& call) {
  const int64_t n_ctx = description().n_ctx;
  Json slots = Json::array();
  for (const SchedulerStats::Slot& slot : stats().slots) {
    slots.push_back({{"id", slots.size()},
                     {"n_ctx", n_ctx},
                     {"is_processing", slot.busy},
                     {"n_prompt_tokens", slot.prompt_n},
                     {"n_context_tokens", slot.context_n}});
  }
  answer(call, slots);
}

// POST /slots/ID?action=save|restore|erase, as llama.cpp has it.
void Server::slot_action(Call& call) {
  SlotFiles* const files = call.model->slot_files();
  if (files == nullptr) {
    fail(ErrorCode::kUnsupported, "slots are neither saved nor restored here: start the server with --slot-save-path");
  }
  const std::string_view number = std::string_view(call.request.path).substr(std::string_view("/slots/").size());
  int slot = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), slot);
  if (error != std::errc() || end != number.data() + number.size()) {
    fail(ErrorCode::kRequest, "slot: expected its number, found '{}'", number);
  }
  const std::string_view action = query_value(call.request.query, "action");
  std::string name;
  if (action != "erase") {
    const Json body = api::parse_body(call.request.body);
    name = Fields(body).string("filename").value_or("");
  }
  call.request.body = {};
  // What came of it, in the action's own names.
  const auto done = [&](const char* tokens, const char* bytes, const char* ms) {
    return [this, call, slot, name, tokens, bytes, ms](const SlotFiles::Result& result) {
      call.exchange->post([this, call, slot, name, tokens, bytes, ms, result]() mutable {
        if (result.error) return refuse(call, api::status_of(result.error->code()), result.error->what());
        Json json = {{"id_slot", slot}};
        if (bytes != nullptr) json["filename"] = name;
        json[tokens] = result.n_tokens;
        if (bytes != nullptr) json.update({{bytes, result.n_bytes}, {"timings", {{ms, result.ms}}}});
        answer(call, json);
      });
    };
  };
  if (action == "save") return files->save(slot, name, done("n_saved", "n_written", "save_ms"));
  if (action == "restore") return files->restore(slot, name, done("n_restored", "n_read", "restore_ms"));
  if (action == "erase") return files->erase(slot, done("n_erased", nullptr, nullptr));
  fail(ErrorCode::kRequest, "action: expected save, restore or erase, found '{}'", action);
}

void Server::metrics(Call& call) {
  const Description now = description();
  std::string text = metrics_.text(stats(), now.n_ctx, http_.n_connections(), now.asleep);
  log_answer(call, 200);
  call.exchange->respond(200, "text/plain; version=0.0.4; charset=utf-8", std::move(text), call.headers);
}

}  // namespace nextn
