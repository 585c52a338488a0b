// Finds stop strings in a text that comes in pieces, wherever the pieces are cut, and never lets out the beginning of
// one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nextn {

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}  // none of them empty
  StopMatcher(const StopMatcher&) = delete;
  StopMatcher& operator=(const StopMatcher&) = delete;

  // Takes more text; gives what is certain to lie before any stop string. Once one is found the rest is dropped.
  std::string push(std::string_view text);
  bool found() const noexcept { return found_ != nullptr; }
  const std::string* which() const noexcept { return found_; }  // nullptr where none is found

  // The text has ended: gives what was held back.
  std::string finish();

 private:
  std::vector<std::string> stops_;
  std::string held_;
  const std::string* found_ = nullptr;
};

}  // namespace nextn
