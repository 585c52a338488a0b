// Every truncation keeps a prefix of one total order: larger logit first, lower id first among equals. A token's place
// in it is a 64-bit key, so a truncation is a smallest key that stays, several are the largest of those, and nothing
// has to be sorted but the few candidates around a border. Probabilities are added as integers (units of 2^-40), which
// makes a sum the same in any order.
#include "sampling/sampler.h"

#include <algorithm>
#include <cfloat>
#include <cstring>
#include <limits>
#include <utility>

#include "base/fmath.h"
#include "base/fp16.h"
#include "sampling/philox.h"

namespace nextn {

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr int kBlock = 16;   // lanes of a pass over the vocabulary
constexpr int kBins = 1024;  // of 1/32 nat each; beyond the last a mass rounds to 0
constexpr float kBinsPerNat = 32;

uint64_t key_of(float logit, int64_t id) noexcept {
  const uint32_t bits = bits_of_float(logit + 0.0f);  // -0.0 becomes 0.0
  const uint32_t ordered = bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
  return uint64_t{ordered} << 32 | (0xffffffffu - static_cast<uint32_t>(id));
}

float logit_of(uint64_t key) noexcept {
  const uint32_t ordered = static_cast<uint32_t>(key >> 32);
  return float_from_bits(ordered ^ (ordered >> 31 ? 0x80000000u : 0xffffffffu));
}

int32_t id_of(uint64_t key) noexcept {
  return static_cast<int32_t>(0xffffffffu - static_cast<uint32_t>(key));
}

// exp(difference) in units of 2^-40, for difference <= 0: at 4096 a double's last bit is worth just that.
int64_t mass_of(float difference) noexcept {
  const double shifted = 4096.0 + static_cast<double>(exp_f32(difference)), origin = 4096.0;
  int64_t a, b;
  std::memcpy(&a, &shifted, sizeof a);
  std::memcpy(&b, &origin, sizeof b);
  return a - b;
}

struct Scan {
  float max;  // -infinity for an empty row; meaningless when has_nan
  bool has_nan;
};

Scan scan(const float* x, int64_t n) noexcept {
  float max[kBlock];
  uint32_t nan[kBlock] = {};  // the sign bit tells
  for (float& m : max) m = -kInf;
  const auto look = [&](int j, float v) {
    max[j] = v > max[j] ? v : max[j];
    nan[j] |= 0x7f800000u - (bits_of_float(v) & 0x7fffffffu);
  };
  int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    for (int j = 0; j < kBlock; j++) look(j, x[i + j]);
  }
  for (int j = 0; i < n; i++, j++) look(j, x[i]);
  Scan s = {max[0], nan[0] >> 31 != 0};
  for (int j = 1; j < kBlock; j++) {
    s.max = max[j] > s.max ? max[j] : s.max;
    s.has_nan |= nan[j] >> 31 != 0;
  }
  return s;
}

// Whether one of kBlock logits is at least / more than `floor`.
bool any_at_least(const float* x, float floor) noexcept {
  int32_t any = 0;
  for (int j = 0; j < kBlock; j++) any |= x[j] >= floor;
  return any != 0;
}
bool any_above(const float* x, float floor) noexcept {
  int32_t any = 0;
  for (int j = 0; j < kBlock; j++) any |= x[j] > floor;
  return any != 0;
}

int64_t first_equal(const float* x, BlockMax known, int64_t n, float value) noexcept {
  int64_t i = 0;
  if (known.max != nullptr) {
    while (known.max[i] != value) i++;
    i *= known.block;
  }
  while (i + kBlock <= n && !any_at_least(x + i, value)) i += kBlock;
  while (i < n && x[i] != value) i++;
  return i;
}

int64_t total_mass(const float* x, int64_t n, float max) noexcept {
  int64_t total = 0;
  for (int64_t i = 0; i < n; i++) total += mass_of(x[i] - max);
  return total;
}

// The best of the candidates told so far: largest score, lower id among equals.
class Choice {
 public:
  Choice(float max, double inv_temp, uint64_t seed, int64_t position, uint32_t choice) noexcept
      : max_(max), inv_temp_(inv_temp), seed_(seed), position_(position), choice_(choice) {}

