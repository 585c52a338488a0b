#include "engine/wiring.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "engine/bench_prompts.h"
#include "engine/session.h"

namespace nextn {

namespace {

constexpr int64_t kPrompt = 64, kWritten = 192, kLeastWritten = 32, kSecondDrafts = 96;
constexpr int64_t kBefore = 2;  // rows of zeros for the positions before the text
constexpr double kChance = 3;   // standard deviations

using Agreement = std::vector<bool>;  // by position: whether the head chose what the trunk chose

// Whether b agrees more often than a, beyond chance: of the positions where they differ.
bool better(const Agreement& a, const Agreement& b) {
  int only_a = 0, only_b = 0;
  for (size_t i = 0; i < a.size(); i++) {
    only_a += a[i] && !b[i];
    only_b += b[i] && !a[i];
  }
  return only_b - only_a > kChance * std::sqrt(only_a + only_b);
}

double share(const Agreement& a) {
  return static_cast<double>(std::ranges::count(a, true)) / static_cast<double>(std::max<size_t>(a.size(), 1));
}

class Meter {
 public:
  explicit Meter(Engine& engine) : engine_(engine), model_(engine.model()), D_(model_.info().n_embd) {
    write_text();
    after_ = Buffer(kBefore + length(), D_);
    before_ = Buffer(kBefore + length(), D_);
    run_trunk();
  }

  int64_t n_compared() const noexcept { return length() - n_prompt_; }

  Agreement first_drafts(const HeadWiring& w) {
    Buffer& hidden = w.before_norm ? before_ : after_;
    HeadState head = make_head();
    engine_.ctx().fault = w.hidden_first ? Fault::kPair : Fault::kNone;
    std::vector<int32_t> choice, tokens(static_cast<size_t>(-w.token), text_.front());
    tokens.insert(tokens.end(), text_.begin(), text_.end());
    const int64_t at_once = engine_.options().row_limit;
    for (int64_t at = 0; at < length(); at += at_once) {
      const int n = static_cast<int>(std::min(at_once, length() - at));
      const HeadRows rows = {&head, tokens.data() + at, row_of(hidden, at + w.hidden), at, n};
      add_choices(model_.head_forward(engine_.ctx(), {&rows, 1}, HeadOutput::kAll), true, choice);
    }
    engine_.ctx().fault = Fault::kNone;
    Agreement agreement;
    for (int64_t p = n_prompt_; p < length(); p++) agreement.push_back(agrees(p, choice[static_cast<size_t>(p)]));
    return agreement;
  }

  // After every position's pair, one more row as a draft makes it: the text's next token, and what the head gave.
  Agreement second_drafts(bool before_norm) {
    HeadState head = make_head();
    std::vector<float> fed(static_cast<size_t>(D_));
    Agreement agreement;
    for (int64_t p = 0; p + 1 < std::min(length(), n_prompt_ + kSecondDrafts); p++) {
      const HeadRows pair = {&head, text_.data() + p, row_of(after_, p - 1), p, 1};
      const TensorView hidden = model_.head_forward(engine_.ctx(), {&pair, 1}, HeadOutput::kLast);
      std::memcpy(fed.data(), before_norm ? model_.residual(1).data : hidden.data, fed.size() * sizeof(float));
      if (p + 1 < n_prompt_) continue;
      const HeadRows next = {&head, text_.data() + p + 1, fed.data(), p + 1, 1};
      std::vector<int32_t> choice;
      add_choices(model_.head_forward(engine_.ctx(), {&next, 1}, HeadOutput::kLast), true, choice);
      agreement.push_back(agrees(p + 1, choice.front()));
    }
    return agreement;
  }

 private:
  // The beginning of a prompt and what the model makes of it, not at its likeliest, which would soon go round in
  // circles.
  void write_text() {
    const int64_t n_ctx = engine_.options().n_ctx;
    if (n_ctx < 2 * kLeastWritten) {
      fail(ErrorCode::kUsage, "-c: expected a context of at least {} tokens for --wiring, found {}", 2 * kLeastWritten,
           n_ctx);
    }
    text_ = engine_.tokenizer().encode(bench_prompts().front().text, true, false);
    n_prompt_ = std::min({static_cast<int64_t>(text_.size()), kPrompt, n_ctx / 2});
    text_.resize(static_cast<size_t>(n_prompt_));
    GenerateParams params;
    params.sampling.temp = 0.7f;
    params.sampling.seed = 1;
    params.n_predict = std::min(kWritten, n_ctx - n_prompt_);
    params.ignore_eos = true;
    params.draft_max = 1;
    Session session(engine_);
    const std::vector<int32_t> written = session.generate(text_, params).tokens;
    text_.insert(text_.end(), written.begin(), written.end());
  }
  int64_t length() const noexcept { return static_cast<int64_t>(text_.size()); }

