#include "app/serve/http_server.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <optional>
#include <sstream>
#include <thread>
#include <tuple>
#include <variant>

#include "base/clock.h"
#include "base/error.h"

namespace nextn {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using std::chrono::milliseconds;
using Strand = asio::strand<asio::io_context::executor_type>;
using TcpStream = beast::basic_stream<tcp, Strand>;
using TlsStream = beast::ssl_stream<TcpStream>;
using Socket = TcpStream::socket_type;
using Parser = http::request_parser<http::string_body>;

// Errors as values: co_await gives (error, ...).
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// What is still read of a client that has its answer.
constexpr std::chrono::seconds kLinger(2);
constexpr size_t kLingerBytes = 4 << 20;

constexpr size_t kReadBytes = 64 << 10;  // of one read from a socket

constexpr unsigned kHttp11 = 11;  // Beast's number of the version that has chunks and keeps connections

// How often a client is asked whether it is still there while it has sent more than its request.
constexpr milliseconds kLookEvery(250);

// Counts what is there as long as it is.
class Counted {
 public:
  explicit Counted(std::atomic<size_t>& count) : count_(count), before_(count++) {}
  ~Counted() { count_--; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  size_t before() const { return before_; }

 private:
  std::atomic<size_t>& count_;
  size_t before_;
};

bool has_left(tcp::socket::native_handle_type socket) {
  tcp_info info = {};
  socklen_t size = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return true;
  return info.tcpi_state != TCP_ESTABLISHED;
}

using Transfer = std::tuple<boost::system::error_code, size_t>;  // what went wrong, bytes moved

// The bytes of a connection, in the clear or under TLS: one type for both, so that what speaks HTTP is compiled once.
class Wire {
 public:
  Wire(Socket socket, asio::ssl::context* tls) : stream_(std::in_place_type<TcpStream>, std::move(socket)) {
    if (tls == nullptr) return;
    TcpStream plain = std::move(std::get<TcpStream>(stream_));
    stream_.emplace<TlsStream>(std::move(plain), *tls);
  }

  // The socket and its time limit, after which a read or write ends with beast::error::timeout.
  TcpStream& tcp() {
    if (TlsStream* const secure = tls()) return beast::get_lowest_layer(*secure);
    return std::get<TcpStream>(stream_);
  }

  asio::awaitable<bool> shake_hands() {
    TlsStream* const secure = tls();
    if (secure == nullptr) co_return true;
    auto [error] = co_await secure->async_handshake(asio::ssl::stream_base::server, kAwait);
    co_return !error;
  }

  asio::awaitable<void> say_goodbye() {
    if (TlsStream* const secure = tls()) co_await secure->async_shutdown(kAwait);
  }

  // At least one byte, or an error.
  asio::awaitable<Transfer> read_some(asio::mutable_buffer into) {
    if (TlsStream* const secure = tls()) co_return co_await secure->async_read_some(into, kAwait);
    co_return co_await tcp().async_read_some(into, kAwait);
  }

  // All of `bytes`. False where they did not get through.
  asio::awaitable<bool> write(std::string_view bytes) {
    while (!bytes.empty()) {
      auto [error, n] = co_await write_some(asio::const_buffer(bytes.data(), bytes.size()));
      if (error) co_return false;
      bytes.remove_prefix(n);
    }
    co_return true;
  }

 private:
  TlsStream* tls() { return std::get_if<TlsStream>(&stream_); }

  asio::awaitable<Transfer> write_some(asio::const_buffer from) {
    if (TlsStream* const secure = tls()) co_return co_await secure->async_write_some(from, kAwait);
    co_return co_await tcp().async_write_some(from, kAwait);
  }

  std::variant<TcpStream, TlsStream> stream_;
};

// What is to be sent, and who waits for what.
class Exchange final : public HttpExchange, public std::enable_shared_from_this<Exchange> {
 public:
  explicit Exchange(const Strand& strand) : strand_(strand), news_(strand) {}

  void respond(int status, std::string_view content_type, std::string body, HttpHeaders headers) override {
    if (begun()) return;
    status_ = status;
    content_type_ = content_type;
    headers_ = std::move(headers);
    output_ = std::move(body);
    ended_ = true;
    wake();
  }

  void begin_stream(std::string_view content_type, std::string keep_alive, HttpHeaders headers) override {
    if (begun()) return;
    status_ = 200;
    content_type_ = content_type;
    headers_ = std::move(headers);
    keep_alive_ = std::move(keep_alive);
    streams_ = true;
    wake();
  }

