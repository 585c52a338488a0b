// What a server is told when it starts.
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/serve/http_server.h"
#include "app/serve/log.h"
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
  std::chrono::seconds sleep_after{0};   // without a request the model is put down; 0: never
  std::string slot_folder;               // where slots are saved; empty: they are not
  Log::Format log = Log::Format::kText;
};

std::string model_id(const ServerOptions& options);  // what clients call the model

}  // namespace nextn