  HeadState make_head() const {
    return HeadState(engine_.state_shape(), engine_.options().head_k_type, engine_.options().head_v_type, 1);
  }
  // Of position p; zeros before the text.
  float* row_of(Buffer& hidden, int64_t p) const noexcept { return hidden.rows(kBefore + length()).row(kBefore + p); }
  bool agrees(int64_t p, int32_t choice) const noexcept {
    return choice >= 0 && choice == trunk_[static_cast<size_t>(p)];
  }

  void run_trunk() {
    SequenceState state(engine_.state_shape());
    const int64_t at_once = engine_.options().row_limit;
    for (int64_t at = 0; at < length(); at += at_once) {
      const int n = static_cast<int>(std::min(at_once, length() - at));
      const SequenceRows rows = {&state, text_.data() + at, n, 0};
      const TensorView hidden = model_.forward(engine_.ctx(), {&rows, 1});
      const size_t bytes = static_cast<size_t>(n * D_) * sizeof(float);
      std::memcpy(row_of(after_, at), hidden.data, bytes);
      std::memcpy(row_of(before_, at), model_.residual(n).data, bytes);
      add_choices(hidden, false, trunk_);
    }
  }

  // The likeliest token of every row, as many rows at a time as the engine has room for.
  void add_choices(const TensorView& hidden, bool of_head, std::vector<int32_t>& choices) {
    const int64_t at_once = 1 + engine_.options().max_draft;
    for (int64_t r = 0; r < hidden.rows; r += at_once) {
      const TensorView rows = hidden.rows_from(r, std::min(at_once, hidden.rows - r)),
                       logits = engine_.logits(rows.rows);
      of_head ? model_.head_logits(engine_.ctx(), logits, rows) : model_.logits(engine_.ctx(), logits, rows);
      for (int64_t i = 0; i < rows.rows; i++) {
        choices.push_back(static_cast<int32_t>(engine_.ctx().kernels.argmax(logits.row(i), logits.cols)));
      }
    }
  }

  Engine& engine_;
  Model& model_;
  int64_t D_;
  std::vector<int32_t> text_;
  int64_t n_prompt_ = 0;        // of its tokens, which the model has not written
  Buffer after_, before_;       // row kBefore + p: the hidden state of position p, after and before the norm
  std::vector<int32_t> trunk_;  // its choices by position
};

}  // namespace

std::string HeadWiring::describe() const {
  const std::string embedding = "embedding of p" + (token == 0 ? "" : fmt::format("{:+}", token)),
                    state = fmt::format("hidden of p{:+}", hidden);
  return fmt::format("[{}, {}], {} the output norm", hidden_first ? state : embedding, hidden_first ? embedding : state,
                     before_norm ? "before" : "after");
}

WiringReport check_wiring(Engine& engine, const std::function<void(const WiringReport::Row&)>& on_row) {
  NEXTN_CHECK(engine.model().info().has_head);
  Meter meter(engine);
  WiringReport report;
  report.n_positions = static_cast<int>(meter.n_compared());
  double best = -1;
  const auto add = [&](std::vector<WiringReport::Row>& rows, std::string wiring, const Agreement& built,
                       const Agreement& found) {
    rows.push_back({std::move(wiring), share(found)});
    if (on_row) on_row(rows.back());
    if (rows.back().agreement <= best || !better(built, found)) return;
    best = rows.back().agreement;
    report.better = rows.back().wiring;
  };

  // A later hidden state is no choice: that of p gives away what the trunk chose.
  const Agreement built = meter.first_drafts({});
  for (const bool hidden_first : {false, true}) {
    for (const bool before_norm : {false, true}) {
      for (const auto& [token, hidden] : {std::pair{0, -1}, {0, -2}, {-1, -1}}) {
        const HeadWiring w = {hidden_first, before_norm, token, hidden};
        const bool is_built = report.first_drafts.empty();
        add(report.first_drafts, w.describe(), built, is_built ? built : meter.first_drafts(w));
      }
    }
  }
  const Agreement fed = meter.second_drafts(false);
  add(report.second_drafts, "second draft from the head's state after its norm", fed, fed);
  add(report.second_drafts, "second draft from the head's state before its norm", fed, meter.second_drafts(true));
  return report;
}

}  // namespace nextn
