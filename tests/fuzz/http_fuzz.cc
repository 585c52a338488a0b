// libFuzzer: whatever a client sends, what comes back is answers in HTTP/1.x, what a handler is given is one request
// with one end, and the next client is served.
// Input: a byte that says where the rest is cut into two writes (0: not at all), and what the client sends.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "app/serve/http_server.h"

namespace {

using nextn::HttpExchange;
using nextn::HttpHeaders;
using nextn::HttpRequest;
using nextn::HttpServer;
using std::chrono::milliseconds;

constexpr milliseconds kPatience(5000), kBetweenWrites(1);
constexpr int kInputsPerGreeting = 64;  // after which a plain GET must be answered
constexpr size_t kLimit = 4096;         // of heads and of bodies
constexpr size_t kMaxInput = 64 << 10;

void expect(bool condition, std::string_view what, std::string_view seen = {}) {
  if (condition) return;
  fmt::print(stderr, "expected {}, found: {}\n", what, seen);
  std::abort();
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return ('0' <= c && c <= '9') || ('a' <= (c | 32) && (c | 32) <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_value(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return (static_cast<uint8_t>(c) < ' ' && c != '\t') || c == 0x7f; });
}

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return std::tolower(x) == std::tolower(y); });
}

// Of all of `text`; nothing where it is no number.
std::optional<size_t> number(std::string_view text, int base) {
  size_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n, base);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return n;
}

// ------------------------------------------------------------------------------------------------ the server's side

void check(const HttpRequest& request) {
  expect(is_token(request.method), "a method", request.method);
  expect(!request.path.empty(), "a path");
  expect(std::ranges::none_of(request.path + request.query, [](char c) { return '\0' <= c && c <= ' '; }), "a target",
         request.path);
  int n_lengths = 0, n_encodings = 0;
  for (const auto& [name, value] : request.headers) {
    expect(is_token(name) && is_value(value), "a header", name + ": " + value);
    n_lengths += same_name(name, "content-length");
    n_encodings += same_name(name, "transfer-encoding");
  }
  expect(n_lengths + n_encodings <= 1, "one way to find the body's end", request.path);
  if (n_lengths == 1) {
    expect(number(request.header("content-length"), 10) == request.body.size(), "as much as was announced",
           request.body);
  } else if (n_encodings == 1) {
    expect(same_name(request.header("transfer-encoding"), "chunked"), "chunks");
  } else {
    expect(request.body.empty(), "no body", request.body);
  }
  expect(request.body.size() <= kLimit, "a body within the limit");
}

// The path says how: at once, later, in pieces, not at all.
void answer(HttpRequest&& request, const std::shared_ptr<HttpExchange>& exchange) {
  check(request);
  std::string text = request.method + " " + request.path + "\n" + request.body;
  HttpHeaders headers;
  if (request.method == "HEAD") headers.emplace_back("X-Head", "1");
  if (request.path.starts_with("/s")) {
    exchange->begin_stream("text/plain", "", headers);
    exchange->write(text);
    exchange->post([=] {
      exchange->write(text);
      exchange->post([=] { exchange->end_stream(); });
    });
  } else if (request.path.starts_with("/l")) {
    exchange->post([=] { exchange->respond(200, "text/plain", text, headers); });
  } else if (request.path.starts_with("/t")) {
    throw std::runtime_error("thrown");
  } else {
    exchange->respond(200, "text/plain", std::move(text), headers);
  }
}

const HttpServer& server() {
  static HttpServer* const made = [] {
    nextn::HttpServerOptions options;
    options.port = 0;
    options.n_threads = 1;
    options.max_header_bytes = options.max_body_bytes = kLimit;
    auto* const server = new HttpServer(options, answer);
    server->start();
    return server;
  }();
  return *made;
}

// ------------------------------------------------------------------------------------------------ the client's side

