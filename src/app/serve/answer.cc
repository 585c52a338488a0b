#include "app/serve/answer.h"

#include <chrono>
#include <numeric>

#include "base/clock.h"

namespace nextn {

namespace {

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Everything of it but what one choice keeps for itself (Writer) lives on the connection's strand.
class Answer : public std::enable_shared_from_this<Answer> {
 public:
  Answer(Scheduler& scheduler, Metrics& metrics, std::shared_ptr<HttpExchange> exchange,
         const api::GenerationRequest& request, std::unique_ptr<api::Reply> reply, HttpHeaders headers,
         std::function<void(const AnswerEnd&)> on_end)
      : scheduler_(scheduler),
        metrics_(metrics),
        exchange_(std::move(exchange)),
        streams_(request.stream),
        reply_(std::move(reply)),
        headers_(std::move(headers)),
        on_end_(std::move(on_end)),
        n_left_(request.n_choices()) {}

  void start(const api::GenerationRequest& request) {
    std::vector<Request> requests;
    for (int i = 0; i < request.n_choices(); i++) requests.push_back(request_of(request, i));
    jobs_ = scheduler_.submit(std::move(requests));
    exchange_->on_gone([self = shared_from_this()] { self->leave(); });
    if (!streams_) return;
    exchange_->begin_stream("text/event-stream; charset=utf-8", std::string(api::kSseKeepAlive), headers_);
    exchange_->write(reply_->begin());
  }

 private:
  // Of one choice, on the engine's thread.
  struct Writer {
    std::vector<TokenEvent> tokens;
    bool begun = false;
    Clock::time_point last;
  };

  Request request_of(const api::GenerationRequest& asked, int choice) {
    Request r;
    r.prompt = asked.prompts[static_cast<size_t>(choice / asked.n)];
    r.params = asked.params;
    r.params.choice = static_cast<uint32_t>(choice % asked.n);
    const auto self = shared_from_this();
    const auto writer = std::make_shared<Writer>();
    r.params.on_token = [self, writer](TokenEvent&& token) {
      self->measure(*writer);
      writer->tokens.push_back(std::move(token));
    };
    r.params.on_text = [self, writer, choice](std::string_view text) {
      self->hand_over(choice, {std::string(text), std::exchange(writer->tokens, {})});
    };
    r.on_done = [self, writer, choice](Generation&& made) {
      if (!writer->tokens.empty()) self->hand_over(choice, {{}, std::exchange(writer->tokens, {})});
      self->metrics_.request_done(seconds_since(self->start_), made);
      self->exchange_->post(
          [self, choice, made = std::make_shared<Generation>(std::move(made))] { self->done(choice, *made); });
    };
    r.on_error = [self](const Error& error) {
      self->metrics_.request_failed();
      self->exchange_->post([self, error] { self->failed(error); });
    };
    return r;
  }

  void measure(Writer& writer) {
    const Clock::time_point now = Clock::now();
    if (writer.begun) {
      metrics_.next_token(std::chrono::duration<double>(now - writer.last).count());
    } else {
      metrics_.first_token(seconds_since(start_));
    }
    writer.begun = true;
    writer.last = now;
  }

  void hand_over(int choice, api::Piece piece) {
    const auto shared = std::make_shared<api::Piece>(std::move(piece));
    exchange_->post([self = shared_from_this(), choice, shared] { self->piece(choice, std::move(*shared)); });
  }

  // ---- on the strand

  void piece(int choice, api::Piece&& piece) {
    if (over_) return;
    if (end_.first_token_ms == 0) end_.first_token_ms = 1000 * seconds_since(start_);
    std::string events = reply_->piece(choice, std::move(piece));
    if (streams_ && !events.empty()) exchange_->write(std::move(events));
  }

  void done(int choice, const Generation& made) {
    if (over_) return;
    const GenerateStats& s = made.stats;
    end_.prompt_n += s.prompt_n;
    end_.cached_n += s.cached_n;
    end_.predicted_n += static_cast<int64_t>(made.tokens.size());
    end_.draft_n = std::accumulate(s.drafted.begin(), s.drafted.end(), end_.draft_n);
    end_.draft_n_accepted = std::accumulate(s.accepted.begin(), s.accepted.end(), end_.draft_n_accepted);
    if (made.end_reason == EndReason::kInterrupt) return fail_with(503, "the server is ending");
    std::string events = reply_->done(choice, made);
    if (--n_left_ == 0) {
      if (streams_) {
        exchange_->write(std::move(events) + reply_->end());
        exchange_->end_stream();
      } else {
        exchange_->respond(200, "application/json", reply_->body(), headers_);
      }
      finish();
    } else if (streams_ && !events.empty()) {
      exchange_->write(std::move(events));
    }
  }

  void failed(const Error& error) {
    if (!over_) fail_with(api::status_of(error.code()), error.what());
  }

  void fail_with(int status, std::string_view message) {
    end_.status = status;
    end_.error = message;
    if (streams_) {
      exchange_->write(reply_->error(status, message));
      exchange_->end_stream();
    } else {
      exchange_->respond(status, "application/json", api::to_text(reply_->error_body(status, message)), headers_);
    }
    cancel();
    finish();
  }

  void leave() {
    if (over_) return;
    end_.cancelled = true;
    cancel();
    finish();
  }

  void cancel() {
    for (const std::shared_ptr<Job>& job : jobs_) job->cancel();
  }

  void finish() {
    over_ = true;
    jobs_.clear();
    end_.ms = 1000 * seconds_since(start_);
    on_end_(end_);
  }

  const Clock::time_point start_ = Clock::now();
  Scheduler& scheduler_;
  Metrics& metrics_;
  std::shared_ptr<HttpExchange> exchange_;
  const bool streams_;
  std::unique_ptr<api::Reply> reply_;
  HttpHeaders headers_;
  std::function<void(const AnswerEnd&)> on_end_;
  int n_left_;
  bool over_ = false;
  std::vector<std::shared_ptr<Job>> jobs_;
  AnswerEnd end_;
};

}  // namespace

void start_answer(Scheduler& scheduler, Metrics& metrics, const std::shared_ptr<HttpExchange>& exchange,
                  const api::GenerationRequest& request, std::unique_ptr<api::Reply> reply, HttpHeaders headers,
                  std::function<void(const AnswerEnd&)> on_end) {
  std::make_shared<Answer>(scheduler, metrics, exchange, request, std::move(reply), std::move(headers),
                           std::move(on_end))
      ->start(request);
}

}  // namespace nextn