  PhiloxBlock block(int64_t group) const noexcept {
    return noise_block(seed_, position_, static_cast<uint32_t>(group), choice_);
  }

  // `word` is the token's word of its group's block.
  //
  // To beat the best, noise must exceed lead = best - z. Gumbel noise does so with u > exp(-exp(-lead)), hence
  // 1 - u < exp(-lead), and 1 - u is at least 2^(b-33) when the complement of the word has b bits. So
  // lead >= (33 - b) ln 2 settles most tokens without a logarithm; the little extra is for rounding.
  void offer(float logit, int32_t id, uint32_t word) noexcept {
    const double z = (static_cast<double>(logit) - max_) * inv_temp_;
    const int bits = word == 0xffffffffu ? 0 : 32 - __builtin_clz(~word);
    if (best_ - z > (33 - bits) * 0.6931471805599453 + 1e-6) return;
    const double score = z + gumbel_of(word);
    if (score > best_ || (score == best_ && id < id_)) {
      best_ = score;
      id_ = id;
    }
  }
  void offer(float logit, int32_t id) noexcept { offer(logit, id, block(id / 4)[id % 4]); }

  Sample sample() const noexcept { return {id_, SampleOutcome::kToken}; }

 private:
  double max_, inv_temp_;
  uint64_t seed_;
  int64_t position_;
  uint32_t choice_;
  double best_ = -std::numeric_limits<double>::infinity();
  int32_t id_ = -1;
};

// All but the allowed tokens, where any are told.
void ban(float* row, int32_t n_vocab, std::span<const uint32_t> allowed) noexcept {
  for (size_t w = 0; w < allowed.size(); w++) {
    if (allowed[w] == ~0u) continue;
    const int32_t first = static_cast<int32_t>(32 * w), n = std::min(32, n_vocab - first);
    for (int32_t b = 0; b < n; b++) row[first + b] = (allowed[w] >> b & 1) != 0 ? row[first + b] : -kInf;
  }
}

}  // namespace

SamplerScratch::SamplerScratch(int32_t n_vocab)
    : row_(n_vocab), keys_(n_vocab), bins_(kBins), window_(kMaxPenaltyWindow) {}

size_t SamplerScratch::size_bytes(int32_t n_vocab) noexcept {
  const size_t n = static_cast<size_t>(n_vocab);
  return n * (sizeof(float) + sizeof(uint64_t)) + kBins * sizeof(int64_t) + kMaxPenaltyWindow * sizeof(int32_t);
}

Sampler::Sampler(const SamplerParams& params, int32_t n_vocab, uint32_t choice)
    : params_(params),
      n_vocab_(n_vocab),
      choice_(choice),
      penalises_(params.penalty_last_n > 0 &&
                 (params.repeat_penalty != 1 || params.frequency_penalty != 0 || params.presence_penalty != 0)),
      inv_temp_(params.temp > 0 ? 1 / static_cast<double>(params.temp) : 0),
      log_min_p_(log_f64(params.min_p)) {
  NEXTN_CHECK(n_vocab > 0 && n_vocab < (1 << 23));  // more masses than that could overflow a sum
  check_sampler_params(params, n_vocab, ErrorCode::kRequest);
  history_.resize(penalises_ ? params.penalty_last_n + kMaxRewind : 0);
}

void Sampler::accept(int32_t token) noexcept {
  NEXTN_CHECK(token >= 0 && token < n_vocab_);
  if (penalises_) history_[n_accepted_ % static_cast<int64_t>(history_.size())] = token;
  n_accepted_++;
}

void Sampler::rewind(Checkpoint checkpoint) noexcept {
  NEXTN_CHECK(checkpoint.n_accepted <= n_accepted_ && checkpoint.n_accepted >= n_accepted_ - kMaxRewind);
  n_accepted_ = checkpoint.n_accepted;
}

bool Sampler::adjusts() const noexcept {
  return !params_.logit_bias.empty() || (penalises_ && n_accepted_ > 0);
}

