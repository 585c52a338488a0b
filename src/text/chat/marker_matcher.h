// Looks for markers (<tool_call>, </think> ..) in a text that comes character by character. What may be the beginning
// of one is held back, never more.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace nextn {

class MarkerMatcher {
 public:
  // Takes c and gives the marker that it completes, else nothing. Appends to text what is no part of a marker. None of
  // the markers may begin with another one; they may be others at the next character.
  std::string_view take(char c, std::span<const std::string_view> markers, std::string& text) {
    held_ += c;
    while (!held_.empty()) {
      for (const std::string_view marker : markers) {
        if (!marker.starts_with(held_)) continue;
        if (marker.size() == held_.size()) {
          held_.clear();
          return marker;
        }
        return {};
      }
      text += held_.front();
      held_.erase(0, 1);
    }
    return {};
  }

  const std::string& held() const noexcept { return held_; }
  std::string release() { return std::exchange(held_, {}); }

 private:
  std::string held_;
};

}  // namespace nextn