  void write(std::string piece) override {
    if (gone_ || ended_) return;
    output_ += piece;
    wake();
  }

  void end_stream() override {
    ended_ = true;
    wake();
  }

  void on_gone(std::function<void()> call) override {
    if (gone_) {
      call();
    } else {
      gone_call_ = std::move(call);
    }
  }

  void post(std::function<void()> call) override { asio::post(strand_, std::move(call)); }

  // ---- the connection's side

  bool begun() const { return status_ != 0; }
  bool streams() const { return streams_; }
  bool ended() const { return ended_; }
  bool gone() const { return gone_; }
  int status() const { return status_; }
  const std::string& content_type() const { return content_type_; }
  const HttpHeaders& headers() const { return headers_; }
  const std::string& keep_alive() const { return keep_alive_; }
  std::string take_output() { return std::exchange(output_, {}); }

  void leave() {
    if (gone_) return;
    gone_ = true;
    output_.clear();
    wake();
    if (const auto call = std::exchange(gone_call_, {})) call();
  }
  void complete() { gone_call_ = {}; }

  // Until there is something to send, at most `patience`.
  asio::awaitable<void> news(Clock::duration patience) {
    if (!output_.empty() || ended_ || gone_ || has_news_) {
      has_news_ = false;
      co_return;
    }
    news_.expires_after(patience);
    co_await news_.async_wait(kAwait);
    has_news_ = false;
  }

 private:
  void wake() {
    has_news_ = true;
    news_.cancel();
  }

  Strand strand_;
  asio::steady_timer news_;
  int status_ = 0;
  bool streams_ = false, ended_ = false, gone_ = false, has_news_ = false;
  std::string content_type_, keep_alive_, output_;
  HttpHeaders headers_;
  std::function<void()> gone_call_;
};

// Looks whether the client is still there, while an answer is being made.
class Watch : public std::enable_shared_from_this<Watch> {
 public:
  Watch(Socket& socket, std::shared_ptr<Exchange> exchange, const Strand& strand)
      : socket_(&socket), exchange_(std::move(exchange)), strand_(strand), timer_(strand) {}

  void start() {
    socket_->async_wait(
        tcp::socket::wait_read,
        asio::bind_executor(strand_, [self = shared_from_this()](const boost::system::error_code&) { self->look(); }));
  }

  void stop() {
    if (socket_ == nullptr) return;
    timer_.cancel();
    boost::system::error_code ignored;
    socket_->cancel(ignored);
    socket_ = nullptr;
  }

 private:
  // There is something to read, or an end. What there is to read is the next request, and hides the end.
  void look() {
    if (socket_ == nullptr) return;
    if (!socket_->is_open() || has_left(socket_->native_handle())) return exchange_->leave();
    timer_.expires_after(kLookEvery);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (!error) self->look();
    });
  }

  Socket* socket_;
  std::shared_ptr<Exchange> exchange_;
  Strand strand_;
  asio::steady_timer timer_;
};

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const noexcept {
  for (const auto& [key, value] : headers) {
    if (beast::iequals(beast::string_view(key.data(), key.size()), beast::string_view(name.data(), name.size())))
      return value;
  }
  return "";
}

class HttpServer::Impl {
 public:
  Impl(HttpServerOptions options, HttpHandler handler)
      : options_(std::move(options)), handler_(std::move(handler)), acceptor_(context_) {
    if (options_.certificate_file.empty() != options_.key_file.empty()) {
      fail(ErrorCode::kUsage, "TLS: expected a certificate and a key, found one of them");
    }
    if (!options_.certificate_file.empty()) load_certificate();
    listen();
  }

  ~Impl() { stop(milliseconds(0)); }

  std::string address() const {
    const tcp::endpoint end = acceptor_.is_open() ? acceptor_.local_endpoint() : endpoint_;
    const std::string host = end.address().is_v6() ? "[" + end.address().to_string() + "]" : end.address().to_string();
    return fmt::format("{}://{}:{}", tls_ ? "https" : "http", host, end.port());
  }

  size_t n_connections() const noexcept { return n_connections_.load(std::memory_order_relaxed); }

  void start() {
    asio::co_spawn(context_, accept(), asio::detached);
    for (int i = 0; i < options_.n_threads; i++) {
      threads_.emplace_back([this] { context_.run(); });
    }
  }