void Sampler::adjust(float* row, SamplerScratch& scratch) const noexcept {
  for (const auto& [token, bias] : params_.logit_bias) {
    row[token] = bias == kInf || bias == -kInf ? bias : row[token] + bias;  // set, because infinity - infinity is a NaN
  }
  if (!penalises_) return;
  const int64_t n = std::min<int64_t>(n_accepted_, params_.penalty_last_n);
  int32_t* window = scratch.window_.data();
  for (int64_t i = 0; i < n; i++) {
    window[i] = history_[(n_accepted_ - n + i) % static_cast<int64_t>(history_.size())];
  }
  std::sort(window, window + n);
  for (int64_t i = 0, end; i < n; i = end) {
    end = i;
    while (end < n && window[end] == window[i]) end++;
    float& logit = row[window[i]];
    logit = logit <= 0 ? logit * params_.repeat_penalty : logit / params_.repeat_penalty;
    logit -= static_cast<float>(end - i) * params_.frequency_penalty + params_.presence_penalty;
  }
}

Sample Sampler::sample(const float* logits, int64_t position, SamplerScratch& scratch, BlockMax known,
                       std::span<const uint32_t> allowed) const noexcept {
  NEXTN_CHECK(static_cast<int32_t>(scratch.row_.size()) >= n_vocab_);
  const auto scan_all = [&](const float* x) {
    return known.max != nullptr ? scan(known.max, (n_vocab_ + known.block - 1) / known.block) : scan(x, n_vocab_);
  };
  Scan s = scan_all(logits);
  if (s.has_nan) return {-1, SampleOutcome::kNan};
  const float* row = logits;
  if (adjusts() || !allowed.empty()) {
    std::memcpy(scratch.row_.data(), logits, sizeof(float) * n_vocab_);
    adjust(scratch.row_.data(), scratch);
    ban(scratch.row_.data(), n_vocab_, allowed);
    row = scratch.row_.data();
    known = {};
    s = scan_all(row);
  }
  if (s.max == -kInf) return {-1, SampleOutcome::kNoneLeft};
  if (params_.temp <= 0 || s.max == kInf) {  // infinity: forced by a bias, no noise reaches it
    return {static_cast<int32_t>(first_equal(row, known, n_vocab_, s.max)), SampleOutcome::kToken};
  }
  const bool has_top_k = params_.top_k > 0 && params_.top_k < n_vocab_;
  return has_top_k ? choose_of_top_k(row, known, s.max, position, scratch)
                   : choose_of_all(row, known, s.max, position, scratch);
}

Sample Sampler::choose_of_top_k(const float* row, BlockMax known, float max, int64_t position,
                                SamplerScratch& scratch) const noexcept {
  // Candidates gather until there is no room, then shrink to the best k; from then on a newcomer must be above the
  // least of those (an equal one has a higher id and stands behind it).
  const int64_t n = n_vocab_, k = params_.top_k;
  const int64_t room = std::min(n, 2 * k + 64);
  uint64_t* keys = scratch.keys_.data();
  int64_t count = 0;
  float floor = -kInf;
  const auto gather = [&](int64_t i) {
    if (!(row[i] > floor)) return;
    if (count == room) {
      std::nth_element(keys, keys + k - 1, keys + count, std::greater<>());
      count = k;
      floor = logit_of(keys[k - 1]);
      if (!(row[i] > floor)) return;
    }
    keys[count++] = key_of(row[i], i);
  };
  const int64_t block = known.max != nullptr ? known.block : n;
  for (int64_t first = 0; first < n; first += block) {
    if (known.max != nullptr && !(known.max[first / block] > floor)) continue;
    const int64_t end = std::min(n, first + block);
    int64_t i = first;
    for (; i + kBlock <= end; i += kBlock) {
      if (!any_above(row + i, floor)) continue;
      for (int j = 0; j < kBlock; j++) gather(i + j);
    }
    for (; i < end; i++) gather(i);
  }
  if (count > k) {
    std::nth_element(keys, keys + k - 1, keys + count, std::greater<>());
    count = k;
  }

  if (params_.top_p < 1) {
    std::sort(keys, keys + count, std::greater<>());
    int64_t total = 0;
    for (int64_t c = 0; c < count; c++) total += mass_of(logit_of(keys[c]) - max);
    const int64_t wanted = static_cast<int64_t>(static_cast<double>(params_.top_p) * static_cast<double>(total));
    int64_t sum = 0, kept = 0;
    do {
      sum += mass_of(logit_of(keys[kept++]) - max);
    } while (kept < count && sum < wanted);
    count = kept;
  }
  const float least = static_cast<float>(static_cast<double>(max) + log_min_p_);
  Choice best(max, inv_temp_, params_.seed, position, choice_);
  for (int64_t c = 0; c < count; c++) {
    const float logit = logit_of(keys[c]);
    if (logit >= least) best.offer(logit, id_of(keys[c]));
  }
  return best.sample();
}

