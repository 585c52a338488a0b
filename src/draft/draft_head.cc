#include "draft/draft_head.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "draft/draft_filter.h"
#include "ops/matmul.h"

namespace nextn {

namespace {

constexpr int64_t kTilesOfOne = kSketchRows / kTileRows;  // of the head, in a tile of its sketch
constexpr int64_t kTilesOfWord = 32 / kTileRows;          // of a mask of tokens
constexpr uint32_t kTileBits = (1u << kTileRows) - 1;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Tiles that are computed exactly: one in so many, and a few where there are few (bench/LOG.md).
constexpr int64_t kCandidateShare = 64, kMinCandidates = 32;
// A head that is read in less than about half a millisecond is not worth a first look.
constexpr size_t kWorthCutting = 8u << 20;
// Drafts lost before auto believes that they are too many.
constexpr int64_t kEvidence = 8;

int64_t n_candidates(const Weight& head) {
  return std::min(head.n_tiles(), std::max(kMinCandidates, head.n_tiles() / kCandidateShare));
}

bool cuts(const Weight& head, int64_t vocab) {
  if (vocab == kDraftVocabFull || !ops::Sketch::sketchable(head)) return false;
  return vocab != kDraftVocabAuto || head.tiles_bytes() >= kWorthCutting;
}

int64_t first_tiles(const Weight& head, int64_t vocab) {
  if (vocab == kDraftVocabAuto) return head.n_tiles();
  return std::min(head.n_tiles(), (vocab + kSketchRows - 1) / kSketchRows * kTilesOfOne);
}

}  // namespace

void largest(std::span<const float> values, int64_t n, int32_t* indices) noexcept {
  constexpr int kBins = 2048;
  float low = kInfinity, high = -kInfinity;
  for (const float v : values) {
    low = v < low && v > -kInfinity ? v : low;
    high = v > high ? v : high;
  }
  const float scale = high > low ? (kBins - 1) / (high - low) : 0;
  const auto bin_of = [=](float v) { return v > low ? static_cast<int>((v - low) * scale) : 0; };
  int32_t count[kBins] = {};
  for (const float v : values) count[bin_of(v)]++;
  int border = kBins - 1;
  int64_t room = n;  // for values of the border's bin, in the end
  while (room >= count[border] && border > 0) room -= count[border--];
  for (int32_t i = 0; i < static_cast<int32_t>(values.size()); i++) {
    const int bin = bin_of(values[static_cast<size_t>(i)]);
    if (bin > border || (bin == border && room-- > 0)) *indices++ = i;
  }
}

DraftHead::DraftHead(const Weight& head, int64_t vocab, int max_rows, uint64_t step_bytes)
    : head_(head),
      automatic_(vocab == kDraftVocabAuto),
      cut_(cuts(head, vocab)),
      n_first_tiles_(first_tiles(head, vocab)),
      step_bytes_(step_bytes),
      logits_(1, head.n_tiles() * kTileRows) {
  if (!cut_) return;
  sketch_ = ops::Sketch(head, max_rows);
  estimates_.assign(static_cast<size_t>(max_rows * sketch_.n_estimates()), -kInfinity);
  finite_ = std::make_unique<bool[]>(static_cast<size_t>(max_rows));
  in_text_.resize(static_cast<size_t>(sketch_.n_estimates() / kTilesOfOne));
  text_.reserve(in_text_.size());
  candidates_.resize(static_cast<size_t>(n_candidates(head)));
  const size_t read = static_cast<size_t>(n_first_tiles_ * kTileRows * head.k / 8) +
                      candidates_.size() * tile_bytes(head.format, head.k);
  saved_bytes_ = head.tiles_bytes() - std::min(head.tiles_bytes(), read);
}

void DraftHead::sketch(Ctx& ctx) noexcept {
  if (cut_) sketch_.draw(ctx, head_);
}

size_t DraftHead::size_bytes(const Weight& head, int64_t vocab, int max_rows) noexcept {
  const size_t tiles = static_cast<size_t>(head.n_tiles()), logits = tiles * kTileRows * sizeof(float);
  if (!cuts(head, vocab)) return logits;
  const size_t sketch_tiles = (tiles + kTilesOfOne - 1) / kTilesOfOne, rows = static_cast<size_t>(max_rows);
  return logits + ops::Sketch::size_bytes(head, max_rows) + sketch_tiles * (sizeof(int32_t) + 1) +
         rows * (sketch_tiles * kTilesOfOne * sizeof(float) + sizeof(bool)) +
         static_cast<size_t>(n_candidates(head)) * sizeof(int32_t);
}

void DraftHead::best(Ctx& ctx, const TensorView& hidden, std::span<const Query> queries, TopToken* top) noexcept {
  if (cut_) sketch_.first_look(ctx, estimates_.data(), hidden, n_first_tiles_, text_, finite_.get());
  for (int64_t r = 0; r < hidden.rows; r++) {
    const TensorView row = hidden.rows_from(r, 1);
    const Query& query = queries[static_cast<size_t>(r)];
    if (!cut_) {
      const TensorView logits(logits_.rows(1).data, 1, head_.n_out);
      ops::matmul(ctx, row, {{logits, head_}});
      if (!query.allowed.empty()) keep_allowed(logits.data, 0, logits.cols, query.allowed);
      top[r] = top_probability(logits.data, logits.cols);
    } else if (finite_[static_cast<size_t>(r)]) {
      top[r] = best_of_candidates(ctx, row, estimates_.data() + r * sketch_.n_estimates(), query);
    } else {
      top[r] = {-1, 0};
    }
  }
}

TopToken DraftHead::best_of_candidates(Ctx& ctx, const TensorView& hidden, float* estimates,
                                       const Query& query) noexcept {
  const std::span<const uint32_t> allowed = query.allowed;
  size_t n = candidates_.size(), n_allowed = n + 1;
  if (!allowed.empty()) {
    n_allowed = 0;
    for (int64_t t = 0; t < head_.n_tiles(); t++) {
      const uint32_t word = allowed[static_cast<size_t>(t / kTilesOfWord)];
      if (!(word >> (t % kTilesOfWord * kTileRows) & kTileBits)) {
        estimates[t] = -kInfinity;
      } else if (n_allowed++ < n) {
        candidates_[n_allowed - 1] = static_cast<int32_t>(t);
      }
    }
  }
  if (n_allowed == 0) return {-1, 0};
  if (n_allowed > n)
    largest({estimates, static_cast<size_t>(head_.n_tiles())}, std::ssize(candidates_), candidates_.data());
  n = std::min(n, n_allowed);
  float* const logits = logits_.rows(1).data;
  ops::matmul_tiles(ctx, logits, hidden, head_, std::span(candidates_).first(n));
  for (size_t c = 0; c < n && !allowed.empty(); c++)
    keep_allowed(logits + c * kTileRows, int64_t{candidates_[c]} * kTileRows, kTileRows, allowed);
  const TopToken top = top_probability(logits, static_cast<int64_t>(n) * kTileRows);
  if (top.id < 0) return top;
  const int32_t token = candidates_[static_cast<size_t>(top.id / kTileRows)] * kTileRows + top.id % kTileRows;
  if (query.number >= static_cast<int>(query.trace->drafts_.size())) return {token, top.p};
  query.trace->drafts_[static_cast<size_t>(query.number)] = {token, logits[top.id]};
  std::memcpy(query.trace->hidden_.rows(query.number + 1).row(query.number), hidden.data,
              static_cast<size_t>(head_.k) * sizeof(float));
  return {token, top.p};
}

void DraftHead::saw(Ctx& ctx, DraftTrace& trace, int i, int32_t token) noexcept {
  if (!cut_ || i >= static_cast<int>(trace.drafts_.size())) return;
  n_compared_++;
  const DraftTrace::Kept& draft = trace.drafts_[static_cast<size_t>(i)];
  if (token == draft.token) return;
  const int32_t tile = token / kTileRows;
  float* const logits = logits_.rows(1).data;
  ops::matmul_tiles(ctx, logits, trace.hidden_.rows(i + 1).rows_from(i, 1), head_, {&tile, 1});
  const float logit = logits[token % kTileRows];
  n_lost_ += logit > draft.logit || (logit == draft.logit && token < draft.token);
  // A draft that is accepted saves about a step without drafts.
  if (automatic_ && n_lost_ >= kEvidence &&
      static_cast<double>(n_lost_) * static_cast<double>(step_bytes_) >
          static_cast<double>(n_compared_) * static_cast<double>(saved_bytes_)) {
    cut_ = false;
  }
}

void DraftHead::begin_text(const void* drafter) noexcept {
  text_of_ = drafter;
  for (const int32_t tile : text_) {
    in_text_[static_cast<size_t>(tile)] = 0;
    std::fill_n(estimates_.begin() + kTilesOfOne * tile, kTilesOfOne, -kInfinity);
  }
  text_.clear();
}

void DraftHead::add_text(std::span<const int32_t> tokens) noexcept {
  if (!needs_text()) return;
  for (const int32_t token : tokens) {
    const int32_t tile = token / kSketchRows;
    uint8_t& known = in_text_[static_cast<size_t>(tile)];
    if (known || kTilesOfOne * tile < n_first_tiles_) continue;
    known = 1;
    text_.push_back(tile);
  }
}

}  // namespace nextn