  void stop(milliseconds grace) {
    stopping_ = true;
    asio::post(context_, [this] {
      boost::system::error_code ignored;
      acceptor_.close(ignored);
    });
    const auto until = Clock::now() + grace;
    while (!threads_.empty() && n_writing_ > 0 && Clock::now() < until) {
      std::this_thread::sleep_for(milliseconds(5));
    }
    context_.stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void load_certificate() {
    tls_.emplace(asio::ssl::context::tls_server);
    tls_->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                      asio::ssl::context::no_tlsv1_1);
    boost::system::error_code error;
    tls_->use_certificate_chain_file(options_.certificate_file, error);
    if (error) fail(ErrorCode::kFile, "{}: expected a PEM certificate: {}", options_.certificate_file, error.message());
    tls_->use_private_key_file(options_.key_file, asio::ssl::context::pem, error);
    if (error) fail(ErrorCode::kFile, "{}: expected the certificate's PEM key: {}", options_.key_file, error.message());
  }

  void listen() {
    const std::string where = fmt::format("{}:{}", options_.host, options_.port);
    boost::system::error_code error;
    tcp::resolver resolver(context_);
    const auto found = resolver.resolve(options_.host, std::to_string(options_.port), tcp::resolver::passive, error);
    if (error || found.empty()) fail(ErrorCode::kSystem, "{}: cannot find the host: {}", where, error.message());
    endpoint_ = found.begin()->endpoint();
    const auto check = [&] {
      if (error) fail(ErrorCode::kSystem, "{}: cannot listen: {}", where, error.message());
    };
    acceptor_.open(endpoint_.protocol(), error), check();
    acceptor_.set_option(asio::socket_base::reuse_address(true), error), check();
    acceptor_.bind(endpoint_, error), check();
    acceptor_.listen(asio::socket_base::max_listen_connections, error), check();
    endpoint_ = acceptor_.local_endpoint();
  }

  asio::awaitable<void> accept() {
    while (acceptor_.is_open()) {
      const Strand strand = asio::make_strand(context_.get_executor());
      Socket socket(strand);
      auto [error] = co_await acceptor_.async_accept(socket, kAwait);
      if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
      if (error) {  // no more descriptors, or a client that has left: those who are here go on
        asio::steady_timer pause(context_, milliseconds(50));
        co_await pause.async_wait(kAwait);
        continue;
      }
      boost::system::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      const tcp::endpoint remote = socket.remote_endpoint(ignored);
      asio::co_spawn(strand, connection(std::move(socket), strand, remote.address().to_string()), asio::detached);
    }
  }

  asio::awaitable<void> connection(Socket socket, Strand strand, std::string peer) {
    const Counted here(n_connections_);
    const bool full = here.before() >= options_.max_connections;
    Wire wire(std::move(socket), tls_ ? &*tls_ : nullptr);
    wire.tcp().expires_after(options_.idle_timeout);
    if (!co_await wire.shake_hands()) co_return;
    co_await serve(wire, strand, peer, full);
    wire.tcp().expires_after(std::chrono::seconds(2));
    co_await wire.say_goodbye();
  }

  asio::awaitable<void> serve(Wire& wire, Strand strand, const std::string& peer, bool full) {
    beast::flat_buffer buffer;
    while (!stopping_) {
      Parser parser;
      parser.header_limit(static_cast<uint32_t>(options_.max_header_bytes));
      parser.body_limit(options_.max_body_bytes);
      HttpHeaders headers;
      const boost::system::error_code error = co_await read(wire, buffer, parser, headers);
      auto exchange = std::make_shared<Exchange>(strand);
      bool keep = false;
      if (error || full) {
        const auto [status, message] = full && !error ? std::pair(503, "too many connections") : refusal(error);
        if (status == 0) break;
        exchange->respond(status, "application/json", error_body(status, message), {});
      } else {
        keep = parser.get().keep_alive();
        handle(parser.get(), std::move(headers), peer, exchange);
      }
      const bool head = parser.get().method() == http::verb::head;
      const Counted answer(n_writing_);
      const bool sent = co_await send(wire, strand, exchange, parser.get().version(), keep, head);
      if (!sent || !keep) break;
    }
    boost::system::error_code ignored;
    wire.tcp().socket().shutdown(tcp::socket::shutdown_send, ignored);
    co_await linger(wire.tcp());
  }

  // A connection that is closed while its client still sends is reset, and the client may never see the answer.
  static asio::awaitable<void> linger(TcpStream& stream) {
    std::vector<char> rest(kLingerBytes / 64);
    stream.expires_after(kLinger);
    for (size_t n = 0; n < kLingerBytes;) {
      auto [error, bytes] = co_await stream.async_read_some(asio::mutable_buffer(rest.data(), rest.size()), kAwait);
      if (error) co_return;
      n += bytes;
    }
  }

