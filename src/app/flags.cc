#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "app/command.h"
#include "app/demo_model.h"
#include "app/output.h"
#include "base/error.h"

namespace nextn {

namespace {

// llama.cpp spells these with one dash, which CLI11 would read as a run of one-letter flags.
constexpr std::pair<const char*, const char*> kOneDash[] = {
    {"-ub", "--ubatch-size"},         {"-ctk", "--cache-type-k"},       {"-ctv", "--cache-type-v"},
    {"-ctkd", "--spec-draft-type-k"}, {"-ctvd", "--spec-draft-type-v"}, {"-fa", "--flash-attn"},
    {"-ngl", "--n-gpu-layers"},       {"-ot", "--override-tensor"},     {"-cmoe", "--cpu-moe"},
    {"-ncmoe", "--n-cpu-moe"},        {"-md", "--model-draft"},         {"-np", "--parallel"},
};

// Flags of other engines that mean nothing here, and say so nowhere: the outcome is the same.
constexpr std::pair<const char*, bool> kWithoutEffect[] = {
    // the flag, and whether a value follows it
    {"--flash-attn", true},
    {"--n-gpu-layers,--gpu-layers", true},
    {"--spec-draft-backend-sampling", true},
    {"--alias", true},
    {"--no-warmup", false},
    {"-v,--verbose", false},
};

// Flags of other engines, or of nextn to come, whose meaning cannot be had: the hint says what can.
constexpr std::pair<const char*, const char*> kRefused[] = {
    {"-tb", "prompt and text use the same threads: -t"},
    {"--threads-batch", "prompt and text use the same threads: -t"},
    {"--draft-n-max", "expected --spec-draft-n-max"},
    {"-cnv", "without -p, -f and --tokens it is a conversation"},
};

KvType kv_type(const std::string& flag, const std::string& name) {
  for (const KvType type : {KvType::kF16, KvType::kF32, KvType::kQ8_0}) {
    if (name == kv_type_name(type)) return type;
  }
  fail(ErrorCode::kUsage, "{}: expected f16, f32 or q8_0, found '{}'", flag, name);
}

Numa numa_mode(const std::string& name) {
  if (name.empty()) return Numa::kNone;
  if (name == "distribute") return Numa::kDistribute;
  if (name == "isolate") return Numa::kIsolate;
  fail(ErrorCode::kUsage, "--numa: expected distribute or isolate, found '{}'", name);
}

uint64_t memory_bytes(const char* flag, const std::string& text, uint64_t otherwise) {
  if (text.empty()) return otherwise;
  const std::optional<uint64_t> bytes = parse_size(text);
  if (!bytes) fail(ErrorCode::kUsage, "{}: expected a size like 2G or 512M, found '{}'", flag, text);
  return *bytes;
}

// "a,b" to its items, which may be empty.
std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> items;
  for (size_t at = 0; at <= list.size();) {
    const size_t comma = std::min(list.find(',', at), list.size());
    items.push_back(list.substr(at, comma - at));
    at = comma + 1;
  }
  return items;
}

// "mtp,suffix"
struct SpecTypes {
  SpecType head = SpecType::kNone;
  bool model = false, suffix = false;
};

SpecTypes spec_types(const std::string& list) {
  SpecTypes types;
  bool none = false;
  for (const std::string& name : split(list)) {
    if (name == "auto") {
      types.head = SpecType::kAuto;
      types.model = true;
    } else if (name == "mtp" || name == "draft-mtp") {
      types.head = SpecType::kMtp;
    } else if (name == "draft") {
      types.model = true;
    } else if (name == "suffix") {
      types.suffix = true;
    } else if (name == "none") {
      none = true;
    } else {
      fail(ErrorCode::kUsage, "--spec-type: expected a list of auto, none, mtp, draft and suffix, found '{}'", name);
    }
  }
  return none ? SpecTypes() : types;
}

int64_t parse_draft_vocab(const std::string& name) {
  if (name == "auto") return kDraftVocabAuto;
  if (name == "full") return kDraftVocabFull;
  int64_t n = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), n);
  if (error != std::errc() || end != name.data() + name.size() || n < 1) {
    fail(ErrorCode::kUsage, "--spec-draft-vocab: expected auto, full or a number of tokens, found '{}'", name);
  }
  return n;
}

