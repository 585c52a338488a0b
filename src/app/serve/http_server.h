// HTTP/1.1 for the program: connections, limits, time-outs, TLS. Knows nothing of models: a request comes in whole, the
// handler answers through an HttpExchange, at once or in pieces and from wherever it likes.
//
// The sockets are Boost.Beast's and Asio's and stay in http_server.cc. Each connection is a strand: everything that
// happens to an exchange happens on its connection's strand, so neither the exchange nor a handler needs a lock.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nextn {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;  // "GET"
  std::string path;    // of the target, before "?"; not decoded
  std::string query;   // after it
  HttpHeaders headers;
  std::string body;
  std::string peer;  // address of the other side

  // The header's value, "" where there is none. The name's case does not matter.
  std::string_view header(std::string_view name) const noexcept;
};

// One answer. All of it but post() belongs to the connection's strand: the handler runs there, and what post() is
// given.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;

  // The whole answer.
  virtual void respond(int status, std::string_view content_type, std::string body, HttpHeaders headers = {}) = 0;

  // Or an answer in pieces, of unknown length: its head, any number of pieces, its end. While no piece comes for a
  // while, `keep_alive` is sent, so that nobody between here and there takes the connection for dead.
  virtual void begin_stream(std::string_view content_type, std::string keep_alive, HttpHeaders headers = {}) = 0;
  virtual void write(std::string piece) = 0;
  virtual void end_stream() = 0;

  // What to do when the client goes away before its answer is complete. Called at most once.
  virtual void on_gone(std::function<void()> call) = 0;

  // Runs `call` on the strand. From any thread.
  virtual void post(std::function<void()> call) = 0;
};

// Answers a request, now or later. What it throws becomes a 500.
using HttpHandler = std::function<void(HttpRequest&&, const std::shared_ptr<HttpExchange>&)>;

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;                    // 0: a free one
  std::string certificate_file, key_file;  // PEM; both or none: TLS
  int n_threads = 2;
  size_t max_connections = 512;
  size_t max_header_bytes = 64 << 10, max_body_bytes = 32 << 20;
  std::chrono::seconds idle_timeout{75};      // for a request's head to come
  std::chrono::seconds body_timeout{60};      // and its body
  std::chrono::seconds write_timeout{60};     // for a client to take a piece
  std::chrono::seconds keep_alive_every{15};  // pieces of a stream
  // The body of an answer that the server itself gives: 400, 408, 413, 431, 500, 503.
  std::function<std::string(int status, std::string_view message)> error_body;
  HttpHeaders headers;  // of every answer
};

class HttpServer {
 public:
  // Listens. Throws Error{kSystem} for an address that cannot be had, Error{kFile} for certificates that are not right.
  HttpServer(HttpServerOptions options, HttpHandler handler);
  ~HttpServer();  // stop()

  std::string address() const;  // "http://127.0.0.1:8080"
  size_t n_connections() const noexcept;

  // Serves on threads of its own, until stop().
  void start();
  // Ends the connections, those in the middle of an answer too, after `grace` for what has been written to go out.
  void stop(std::chrono::milliseconds grace = std::chrono::milliseconds(0));

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nextn
