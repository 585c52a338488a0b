#include "app/sampling_flags.h"

#include <limits>

#include "engine/engine.h"

namespace nextn {

void SamplingFlags::add_to(CLI::App& app) {
  app.add_option("--temp", given_.temp, "temperature; 0: always the likeliest token");
  app.add_option("--top-k", given_.top_k, "only the k likeliest; 0: off");
  app.add_option("--top-p", given_.top_p, "only the likeliest that together have this probability; 1: off");
  app.add_option("--min-p", given_.min_p, "only tokens at least this likely relative to the likeliest; 0: off");
  app.add_option("--repeat-penalty", given_.repeat_penalty, "1: off");
  app.add_option("--repeat-last-n", given_.penalty_last_n, "tokens the penalties look back on");
  app.add_option("--frequency-penalty", given_.frequency_penalty, "0: off");
  app.add_option("--presence-penalty", given_.presence_penalty, "0: off");
}

void SamplingFlags::check() const {
  check_sampler_params(given_, std::numeric_limits<int32_t>::max(), ErrorCode::kUsage);
}

SamplerParams SamplingFlags::for_file(const CLI::App& app, const gguf::File& file) const {
  SamplerParams p = given_;
  const SamplerParams defaults = sampling_defaults(file);
  if (app.count("--temp") == 0) p.temp = defaults.temp;
  if (app.count("--top-k") == 0) p.top_k = defaults.top_k;
  if (app.count("--top-p") == 0) p.top_p = defaults.top_p;
  if (app.count("--min-p") == 0) p.min_p = defaults.min_p;
  if (app.count("--repeat-penalty") == 0) p.repeat_penalty = defaults.repeat_penalty;
  if (app.count("--repeat-last-n") == 0) p.penalty_last_n = defaults.penalty_last_n;
  return p;
}

}  // namespace nextn