// "", or why `text` is not a number. CLI11 takes nothing for 0 and an integer that is too large for the largest.
template <class T>
std::string number_error(const std::string& text) {
  T value{};
  const char* const first = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(first, last, value);
  if (error == std::errc() && end == last) return "";
  return fmt::format("expected a number{}, found '{}'",
                     error == std::errc::result_out_of_range ? " of fewer digits" : "", text);
}

void check_numbers(CLI::App& app) {
  for (CLI::Option* const option : app.get_options()) {
    if (option->get_type_name() == "INT")
      option->check([](const std::string& text) { return number_error<int64_t>(text); });
    if (option->get_type_name() == "FLOAT")
      option->check([](const std::string& text) { return number_error<double>(text); });
  }
}

}  // namespace

void ModelFlags::add_to(CLI::App& app) {
  app.add_option("-m,--model", model, "GGUF file (default: the built-in demo model)")
      ->check([](const std::string& path) { return path.empty() ? "expected a file, found ''" : ""; });
  app.add_option("-t,--threads", threads, "threads (default: one for each CPU)");
  app.add_option("-c,--ctx-size", n_ctx, "context in tokens (default: the model's, at most 8192)");
  app.add_option("-b,--batch-size", batch, "prompt tokens of one batch at most");
  app.add_option("--ubatch-size", ubatch, "-ub: rows of one step at most");
  app.add_option("--cache-type-k", k_type, "-ctk: f16, f32 or q8_0");
  app.add_option("--cache-type-v", v_type, "-ctv: f16, f32 or q8_0");
  app.add_option("--spec-draft-type-k", head_k_type, "-ctkd: the head's cache (default: as -ctk)");
  app.add_option("--spec-draft-type-v", head_v_type, "-ctvd: the head's cache (default: as -ctv)");
  app.add_option("--spec-type", spec_type,
                 "where drafts come from: auto (the MTP head if there is one, and -md), none, mtp, draft (the model "
                 "that -md names), "
                 "suffix (the text so far), or a list");
  app.add_option("--model-draft", draft_model,
                 "-md: GGUF file with a smaller model of the same vocabulary that drafts");
  app.add_option("--spec-draft-n-max,--draft-max,--draft", draft_max,
                 "drafts of a cycle at most (default: 7, of suffix drafts 31)")
      ->type_name("INT");
  app.add_option("--spec-draft-n-min,--draft-min", draft_min, "a shorter draft is not verified");
  app.add_option("--spec-draft-p-min,--draft-p-min", draft_p_min, "stop drafting below this probability");
  app.add_option("--spec-draft-vocab", draft_vocab,
                 "auto, full, or N: drafts from the first N tokens and the text's own");
  app.add_option("--spec-adaptive", spec_adaptive, "on: draft as many as pay; off: always as many as allowed");
  app.add_option("--memory-limit", memory_limit, "take at most this much memory: 2G, 512M");
  app.add_flag("--no-mmap", no_mmap, "read the weights, rather than map the file");
  app.add_flag("--mlock", mlock, "keep the weights from being swapped out");
  app.add_option("--numa", numa, "distribute or isolate, on machines with several memory nodes");
  app.add_flag_callback("--mtp", [this] { spec_type = "mtp"; }, "the same as --spec-type mtp");
  app.add_option("--override-tensor", override_tensors)->group("");
  app.add_flag("--cpu-moe", cpu_moe)->group("");
  app.add_option("--n-cpu-moe", n_cpu_moe)->group("");
  for (const auto& [names, has_value] : kWithoutEffect) {
    CLI::Option* const option = app.add_option(names, "accepted, without effect");
    option->group("")->expected(has_value ? 1 : 0);
  }
}

