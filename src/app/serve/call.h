// One HTTP request on its way through the server.
#pragma once

#include <memory>

#include "app/serve/http_server.h"
#include "app/serve/server.h"
#include "base/clock.h"

namespace nextn {

struct Server::Call {
  HttpRequest request;
  std::shared_ptr<HttpExchange> exchange;
  std::string id;
  HttpHeaders headers;  // of the answer
  const Route* route = nullptr;
  std::shared_ptr<LoadedModel> model = nullptr;  // of Access::kReady
  Clock::time_point start = Clock::now();
};

enum class Access : uint8_t {
  kPublic,  // without a key
  kLoaded,  // with a key, once the model has been loaded; it may sleep and sleeps on
  kReady,   // with a key and the model, which is woken for it
};

struct Server::Route {
  const char* method;
  const char* path;  // with "/" at its end: of everything below it
  Access access;
  void (Server::*handle)(Call&);
  nlohmann::ordered_json (*error)(int status, std::string_view message) = api::error_json;  // in the protocol's form
};

}  // namespace nextn