Sample Sampler::choose_of_all(const float* row, BlockMax known, float max, int64_t position,
                              SamplerScratch& scratch) const noexcept {
  const int64_t n = n_vocab_;
  const float least = std::max(-FLT_MAX, static_cast<float>(static_cast<double>(max) + log_min_p_));
  const uint64_t cut = params_.top_p < 1 ? top_p_cut(row, max, least, scratch) : key_of(least, 0xffffffff);
  const float floor = logit_of(cut);
  Choice best(max, inv_temp_, params_.seed, position, choice_);
  for (int64_t i = 0; i < n; i += 4) {
    if (known.max != nullptr && i % known.block == 0) {
      while (i < n && known.max[i / known.block] < floor) i += known.block;
      if (i >= n) break;
    }
    if (i % kBlock == 0) {
      while (i + kBlock <= n && !any_at_least(row + i, floor)) i += kBlock;
    }
    const int64_t end = std::min(n, i + 4);
    bool any = false;
    for (int64_t t = i; t < end; t++) any |= row[t] >= floor;
    if (!any) continue;
    const PhiloxBlock words = best.block(i / 4);
    for (int64_t t = i; t < end; t++) {
      if (row[t] >= floor && key_of(row[t], t) >= cut) best.offer(row[t], static_cast<int32_t>(t), words[t - i]);
    }
  }
  return best.sample();
}

// The smallest key that both top-p over the whole row and `floor`, the least logit that min-p leaves, let stay. The
// mass is put in bins by distance from the top; only the bin where the sum is reached is sorted.
uint64_t Sampler::top_p_cut(const float* row, float max, float floor, SamplerScratch& scratch) const noexcept {
  const int64_t n = n_vocab_;
  const double total = static_cast<double>(total_mass(row, n, max));
  const int64_t wanted = static_cast<int64_t>(static_cast<double>(params_.top_p) * total);
  int64_t* bins = scratch.bins_.data();
  std::fill(bins, bins + kBins, 0);
  floor = std::max(floor, max - kBins / kBinsPerNat);
  const auto for_each_candidate = [&](auto&& visit) {  // visit(logit, id, bin)
    const auto one = [&](int64_t i) {
      const float place = (max - row[i]) * kBinsPerNat;
      if (row[i] >= floor && place < kBins) visit(row[i], i, static_cast<int>(place));
    };
    int64_t i = 0;
    for (; i + kBlock <= n; i += kBlock) {
      if (!any_at_least(row + i, floor)) continue;
      for (int j = 0; j < kBlock; j++) one(i + j);
    }
    for (; i < n; i++) one(i);
  };
  for_each_candidate([&](float logit, int64_t, int bin) { bins[bin] += mass_of(logit - max); });

  int64_t sum = 0;
  int border = 0;
  while (border < kBins && sum + bins[border] < wanted) sum += bins[border++];
  if (border == kBins) return key_of(floor, 0xffffffff);

  uint64_t* keys = scratch.keys_.data();
  int64_t count = 0;
  for_each_candidate([&](float logit, int64_t id, int bin) {
    if (bin == border) keys[count++] = key_of(logit, id);
  });
  std::sort(keys, keys + count, std::greater<>());
  int64_t kept = 0;
  do {
    sum += mass_of(logit_of(keys[kept++]) - max);
  } while (kept < count && sum < wanted);
  return keys[kept - 1];
}

TopToken top_probability(const float* logits, int64_t n) noexcept {
  const Scan s = scan(logits, n);
  if (s.has_nan || s.max == -kInf) return {-1, 0};
  const int32_t id = static_cast<int32_t>(first_equal(logits, {}, n, s.max));
  if (s.max == kInf) return {id, 1};
  return {id, static_cast<float>(0x1p40 / static_cast<double>(total_mass(logits, n, s.max)))};
}

}  // namespace nextn
