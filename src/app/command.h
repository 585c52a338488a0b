// What the subcommands of the program share: their entry points, the flags that describe a model, and exit statuses.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "engine/engine.h"

namespace nextn {

// Exit statuses: 0 done, also after Ctrl-C; 1 failed; 2 bad usage.
int run_main(int argc, char** argv);
int bench_main(int argc, char** argv);
int selftest_main(int argc, char** argv);
int inspect_main(int argc, char** argv);
int plan_main(int argc, char** argv);
int serve_main(int argc, char** argv);

// Flags that say which model to load, how, and how to draft.
struct ModelFlags {
  std::string model;        // empty: the demo model
  std::string draft_model;  // empty: none
  int threads = 0;
  int n_parallel = 1;  // sequences at once; 0: as many as fit
  int n_checkpoints = 0;
  std::string cache_ram;
  int64_t n_ctx = 0;
  int batch = 2048, ubatch = 512;
  std::string k_type = "f16", v_type = "f16", head_k_type, head_v_type;
  std::string spec_type = "auto", spec_adaptive = "on", draft_vocab = "auto";
  std::optional<int> draft_max;
  int draft_min = 0;
  float draft_p_min = 0;
  std::string memory_limit, numa;
  bool no_mmap = false, mlock = false;
  std::vector<std::string> override_tensors;
  bool cpu_moe = false;
  std::optional<int> n_cpu_moe;

  void add_to(CLI::App& app);
  // Flags of several sequences at once, with their defaults.
  void add_server_flags_to(CLI::App& app, int parallel, int checkpoints);
  EngineOptions engine_options() const;  // throws Error{kUsage}
  // Drafts of a cycle at most, by where they come from; 0: none come from there. Throw Error{kUsage}.
  int head_drafts() const;
  int model_drafts() const;
  int suffix_drafts() const;
  bool adaptive() const noexcept { return spec_adaptive == "on"; }

 private:
  void check_placement() const;
};

// Parses argv (argv[0] is the subcommand), after spelling llama.cpp's one-dash long flags (-ctk) with two. Gives true
// to go on; where help was asked for it has printed it and *status is set. Throws Error{kUsage}.
bool parse_flags(CLI::App& app, int argc, char** argv, int* status);

// The flag's value. Throws Error{kUsage} where it is not from low to high.
template <class T>
T in_range(const char* flag, T value, T low, T high) {
  if (!(value >= low && value <= high))
    fail(ErrorCode::kUsage, "{}: expected {} to {}, found {}", flag, low, high, value);
  return value;
}

// The model that -m names, or the one that is built in.
void set_model(EngineOptions& options, const std::string& path);

// A progress bar on stderr while a large file loads, if stderr is a terminal.
LoadProgress progress_bar();

// "WHAT 3 of 18" on stderr, overwritten as it counts, if stderr is a terminal.
std::function<void(int done, int total)> progress_counter(const char* what);

// The text of a prompt file (- for stdin), less one newline at its end. Throws Error{kSystem}.
std::string read_prompt_file(const std::string& path);

// What --inject names: replay, kv or order; nothing for "". Throws Error{kUsage}.
Fault parse_fault(const std::string& name);

}  // namespace nextn