  // One request, head and body; what the client has sent after it stays in `buffer`. `headers` are those of the head:
  // fields that follow a body in chunks count for nothing.
  asio::awaitable<boost::system::error_code> read(Wire& wire, beast::flat_buffer& buffer, Parser& parser,
                                                  HttpHeaders& headers) {
    wire.tcp().expires_after(options_.idle_timeout);
    parser.eager(false);  // stops after the head
    boost::system::error_code error = co_await read_on(wire, buffer, parser);
    if (!error && !has_path(parser.get().target())) error = http::error::bad_target;
    if (!error) error = doubt_of_body(parser.get());
    if (error) co_return error;
    for (const auto& field : parser.get()) headers.emplace_back(field.name_string(), field.value());
    if (parser.is_done()) co_return error;
    wire.tcp().expires_after(options_.body_timeout);
    if (parser.get().version() >= kHttp11 && beast::iequals(parser.get()[http::field::expect], "100-continue")) {
      if (!co_await wire.write("HTTP/1.1 100 Continue\r\n\r\n")) co_return http::error::end_of_stream;
    }
    parser.eager(true);
    co_return co_await read_on(wire, buffer, parser);
  }

  static bool has_path(beast::string_view target) { return !target.empty() && target.front() != '?'; }

  // Where a body ends must be beyond doubt: behind a proxy that reads it in another way than we do, a client could
  // speak for the next one. Beast takes equal lengths and leaves encodings alone that it does not know.
  static boost::system::error_code doubt_of_body(const http::request_header<>& head) {
    const size_t n_lengths = head.count(http::field::content_length);
    const size_t n_encodings = head.count(http::field::transfer_encoding);
    const beast::string_view length = head[http::field::content_length];
    const bool chunked = beast::iequals(head[http::field::transfer_encoding], "chunked");
    if (n_encodings > 1 || (n_encodings == 1 && (!chunked || n_lengths > 0 || head.version() < kHttp11))) {
      return http::error::bad_transfer_encoding;
    }
    if (n_lengths > 1 || length.find_first_not_of("0123456789") != length.npos) return http::error::bad_content_length;
    return {};
  }

  // Feeds the parser until it has the head or, when eager, the whole request.
  asio::awaitable<boost::system::error_code> read_on(Wire& wire, beast::flat_buffer& buffer, Parser& parser) {
    for (;;) {
      boost::system::error_code error;
      if (buffer.size() > 0) {
        buffer.consume(parser.put(buffer.data(), error));
        if (error && error != http::error::need_more) co_return error;
        if (parser.is_done() || (!parser.eager() && parser.is_header_done())) co_return boost::system::error_code();
        // Beast has no limit for what stands between chunks and after them.
        if (buffer.size() > options_.max_header_bytes) co_return http::error::header_limit;
      }
      auto [read_error, n] = co_await wire.read_some(buffer.prepare(kReadBytes));
      if (read_error == asio::error::eof) {
        if (!parser.got_some()) co_return http::error::end_of_stream;
        parser.put_eof(error);
        co_return error;
      }
      if (read_error) co_return read_error;
      buffer.commit(n);
    }
  }

  // What a client is told whose request cannot be read; status 0: nothing, it has left.
  static std::pair<int, std::string> refusal(const boost::system::error_code& error) {
    if (error == http::error::body_limit) return {413, "the body is larger than this server takes"};
    if (error == http::error::header_limit) return {431, "the headers are larger than this server takes"};
    if (error == http::error::end_of_stream || error == beast::error::timeout) return {0, ""};
    if (error.category() == make_error_code(http::error::bad_method).category()) {
      return {400, "expected an HTTP/1.1 request: " + error.message()};
    }
    return {0, ""};
  }

  void handle(http::request<http::string_body>& parsed, HttpHeaders&& headers, const std::string& peer,
              const std::shared_ptr<Exchange>& exchange) {
    HttpRequest request;
    request.method = std::string(parsed.method_string());
    const std::string_view target(parsed.target().data(), parsed.target().size());
    const size_t mark = target.find('?');
    request.path = target.substr(0, mark);
    if (mark != target.npos) request.query = target.substr(mark + 1);
    request.headers = std::move(headers);
    request.body = std::move(parsed.body());
    request.peer = peer;
    try {
      handler_(std::move(request), exchange);
    } catch (const std::exception& e) {
      exchange->respond(500, "application/json", error_body(500, e.what()), {});
    }
  }

