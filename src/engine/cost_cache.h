// Measured step costs in the user's cache directory ($XDG_CACHE_HOME/nextn, else ~/.cache/nextn): one small file for
// each machine, model file and set of flags. A cache only saves time: a file that is missing, damaged or not to be
// written is no error.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "draft/step_costs.h"
#include "engine/engine.h"

namespace nextn {

class CostCache {
 public:
  // `key` says what the costs depend on. An empty folder: nothing is kept.
  CostCache(const std::filesystem::path& folder, std::string key);
  static CostCache of(const Engine& engine);

  std::optional<StepCosts> load() const;
  void store(const StepCosts& costs) const;

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
  std::string key_;
};

}  // namespace nextn
