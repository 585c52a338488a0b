// nextn serve: flags, signals, and a Server between them.
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/output.h"
#include "app/sampling_flags.h"
#include "app/serve/server.h"
#include "app/template_flags.h"

namespace nextn {

namespace {

struct ServeFlags {
  ModelFlags model;
  SamplingFlags sampling;
  std::string host = "127.0.0.1", alias, log_format = "text";
  int port = 8080;
  std::vector<std::string> api_keys, cors_origins;
  std::string api_key_file, certificate_file, key_file;
  TemplateFlags chat_template;
  int queue_limit = 256, max_connections = 512, max_body_mib = 32, drain_seconds = 30, sleep_idle_seconds = -1;
  double prefill_slowdown = 2;
  bool no_page = false;
  std::string slot_folder;

  void add_to(CLI::App& app);
  void check() const;
  ServerOptions options(const CLI::App& app) const;
};

void ServeFlags::add_to(CLI::App& app) {
  model.add_to(app);
  model.add_server_flags_to(app, 0, 4);
  sampling.add_to(app);
  app.add_option("--host", host, "address to listen on (default: 127.0.0.1, this machine alone)");
  app.add_option("--port", port, "port to listen on (default: 8080; 0: a free one)");
  app.add_option("-a,--served-model-name", alias, "what clients call the model (default: the file's name)");
  app.add_option("--api-key", api_keys, "a key that clients must send; may be given several times");
  app.add_option("--api-key-file", api_key_file, "a file of such keys, one on a line");
  app.add_option("--ssl-cert-file", certificate_file, "PEM certificate: serve HTTPS");
  app.add_option("--ssl-key-file", key_file, "its PEM key");
  app.add_option("--cors-origin", cors_origins,
                 "origin whose pages may use the server, or *; may be given several times");
  chat_template.add_to(app);
  app.add_option("--queue-limit", queue_limit, "requests that may wait; more are refused (default: 256)");
  app.add_option("--max-connections", max_connections, "open connections at most (default: 512)");
  app.add_option("--max-body-mib", max_body_mib, "size of a request at most (default: 32)");
  app.add_option("--prefill-slowdown", prefill_slowdown,
                 "while a prompt is read, steps of others may take so many times as long (default: 2)");
  app.add_option("--drain-seconds", drain_seconds,
                 "for running requests, when the server is told to end (default: 30)");
  app.add_option(
      "--sleep-idle-seconds", sleep_idle_seconds,
      "without a request for so long the model and all texts are put down, until the next one (default: never)");
  app.add_option("--slot-save-path", slot_folder, "folder that POST /slots/ID?action=save|restore keeps slots in");
  app.add_flag("--no-webui", no_page, "no web page at /");
  app.add_option("--log-format", log_format, "text or json");
}

void ServeFlags::check() const {
  in_range("--port", port, 0, 65535);
  in_range("--queue-limit", queue_limit, 1, 1 << 20);
  in_range("--max-connections", max_connections, 1, 1 << 20);
  in_range("--max-body-mib", max_body_mib, 1, 4096);
  in_range("--drain-seconds", drain_seconds, 0, 86400);
  if (sleep_idle_seconds != -1) in_range("--sleep-idle-seconds", sleep_idle_seconds, 1, 1 << 30);
  in_range("--prefill-slowdown", prefill_slowdown, 1.0, 1000.0);
  if (log_format != "text" && log_format != "json") {
    fail(ErrorCode::kUsage, "--log-format: expected text or json, found '{}'", log_format);
  }
  if (certificate_file.empty() != key_file.empty()) {
    fail(ErrorCode::kUsage, "--ssl-cert-file, --ssl-key-file: expected both or none");
  }
  for (const std::string& key : api_keys) {
    if (key.empty()) fail(ErrorCode::kUsage, "--api-key: expected a key, found ''");
  }
  std::error_code error;
  if (!slot_folder.empty() && !std::filesystem::is_directory(slot_folder, error)) {
    fail(ErrorCode::kUsage, "--slot-save-path: expected a folder, found '{}'", slot_folder);
  }
  sampling.check();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
    at = end + 1;
  }
  return lines;
}

ServerOptions ServeFlags::options(const CLI::App& app) const {
  ServerOptions o;
  o.engine = model.engine_options();
  o.engine.packing = Packing::kLater;
  o.sampling = [this, &app](const gguf::File& file) { return sampling.for_file(app, file); };
  o.defaults.draft_max = model.head_drafts();
  o.defaults.model_max = model.model_drafts();
  o.defaults.suffix_max = model.suffix_drafts();
  o.defaults.draft_min = model.draft_min;
  o.defaults.draft_p_min = model.draft_p_min;
  o.defaults.adaptive = model.adaptive();
  o.alias = alias;
  o.chat_template = chat_template.source();
  o.template_variables = chat_template.variables();
  o.http.host = host;
  o.http.port = static_cast<uint16_t>(port);
  o.http.certificate_file = certificate_file;
  o.http.key_file = key_file;
  o.http.max_connections = static_cast<size_t>(max_connections);
  o.http.max_body_bytes = static_cast<size_t>(max_body_mib) << 20;
  o.api_keys = api_keys;
  if (!api_key_file.empty()) {
    const std::vector<std::string> keys = lines_of(read_prompt_file(api_key_file));
    if (keys.empty()) fail(ErrorCode::kUsage, "--api-key-file: {}: expected at least one key", api_key_file);
    o.api_keys.insert(o.api_keys.end(), keys.begin(), keys.end());
  }
  o.cors_origins = cors_origins;
  o.scheduler.queue_limit = static_cast<size_t>(queue_limit);
  o.scheduler.prefill_slowdown = prefill_slowdown;
  o.drain_limit = std::chrono::seconds(drain_seconds);
  o.sleep_after = std::chrono::seconds(std::max(0, sleep_idle_seconds));
  o.page = !no_page;
  o.slot_folder = slot_folder;
  o.log = log_format == "json" ? Log::Format::kJson : Log::Format::kText;
  return o;
}

std::atomic<bool> told_to_end{false};

// The first signal asks for an end, the second one does not ask.
void on_end_signal(int signal) {
  told_to_end.store(true);
  std::signal(signal, SIG_DFL);
}

}  // namespace

int serve_main(int argc, char** argv) {
  CLI::App app("Serves a model: OpenAI's API, and llama.cpp's.", "nextn serve");
  ServeFlags flags;
  flags.add_to(app);
  int status = 0;
  if (!parse_flags(app, argc, argv, &status)) return status;
  flags.check();
  std::signal(SIGINT, on_end_signal);
  std::signal(SIGTERM, on_end_signal);
  Server server(flags.options(app));
  server.run(told_to_end);
  return 0;
}

}  // namespace nextn
