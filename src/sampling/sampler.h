// Logits -> token. A sampler is a small value: parameters and the window of accepted tokens that the penalties look at.
// Choosing is a pure function of the row, the window, the absolute position and the seed; drafts never touch the state,
// and the rows of a verify step are examined in order, each accepted token being told before the next row. So the text
// is the same with any drafter or none.
//
// The order of a choice: logit bias, penalties, grammar mask, top-k, top-p, min-p (all at temperature 1), temperature,
// noise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sampling/sampler_params.h"

namespace nextn {

enum class SampleOutcome : uint8_t {
  kToken,     // `token` was chosen
  kNan,       // the logits hold a NaN
  kNoneLeft,  // every token is banned
};

struct Sample {
  int32_t token;  // -1 unless kToken
  SampleOutcome outcome;
};

// What whoever computed a row of logits may know of it: the largest logit of every `block` ids in turn (a multiple of
// 16), NaN where one of them is NaN. A choice that needs few of the logits then looks at few of them.
struct BlockMax {
  const float* max = nullptr;
  int64_t block = 0;
};

// The memory a choice needs, 12 bytes a token and a little more; one serves any number of samplers of one thread.
class SamplerScratch {
 public:
  explicit SamplerScratch(int32_t n_vocab);

  size_t size_bytes() const noexcept {
    return row_.size() * sizeof row_[0] + keys_.size() * sizeof keys_[0] + bins_.size() * sizeof bins_[0] +
           window_.size() * sizeof window_[0];
  }
  static size_t size_bytes(int32_t n_vocab) noexcept;  // of a scratch for n_vocab

 private:
  friend class Sampler;

  std::vector<float> row_;       // (V) logits after bias and penalties
  std::vector<uint64_t> keys_;   // (V) candidates
  std::vector<int64_t> bins_;    // mass by distance from the largest logit
  std::vector<int32_t> window_;  // the penalties' window, sorted
};

class Sampler {
 public:
  // `choice` tells the n answers to one request apart. Throws as check_sampler_params(kRequest) does.
  Sampler(const SamplerParams& params, int32_t n_vocab, uint32_t choice = 0);

  // The token for absolute position `position`, from a row of n_vocab logits, which stays as it is.
  //
  //   greedy    arg max of l                                              l: logits after bias and penalties
  //   else      arg max of (l - max l) / temp + gumbel(seed, position, id, choice) over what the truncations left
  //
  // Ties go to the lower id; -0.0 equals 0.0. At least one token is left by every truncation.
  // `known` tells of `logits`; the token is the same without.
  // `allowed`: bit id % 32 of word id / 32 says whether a token may be chosen (a grammar's mask); empty: every one may.
  Sample sample(const float* logits, int64_t position, SamplerScratch& scratch, BlockMax known = {},
                std::span<const uint32_t> allowed = {}) const noexcept;

  // Tells a token that is now part of the text; those of the prompt too.
  void accept(int32_t token) noexcept;

  // O(1) checkpoint: rewind(mark()) forgets what was accepted in between, kMaxRewind tokens at most.
  static constexpr int kMaxRewind = 256;
  struct Checkpoint {
    int64_t n_accepted;
  };
  Checkpoint mark() const noexcept { return {n_accepted_}; }
  void rewind(Checkpoint checkpoint) noexcept;

  const SamplerParams& params() const noexcept { return params_; }
  int32_t n_vocab() const noexcept { return n_vocab_; }
  uint32_t choice() const noexcept { return choice_; }

 private:
  bool adjusts() const noexcept;
  void adjust(float* row, SamplerScratch& scratch) const noexcept;
  Sample choose_of_top_k(const float* row, BlockMax known, float max, int64_t position,
                         SamplerScratch& scratch) const noexcept;
  Sample choose_of_all(const float* row, BlockMax known, float max, int64_t position,
                       SamplerScratch& scratch) const noexcept;
  uint64_t top_p_cut(const float* row, float max, float floor, SamplerScratch& scratch) const noexcept;

  SamplerParams params_;
  int32_t n_vocab_;
  uint32_t choice_;
  bool penalises_;
  double inv_temp_;               // 1 / temp
  double log_min_p_;              // -infinity when off
  std::vector<int32_t> history_;  // ring of the last accepted tokens; token number i sits at i % size
  int64_t n_accepted_ = 0;
};

// The arg max of n logits (ties to the lower index) and its softmax probability: how sure a draft is. {-1, 0} when
// there is a NaN or nothing but -infinity.
struct TopToken {
  int32_t id;
  float p;
};
TopToken top_probability(const float* logits, int64_t n) noexcept;

}  // namespace nextn