  std::string error_body(int status, std::string_view message) const {
    return options_.error_body ? options_.error_body(status, message) : std::string(message);
  }

  // The bytes of an answer's head. `length`: of its body; none where it is streamed.
  std::string head_of(const Exchange& exchange, unsigned version, bool keep, std::optional<size_t> length) const {
    http::response_header<> head;
    head.version(version);
    head.result(static_cast<unsigned>(exchange.status()));
    head.set(http::field::content_type, exchange.content_type());
    for (const auto& [name, value] : options_.headers) head.set(name, value);
    for (const auto& [name, value] : exchange.headers()) head.set(name, value);
    if (length) {
      head.set(http::field::content_length, std::to_string(*length));
    } else if (version >= kHttp11) {
      head.set(http::field::transfer_encoding, "chunked");
    }
    if (!keep) head.set(http::field::connection, "close");
    if (keep && version < kHttp11) head.set(http::field::connection, "keep-alive");
    std::ostringstream bytes;
    bytes << head;
    return std::move(bytes).str();
  }

  // Sends the answer as it comes. False where it did not get through.
  asio::awaitable<bool> send(Wire& wire, Strand strand, std::shared_ptr<Exchange> exchange, unsigned version,
                             bool& keep, bool head) {
    struct Completing {  // also when the server stops in the middle of it
      std::shared_ptr<Exchange> exchange;
      ~Completing() { exchange->complete(); }
    } const completing{exchange};
    wire.tcp().expires_never();
    if (!exchange->ended()) {
      const auto watch = std::make_shared<Watch>(wire.tcp().socket(), exchange, strand);
      watch->start();
      while (!exchange->begun() && !exchange->gone()) co_await exchange->news(std::chrono::hours(1));
      if (exchange->streams()) {
        const bool sent = co_await send_stream(wire, *exchange, version, keep, head);
        watch->stop();
        if (!sent) exchange->leave();
        co_return sent;
      }
      watch->stop();
      if (exchange->gone()) co_return false;
    }
    const std::string body = exchange->take_output();
    std::string bytes = head_of(*exchange, version, keep, body.size());
    if (!head) bytes += body;
    wire.tcp().expires_after(options_.write_timeout);
    co_return co_await wire.write(bytes);
  }

  asio::awaitable<bool> send_stream(Wire& wire, Exchange& exchange, unsigned version, bool& keep, bool head) {
    const bool chunks = version >= kHttp11;  // before, a stream ends with its connection
    keep = keep && chunks;
    wire.tcp().expires_after(options_.write_timeout);
    const std::string head_bytes = head_of(exchange, version, keep, std::nullopt);
    if (!co_await wire.write(head_bytes) || head) co_return false;
    for (;;) {
      wire.tcp().expires_never();
      const auto asked = Clock::now();
      co_await exchange.news(options_.keep_alive_every);
      if (exchange.gone()) co_return false;
      std::string piece = exchange.take_output();
      if (piece.empty() && !exchange.ended() && Clock::now() - asked >= options_.keep_alive_every) {
        piece = exchange.keep_alive();
      }
      const bool last = piece.empty() && exchange.ended();
      if (chunks && last) piece = "0\r\n\r\n";
      if (chunks && !last && !piece.empty()) piece = fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
      wire.tcp().expires_after(options_.write_timeout);
      if (!co_await wire.write(piece)) co_return false;
      if (last) co_return true;
    }
  }

  HttpServerOptions options_;
  HttpHandler handler_;
  std::atomic<size_t> n_connections_ = 0, n_writing_ = 0;
  std::atomic<bool> stopping_ = false;
  asio::io_context context_;  // goes before what its connections count in
  std::optional<asio::ssl::context> tls_;
  tcp::acceptor acceptor_;
  tcp::endpoint endpoint_;
  std::vector<std::thread> threads_;
};

HttpServer::HttpServer(HttpServerOptions options, HttpHandler handler)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(handler))) {}

HttpServer::~HttpServer() = default;

std::string HttpServer::address() const {
  return impl_->address();
}

size_t HttpServer::n_connections() const noexcept {
  return impl_->n_connections();
}

void HttpServer::start() {
  impl_->start();
}

void HttpServer::stop(std::chrono::milliseconds grace) {
  impl_->stop(grace);
}

}  // namespace nextn
