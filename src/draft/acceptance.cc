#include "draft/acceptance.h"

#include <algorithm>

namespace nextn {

namespace {

constexpr double kPrior = 0.7;          // of a first draft that nothing is known about:
constexpr double kPriorWeight = 2;      // as if so many had been seen, forgotten as real ones are
constexpr double kDeeperWeight = 4;     // of the position before, in what is thought of a deeper one
constexpr double kPositionKeep = 0.94;  // about the last 16 drafts
constexpr double kBandKeep = 0.98;      // about the last 50
constexpr double kBandWeight = 6;       //
constexpr double kAge = 0.995;
constexpr double kCertain = 0.002;  // no rate is nearer than this to 0 or 1
constexpr float kBandEdges[] = {0.2f, 0.4f, 0.6f, 0.8f, 0.95f};

double odds(double rate) {
  rate = std::clamp(rate, kCertain, 1 - kCertain);
  return rate / (1 - rate);
}

int band_of(float p) {
  int band = 0;
  for (const float edge : kBandEdges) band += p >= edge;
  return band;
}

}  // namespace

Acceptance::Acceptance(int max_draft, double deeper) : deeper_(deeper), positions_(static_cast<size_t>(max_draft)) {
  if (max_draft > 0) positions_[0] = {kPrior * kPriorWeight, kPriorWeight};
  all_ = {kPrior * kPriorWeight, kPriorWeight};
}

double Acceptance::at(int position) const noexcept {
  double rate = positions_[0].rate();
  for (int i = 1; i <= position; i++) {
    rate = positions_[static_cast<size_t>(i)].rate(deeper_ * rate, kDeeperWeight);
  }
  return rate;
}

double Acceptance::at(int position, float p) const noexcept {
  if (p < 0) return at(position);
  const double all = all_.rate();
  const double band = bands_[static_cast<size_t>(band_of(p))].rate(all, kBandWeight);
  const double o = odds(at(position)) * odds(band) / odds(all);
  return o / (1 + o);
}

void Acceptance::saw(int position, float p, bool right) noexcept {
  positions_[static_cast<size_t>(position)].add(right, kPositionKeep);
  if (p < 0) return;
  bands_[static_cast<size_t>(band_of(p))].add(right, kBandKeep);
  all_.add(right, kBandKeep);
}

void Acceptance::age() noexcept {
  for (size_t i = 1; i < positions_.size(); i++) {
    positions_[i].right *= kAge;
    positions_[i].seen *= kAge;
  }
}

}  // namespace nextn
