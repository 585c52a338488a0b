#include "api/json.h"

namespace nextn::api {

namespace {

constexpr int kMaxDepth = 64;

// "[json.exception.parse_error.101] parse error at line 1 .." without its bracket.
std::string_view reason(std::string_view what) {
  const size_t end = what.find("] ");
  return end == what.npos ? what : what.substr(end + 2);
}

const char* type_of(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 500:
      return "server_error";
    case 501:
      return "not_supported_error";
    case 503:
      return "unavailable_error";
    default:
      return "invalid_request_error";
  }
}

// "messages[0].content" of "messages[0].content: expected ..".
Json param_of(std::string_view message) {
  const size_t colon = message.find(": ");
  if (colon == message.npos || colon == 0) return nullptr;
  const std::string_view name = message.substr(0, colon);
  constexpr std::string_view kOfNames = "abcdefghijklmnopqrstuvwxyz0123456789_[].-";
  if (name == "body" || name.find_first_not_of(kOfNames) != name.npos) return nullptr;
  return std::string(name);
}

}  // namespace

Json parse_body(std::string_view text) {
  const auto check_depth = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxDepth) fail(ErrorCode::kRequest, "body: expected JSON of at most {} levels, found more", kMaxDepth);
    return true;
  };
  Json body;
  try {
    body = Json::parse(text, check_depth);
  } catch (const Json::exception& e) {
    fail(ErrorCode::kRequest, "body: expected a JSON object: {}", reason(e.what()));
  }
  if (!body.is_object()) fail(ErrorCode::kRequest, "body: expected a JSON object, found {}", body.type_name());
  return body;
}

std::string to_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string sse_event(const Json& data, std::string_view name) {
  std::string event;
  if (!name.empty()) event = fmt::format("event: {}\n", name);
  return event + "data: " + to_text(data) + "\n\n";
}

Json error_json(int status, std::string_view message) {
  return {{"error",
           {{"message", std::string(message)},
            {"type", type_of(status)},
            {"param", status == 400 ? param_of(message) : Json(nullptr)},
            {"code", status}}}};
}

int status_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kUsage:
    case ErrorCode::kFile:
    case ErrorCode::kRequest:
      return 400;
    case ErrorCode::kUnsupported:
      return 501;
    case ErrorCode::kBusy:
      return 429;
    case ErrorCode::kSystem:
      break;
  }
  return 500;
}

}  // namespace nextn::api