void ModelFlags::add_server_flags_to(CLI::App& app, int parallel, int checkpoints) {
  n_parallel = parallel;
  n_checkpoints = checkpoints;
  app.add_option("--parallel", n_parallel,
                 fmt::format("-np: sequences at once; 0: as many as fit, at most 4 (default: {})", parallel))
      ->type_name("INT");
  app.add_option("--ctx-checkpoints", n_checkpoints,
                 fmt::format("places in each sequence's text to go on from: other answers, edits, prompts that begin "
                             "alike (default: {})",
                             checkpoints))
      ->type_name("INT");
  app.add_option(
      "--cache-ram", cache_ram,
      "memory of these places and of texts that have left their sequence: 2G, 512M (default: for such texts as "
      "much as one sequence more than there are would take, where it is free)");
}

// "exps=CPU,attn=CPU": where other engines keep tensors. There is one place here.
void ModelFlags::check_placement() const {
  for (const std::string& list : override_tensors) {
    for (const std::string& rule : split(list)) {
      if (!rule.ends_with("=CPU")) {
        fail(ErrorCode::kUsage, "-ot: expected REGEX=CPU, there is no other device, found '{}'", rule);
      }
    }
  }
  if (!override_tensors.empty() || cpu_moe || n_cpu_moe) {
    print_stderr("nextn: -ot and --cpu-moe have no effect: there is one device, the CPU\n");
  }
}

int ModelFlags::head_drafts() const {
  return spec_types(spec_type).head == SpecType::kNone ? 0 : draft_max.value_or(kDefaultMaxDraft);
}

int ModelFlags::model_drafts() const {
  return draft_model.empty() || !spec_types(spec_type).model ? 0 : draft_max.value_or(kDefaultMaxDraft);
}

int ModelFlags::suffix_drafts() const {
  return spec_types(spec_type).suffix ? draft_max.value_or(kDefaultMaxSuffixDraft) : 0;
}

EngineOptions ModelFlags::engine_options() const {
  check_placement();
  EngineOptions o;
  set_model(o, model);
  o.n_threads = in_range("-t", threads, 0, 1024);
  o.n_ctx = in_range<int64_t>("-c", n_ctx, 0, 1 << 30);
  o.n_parallel = o.n_sessions = in_range("-np", n_parallel, 0, 256);
  o.row_limit = std::min(in_range("-b", batch, 1, 1 << 16), in_range("-ub", ubatch, 1, 1 << 16));
  o.k_type = kv_type("-ctk", k_type);
  o.v_type = kv_type("-ctv", v_type);
  o.head_k_type = head_k_type.empty() ? o.k_type : kv_type("-ctkd", head_k_type);
  o.head_v_type = head_v_type.empty() ? o.v_type : kv_type("-ctvd", head_v_type);
  const SpecTypes types = spec_types(spec_type);
  o.spec = types.head;
  if (types.model) {
    o.draft_path = draft_model;
    if (draft_model.empty() && types.head != SpecType::kAuto) {
      fail(ErrorCode::kUsage, "--spec-type draft: expected a model with -md, found none");
    }
  } else if (!draft_model.empty() && spec_type != "none") {
    fail(ErrorCode::kUsage, "-md: expected --spec-type auto or a list with draft, found '{}'", spec_type);
  }
  if (draft_max) in_range("--spec-draft-n-max", *draft_max, 0, kMaxDraftLimit);
  const int most = std::max({head_drafts(), model_drafts(), suffix_drafts()});
  o.max_draft = most;
  in_range("--spec-draft-n-min", draft_min, 0, draft_max.value_or(std::max(most, kDefaultMaxDraft)));
  in_range("--spec-draft-p-min", draft_p_min, 0.0f, 1.0f);
  o.draft_vocab = parse_draft_vocab(draft_vocab);
  if (spec_adaptive != "on" && spec_adaptive != "off") {
    fail(ErrorCode::kUsage, "--spec-adaptive: expected on or off, found '{}'", spec_adaptive);
  }
  o.memory_limit = memory_bytes("--memory-limit", memory_limit, 0);
  o.n_checkpoints = in_range("--ctx-checkpoints", n_checkpoints, 0, 1024);
  o.keep_texts = o.n_checkpoints > 0;
  o.cache_limit = cache_ram == "0" ? 0 : memory_bytes("--cache-ram", cache_ram, UINT64_MAX);
  o.map = !no_mmap;
  o.lock = mlock;
  o.numa = numa_mode(numa);
  o.on_note = [](const std::string& line) { print_stderr("nextn: {}\n", printable(line)); };
  o.isa = std::getenv("NEXTN_ISA");
  o.progress = progress_bar();
  return o;
}