class Client {
 public:
  Client() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    const std::string address = server().address();
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(*number(address.substr(address.rfind(':') + 1), 10)));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    expect(connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0, "a connection");
  }
  ~Client() { close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;  // it has been answered, and closed
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }

  // All that comes after the last that is sent.
  std::string rest() {
    shutdown(socket_, SHUT_WR);
    std::string all;
    for (char piece[4096];;) {
      pollfd ready = {.fd = socket_, .events = POLLIN, .revents = 0};
      const int n_ready = poll(&ready, 1, static_cast<int>(kPatience.count()));
      if (n_ready < 0 && errno == EINTR) continue;  // by libFuzzer's alarm
      expect(n_ready == 1, "an end", all);
      const ssize_t n = recv(socket_, piece, sizeof piece, 0);
      expect(n >= 0, "an end, not a reset", all);
      if (n == 0) return all;
      all.append(piece, static_cast<size_t>(n));
    }
  }

 private:
  int socket_;
};

// Reads what came, answer by answer.
class Answers {
 public:
  explicit Answers(std::string_view text) : all_(text), text_(text) {
    while (!text_.empty()) take_answer();
  }

 private:
  void want(bool condition, std::string_view what) const { expect(condition, what, all_); }

  std::string_view take(size_t n) {
    want(n <= text_.size(), "more");
    const std::string_view taken = text_.substr(0, n);
    text_.remove_prefix(n);
    return taken;
  }

  std::string_view take_line() {
    const size_t end = text_.find("\r\n");
    want(end != text_.npos, "a line");
    const std::string_view line = take(end);
    take(2);
    return line;
  }

  void take_answer() {
    const std::string_view line = take_line();
    const auto status = number(line.substr(std::min(line.size(), size_t{9}), 3), 10);
    want((line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ")) && status && line.size() > 12 &&
             line[12] == ' ' && is_value(line),
         "a status line");
    std::optional<size_t> length;
    bool chunked = false, closes = false, no_body = *status < 200;
    for (std::string_view field = take_line(); !field.empty(); field = take_line()) {
      const size_t colon = std::min(field.find(": "), field.size() - 1);
      const std::string_view name = field.substr(0, colon), value = field.substr(colon + 1).substr(1);
      want(is_token(name) && is_value(value), "a header");
      if (same_name(name, "content-length")) {
        want(!length && number(value, 10), "one length");
        length = number(value, 10);
      }
      chunked |= same_name(name, "transfer-encoding") && value == "chunked";
      closes |= same_name(name, "connection") && value == "close";
      no_body |= name == "X-Head";
    }
    want(!chunked || (!length && line.starts_with("HTTP/1.1")), "chunks where there may be some");
    if (no_body) {
    } else if (length) {
      const bool refused_head = *status >= 400 && closes && text_.empty();
      if (!refused_head) take(*length);
    } else if (chunked) {
      take_chunks();
    } else {
      want(closes, "a body's end");
      text_ = {};
    }
    want(!closes || text_.empty(), "nothing after the last answer");
  }

  // To the last one, or as far as they come: for the server a client that has closed its side may be one that left.
  void take_chunks() {
    for (;;) {
      if (text_.empty()) return;
      const auto size = number(take_line(), 16);
      want(size.has_value(), "a chunk's size");
      take(*size);
      want(take(2) == "\r\n", "a chunk's end");
      if (*size == 0) return;
    }
  }

  std::string_view all_, text_;
};

void greet() {
  Client client;
  client.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string got = client.rest();
  expect(got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with("\r\n\r\nGET /hello\n"), "a greeting", got);
}

// So that what an input does ends with it.
void await_idle() {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (server().n_connections() > 0) {
    expect(std::chrono::steady_clock::now() < until, "no connection");
    std::this_thread::yield();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > kMaxInput) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const size_t cut = bytes.size() * data[0] / 256;
  {
    Client client;
    if (cut > 0) {
      client.send(bytes.substr(0, cut));
      std::this_thread::sleep_for(kBetweenWrites);
    }
    client.send(bytes.substr(cut));
    const std::string got = client.rest();
    Answers{got};
  }
  await_idle();
  static int n = 0;
  if (++n % kInputsPerGreeting == 0) greet();
  return 0;
}
