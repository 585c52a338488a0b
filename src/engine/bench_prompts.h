// The nine prompts of `nextn bench`: in kind those that the community measures MTP heads with, in our own words. Drafts
// are easy in code and hard in free prose, so one number without its prompts says little.
#pragma once

#include <span>
#include <string_view>

namespace nextn {

struct BenchPrompt {
  std::string_view name, text;
};

std::span<const BenchPrompt> bench_prompts() noexcept;

}  // namespace nextn