bool parse_flags(CLI::App& app, int argc, char** argv, int* status) {
  std::vector<std::string> args;
  for (int i = argc - 1; i > 0; i--) {  // CLI11 takes them last to first
    std::string arg = argv[i] == std::string_view("-mtp") ? "--mtp" : argv[i];
    for (const auto& [flag, hint] : kRefused) {
      if (arg == flag) fail(ErrorCode::kUsage, "{}: {}", flag, hint);
    }
    for (const auto& [one, two] : kOneDash) {
      if (arg == one) arg = two;
    }
    args.push_back(arg);
  }
  check_numbers(app);
  try {
    app.parse(args);
    return true;
  } catch (const CLI::CallForHelp&) {
    write_stdout(app.help());
    *status = 0;
    return false;
  } catch (const CLI::ParseError& e) {
    throw Error(ErrorCode::kUsage, e.what());
  }
}

void set_model(EngineOptions& options, const std::string& path) {
  options.model_path = path.empty() ? "demo model" : path;
  if (path.empty()) options.model_bytes = demo_model();
}

LoadProgress progress_bar() {
  if (isatty(STDERR_FILENO) == 0) return {};
  return [shown = -1](uint64_t done, uint64_t total) mutable {
    constexpr uint64_t kWorthABar = 256u << 20;
    constexpr int kWidth = 40;
    const int now = static_cast<int>(done * kWidth / std::max<uint64_t>(total, 1));
    if (total < kWorthABar || now == shown) return;
    shown = now;
    print_stderr("\rloading [{:<{}}] {:.1f} of {:.1f} GiB", std::string(static_cast<size_t>(now), '='), kWidth,
                 static_cast<double>(done) / (1 << 30), static_cast<double>(total) / (1 << 30));
    if (done == total) print_stderr("\r\033[K");
    std::fflush(stderr);
  };
}

std::function<void(int, int)> progress_counter(const char* what) {
  if (isatty(STDERR_FILENO) == 0) return {};
  return [what](int done, int total) {
    print_stderr("\r{} {} of {}", what, done, total);
    if (done == total) print_stderr("\r\033[K");
    std::fflush(stderr);
  };
}

std::string read_prompt_file(const std::string& path) {
  std::FILE* const file = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) fail(ErrorCode::kSystem, "{}: cannot open: {}", path, std::strerror(errno));
  std::string text;
  char buffer[1 << 16];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, file)) text.append(buffer, n);
  const bool failed = std::ferror(file) != 0;
  const int error = errno;
  if (file != stdin) std::fclose(file);
  if (failed) fail(ErrorCode::kSystem, "{}: cannot read: {}", path, std::strerror(error));
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

Fault parse_fault(const std::string& name) {
  if (name.empty()) return Fault::kNone;
  if (name == "replay") return Fault::kReplay;
  if (name == "kv") return Fault::kKv;
  if (name == "order") return Fault::kOrder;
  fail(ErrorCode::kUsage, "--inject: expected replay, kv or order, found '{}'", name);
}

}  // namespace nextn
