// What a template may use up: steps, bytes, depth. A template comes out of a file that nobody has read; whatever it
// does, rendering ends soon with a text or an Error.
#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace nextn::jinja {

// An error on its way to Template, which adds the line and makes it a nextn::Error.
struct Raised {
  std::string message;
};

template <class... Args>
[[noreturn]] void raise(fmt::format_string<Args...> format, Args&&... args) {
  throw Raised{fmt::format(format, std::forward<Args>(args)...)};
}

struct Limits {
  uint64_t steps = 20'000'000;           // evaluations, and what loops inside filters count for
  uint64_t bytes = uint64_t{256} << 20;  // of all texts and lists made on the way, freed ones included
  int depth = 400;                       // of evaluations inside evaluations
  int64_t range = 100'000;               // items of one range(): jinja2's sandbox has the same bound
};

// Counts down. Not for more than one thread.
class Sandbox {
 public:
  explicit Sandbox(const Limits& limits) : limits_(limits) {}

  void steps(uint64_t n = 1) {
    if (n > limits_.steps - steps_) raise("expected a template of at most {} steps, it takes more", limits_.steps);
    steps_ += n;
  }
  // To be asked before anything is made that is larger than what it is made of.
  void bytes(uint64_t n) {
    if (n > limits_.bytes - bytes_)
      raise("expected at most {} bytes on the way, the template makes more", limits_.bytes);
    bytes_ += n;
  }
  int64_t range() const noexcept { return limits_.range; }

  // One level deeper while it lives.
  class Level {
   public:
    explicit Level(Sandbox& sandbox) : sandbox_(sandbox) {
      if (sandbox.depth_ >= sandbox.limits_.depth)
        raise("expected at most {} levels of nesting, found more", sandbox.limits_.depth);
      sandbox.depth_++;
    }
    ~Level() { sandbox_.depth_--; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Sandbox& sandbox_;
  };

 private:
  Limits limits_;
  uint64_t steps_ = 0, bytes_ = 0;
  int depth_ = 0;
};

}  // namespace nextn::jinja
