// The flags that say how a token is chosen.
#pragma once

#include <CLI/CLI.hpp>

#include "gguf/file.h"
#include "sampling/sampler_params.h"

namespace nextn {

class SamplingFlags {
 public:
  void add_to(CLI::App& app);
  // Before a large file is loaded. Throws Error{kUsage} for values out of range.
  void check() const;
  // The flags' own values where they were given, else the file's, else the defaults. The app is the one that parsed.
  SamplerParams for_file(const CLI::App& app, const gguf::File& file) const;

 private:
  SamplerParams given_;
};

}  // namespace nextn
