// How often drafts have lately been right, by their position in the draft and by how sure the drafter was: discounted
// counts, so that a change of content is believed after a dozen drafts.
#pragma once

#include <array>
#include <vector>

#include "draft/drafter.h"

namespace nextn {

class Acceptance {
 public:
  // deeper: what a position is thought to have of the rate of the one before it, until it is seen.
  Acceptance(int max_draft, double deeper);

  // The chance that the draft at `position` (0: the first) is right, given that those before it are.
  double at(int position) const noexcept;
  // The same once its drafter's probability p is known (kUnknownP: it is not). Position and confidence are taken for
  // independent evidence:
  //   odds = odds(position) * odds(band of p) / odds(all)
  double at(int position, float p) const noexcept;

  // A draft, those before it right, was compared with what the trunk chose.
  void saw(int position, float p, bool right) noexcept;
  // A cycle went by: positions that no draft reaches any more slowly lose what they knew.
  void age() noexcept;

 private:
  struct Counts {
    double right = 0, seen = 0;

    void add(bool was_right, double keep) noexcept {
      right = right * keep + (was_right ? 1 : 0);
      seen = seen * keep + 1;
    }
    double rate(double prior = 0, double weight = 0) const noexcept {
      return (right + prior * weight) / (seen + weight);
    }
  };
  static constexpr int kBands = 6;

  const double deeper_;
  std::vector<Counts> positions_;
  std::array<Counts, kBands> bands_;
  Counts all_;
};

}  // namespace nextn
