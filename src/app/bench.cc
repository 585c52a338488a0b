// nextn bench: how fast a model is with drafts and without, as a table or one JSON object. Exit status 1 when the texts
// differ, because then there is nothing to compare.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/bench_plot.h"
#include "app/command.h"
#include "app/commit.h"
#include "app/interrupt.h"
#include "app/output.h"
#include "base/error.h"
#include "base/machine.h"
#include "engine/bench.h"
#include "engine/bench_prompts.h"

namespace nextn {

namespace {

using Json = nlohmann::ordered_json;

struct BenchFlags {
  ModelFlags model;
  std::string prompt, prompt_file, plot, inject;
  std::vector<std::string> prompts;
  std::vector<float> temps = {0, 0.7f};
  int n_predict = 192, pairs = 1;
  int64_t seed = 1;
  bool sweep = false, json = false;
};

void add_flags(CLI::App& app, BenchFlags& flags) {
  flags.model.add_to(app);
  app.add_option("--prompts", flags.prompts, "only these of the nine prompts, by name: code_python,maths")
      ->delimiter(',');
  CLI::Option* const text = app.add_option("-p,--prompt", flags.prompt, "this text instead of the nine prompts");
  app.add_option("-f,--file", flags.prompt_file, "a file that has it (- for stdin)")->excludes(text);
  app.add_option("-n,--predict,--n-predict", flags.n_predict, "tokens of each text (192); end tokens are ignored");
  app.add_option("--temp", flags.temps, "temperatures: 0,0.7")->delimiter(',');
  app.add_option("--pairs", flags.pairs, "pairs of each prompt at each temperature (1); more for tighter bounds");
  app.add_option("-s,--seed", flags.seed, "seed of the sampler (1); each further pair takes the next");
  CLI::Option* const sweep =
      app.add_flag("--sweep", flags.sweep, "every number of drafts from 0 to --spec-draft-n-max, and as many as pay");
  app.add_option("--plot", flags.plot, "FILE.svg: a picture of the sweep")->needs(sweep);
  app.add_flag("--json", flags.json, "print one JSON object");
  app.add_option("--inject", flags.inject, "break one thing on purpose, as selftest does")->group("");
}

void check_flags(const BenchFlags& flags) {
  if (flags.n_predict < 2) fail(ErrorCode::kUsage, "-n: expected 2 or more, found {}", flags.n_predict);
  if (flags.pairs < 1) fail(ErrorCode::kUsage, "--pairs: expected 1 or more, found {}", flags.pairs);
  if (flags.seed < 0) fail(ErrorCode::kUsage, "-s: expected 0 or more, found {}", flags.seed);
  for (const float temp : flags.temps) {
    SamplerParams p;
    p.temp = temp;
    check_sampler_params(p, 1, ErrorCode::kUsage);
  }
  for (const std::string& name : flags.prompts) {
    const auto prompts = bench_prompts();
    if (std::ranges::find(prompts, name, &BenchPrompt::name) != prompts.end()) continue;
    std::string names;
    for (const BenchPrompt& p : prompts) names += fmt::format("{}{}", names.empty() ? "" : ", ", p.name);
    fail(ErrorCode::kUsage, "--prompts: expected names of {}, found '{}'", names, name);
  }
}

// A file that cannot be written is better known before an hour of measuring than after it.
void write_file(const std::string& path, std::string_view text, const char* mode) {
  std::FILE* const file = std::fopen(path.c_str(), mode);
  if (file == nullptr) fail(ErrorCode::kSystem, "{}: cannot write: {}", path, std::strerror(errno));
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (std::fclose(file) != 0 || !written) fail(ErrorCode::kSystem, "{}: cannot write: {}", path, std::strerror(errno));
}

// Our own prompts lose their beginning where the context is too short for them, and the report says so.
std::vector<BenchTask> make_tasks(const BenchFlags& flags, const CLI::App& app, const Engine& engine,
                                  std::vector<std::string>& notes) {
  const Tokenizer& tokenizer = engine.tokenizer();
  if (app.count("--prompt") + app.count("--file") > 0) {
    const bool from_file = app.count("--file") > 0;
    BenchTask task = {from_file ? "file" : "prompt",
                      tokenizer.encode(from_file ? read_prompt_file(flags.prompt_file) : flags.prompt, true, true)};
    engine.check_prompt(task.prompt, flags.n_predict);
    return {task};
  }
  const int64_t room = engine.options().n_ctx - flags.n_predict;
  if (room < 1) {
    fail(ErrorCode::kUsage, "-c: expected a context of more than {} tokens (-n), found {}", flags.n_predict,
         engine.options().n_ctx);
  }
  std::vector<BenchTask> tasks;
  for (const BenchPrompt& p : bench_prompts()) {
    if (!flags.prompts.empty() && std::ranges::find(flags.prompts, p.name) == flags.prompts.end()) continue;
    std::vector<int32_t> tokens = tokenizer.encode(p.text, true, false);
    const int64_t n = static_cast<int64_t>(tokens.size());
    if (n > room) {
      tokens.erase(tokens.begin(), tokens.end() - room);
      notes.push_back(fmt::format("{}: the last {} of its {} tokens, the context holds no more", p.name, room, n));
    }
    tasks.push_back({std::string(p.name), std::move(tokens)});
  }
  return tasks;
}

std::vector<BenchArm> make_arms(const BenchFlags& flags, Engine& engine) {
  std::vector<BenchArm> arms = {{"plain", 0}};
  const int head_most = engine.model().info().has_head ? flags.model.head_drafts() : 0,
            model_most = flags.model.model_drafts(), most = std::max(head_most, model_most),
            suffix_most = flags.model.suffix_drafts();
  const bool adaptive = flags.model.adaptive();
  // A fixed number is the head's where there is one.
  for (int k = 1; k <= most; k++) {
    if (!flags.sweep && (k < most || adaptive)) continue;
    const int from_head = head_most > 0 ? k : 0;
    arms.push_back({fmt::format("k = {}", k), from_head, false, 0, k - from_head});
  }
  if (most + suffix_most == 0) return arms;
  if (adaptive) arms.push_back({"auto", head_most, true, suffix_most, model_most});
  if (!adaptive && most == 0) arms.push_back({"suffix", 0, false, suffix_most});
  return arms;
}

// What the drafts are chosen from, and the drafts that this has lost against the full head.
std::string draft_head(const Engine& engine) {
  if (engine.draft_head() == nullptr) return "none";
  const DraftHead& head = *engine.draft_head();
  const int32_t n_vocab = engine.tokenizer().n_vocab();
  if (!head.cut()) return fmt::format("full vocabulary ({} tokens)", n_vocab);
  const int64_t asked = engine.options().draft_vocab;
  const std::string from = asked == kDraftVocabAuto ? fmt::format("sketch of {} tokens", n_vocab)
                                                    : fmt::format("first {} tokens and the text's", asked);
  return fmt::format("{}, {} of {} drafts lost against the full head", from, head.n_lost(), head.n_compared());
}

// "Q4_K 78 %, Q6_K 21 %": of the bytes of the tensors whose names begin with `prefix`, the largest first.
std::string quantisation(const gguf::File& file, std::string_view prefix = "") {
  std::map<std::string_view, uint64_t> bytes;
  uint64_t all = 0;
  for (const gguf::TensorInfo& tensor : file.tensors()) {
    if (!tensor.name.starts_with(prefix)) continue;
    bytes[dtype_info(tensor.type).name] += tensor.n_bytes;
    all += tensor.n_bytes;
  }
  std::vector<std::pair<std::string_view, uint64_t>> types(bytes.begin(), bytes.end());
  std::ranges::sort(types, std::greater(), [](const auto& type) { return type.second; });
  std::string text;
  for (const auto& [name, n] : types) {
    const double percent = 100 * static_cast<double>(n) / static_cast<double>(std::max<uint64_t>(all, 1));
    if (percent >= 0.5) text += fmt::format("{}{} {:.0f} %", text.empty() ? "" : ", ", name, percent);
  }
  return text;
}

// The MTP block stands behind the trunk's.
std::string head_quantisation(Engine& engine) {
  return quantisation(engine.file(), fmt::format("blk.{}.", engine.model().info().n_layers));
}

// Everything that is printed.
struct Result {
  const BenchFlags& flags;
  Engine& engine;
  BenchOptions options;
  std::vector<std::string> notes;
  BenchReport report;
  uint64_t peak_resident;
  double read_rate;  // bytes a second

  const GenerateParams& params() const { return options.params; }
  int n_arms() const { return static_cast<int>(options.arms.size()); }
  std::string model_name() const {
    const std::string_view name = engine.file().string_or("general.name", "");
    return name.empty() ? engine.file().path() : std::string(name);
  }
  std::string draft_settings() const {
    if (n_arms() < 2) return "none";
    const BenchArm& last = options.arms.back();
    std::string text;
    if (last.suffix_max > 0) text += fmt::format("the text itself, at most {} of a cycle, ", last.suffix_max);
    if (last.draft_max > 0) text += "MTP head, ";
    if (last.model_max > 0) text += fmt::format("{}, ", engine.options().draft_path);
    const int most = std::max(last.draft_max, last.model_max);
    if (most > 0) text += fmt::format("{} {} of a cycle, ", flags.sweep ? "1 to" : "at most", most);
    text += last.adaptive ? "as many as pay" : "always so many";
    return text + fmt::format(", n-min {}, p-min {:g}", params().draft_min, params().draft_p_min);
  }
  double plain_read_rate(double tokens_per_second) const {
    return tokens_per_second * static_cast<double>(engine.model().step_bytes());
  }
};

double per(int64_t n, int64_t of) {
  return of > 0 ? static_cast<double>(n) / static_cast<double>(of) : 0;
}

// ------------------------------------------------------------------------------------------------ JSON

Json to_json(const BenchSummary& s, bool drafts) {
  Json out = {{"pairs", s.n_pairs},
              {"tokens_per_second", s.tokens_per_second},
              {"ttft_ms", s.ttft_ms},
              {"ms_per_16_tokens", {{"p50", s.chunk_p50}, {"p95", s.chunk_p95}}},
              {"cycles", s.cycles},
              {"cycles_per_second", s.cycles_per_second},
              {"draft_ms_per_cycle", s.draft_ms},
              {"verify_ms_per_cycle", s.verify_ms},
              {"other_ms_per_cycle", s.other_ms}};
  if (drafts) {
    out.update({{"ratio", s.ratio},
                {"ratio_95", {s.bounds.low, s.bounds.high}},
                {"draft_n", s.n_drafted},
                {"draft_n_accepted", s.n_accepted},
                {"draft_n_unverified", s.unverified},
                {"acceptance", s.acceptance},
                {"acceptance_length", s.acceptance_length},
                {"drafted_per_position", s.drafted},
                {"accepted_per_position", s.accepted},
                {"conditional_acceptance", s.conditional},
                {"k_histogram", s.k_histogram}});
  }
  return out;
}

Json to_json(const Result& r) {
  const EngineOptions& o = r.engine.options();
  Json arms = Json::array();
  for (int arm = 0; arm < r.n_arms(); arm++) {
    const BenchArm& a = r.options.arms[static_cast<size_t>(arm)];
    Json out = {{"name", a.name},
                {"k", a.draft_max},
                {"model", a.model_max},
                {"suffix", a.suffix_max},
                {"adaptive", a.adaptive}};
    out.update(to_json(summarise(r.report, arm), arm > 0));
    if (const ExpertCount& e = r.report.experts[static_cast<size_t>(arm)]; e.layers > 0) {
      out["experts"] = {{"rows_per_step", per(e.rows, e.layers)},
                        {"touched_per_layer", per(e.touched, e.layers)},
                        {"shared_with_row_before", per(e.again, e.chosen)}};
    }
    for (size_t i = 0; i < r.options.tasks.size(); i++) {
      Json row = {{"name", r.options.tasks[i].name}, {"prompt_n", r.options.tasks[i].prompt.size()}};
      row.update(to_json(summarise(r.report, arm, static_cast<int>(i)), arm > 0));
      out["prompts"].push_back(row);
    }
    for (size_t i = 0; i < r.options.temps.size(); i++) {
      Json row = {{"temp", r.options.temps[i]}};
      row.update(to_json(summarise(r.report, arm, -1, static_cast<int>(i)), arm > 0));
      out["temperatures"].push_back(row);
    }
    arms.push_back(std::move(out));
  }
  const double plain = r.plain_read_rate(summarise(r.report, 0).tokens_per_second);
  return {{"model",
           {{"path", r.engine.file().path()},
            {"name", r.engine.file().string_or("general.name", "")},
            {"architecture", r.engine.model().info().architecture},
            {"quantisation", quantisation(r.engine.file())},
            {"head_quantisation", head_quantisation(r.engine)},
            {"n_ctx", o.n_ctx},
            {"head_loaded", r.engine.model().info().has_head}}},
          {"settings",
           {{"n_predict", r.params().n_predict},
            {"ignore_eos", true},
            {"temps", r.options.temps},
            {"pairs", r.options.rounds},
            {"seed", r.params().sampling.seed},
            {"top_k", r.params().sampling.top_k},
            {"top_p", r.params().sampling.top_p},
            {"min_p", r.params().sampling.min_p},
            {"drafts", r.draft_settings()},
            {"draft_head", draft_head(r.engine)},
            {"cache_type_k", kv_type_name(o.k_type)},
            {"cache_type_v", kv_type_name(o.v_type)},
            {"notes", r.notes}}},
          {"machine",
           {{"cpu", cpu_name()},
            {"cpus", std::thread::hardware_concurrency()},
            {"threads", o.n_threads},
            {"isa", r.engine.ctx().kernels.isa},
            {"version", NEXTN_VERSION},
            {"commit", kCommit},
            {"read_gb_per_second", r.read_rate / 1e9}}},
          {"plain_reading",
           {{"weight_bytes_per_token", r.engine.model().step_bytes()},
            {"gb_per_second", plain / 1e9},
            {"share_of_read", plain / r.read_rate}}},
          {"arms", arms},
          {"texts",
           {{"compared", r.report.n_compared},
            {"different", r.report.n_different},
            {"first_difference", r.report.first_difference}}},
          {"load_ms", r.engine.load_ms()},
          {"calibrate_ms", r.report.calibrate_ms},
          {"memory", {{"peak_resident", r.peak_resident}}},
          {"interrupted", r.options.params.stop->load()}};
}

// ------------------------------------------------------------------------------------------------ tables

std::string by_position(const BenchSummary& s) {
  std::string text;
  for (size_t i = 0; i < s.conditional.size() && s.drafted[i] > 0; i++)
    text += fmt::format(" {:.2f}", s.conditional[i]);
  return text;
}

std::string head_lines(const Result& r) {
  const EngineOptions& o = r.engine.options();
  std::string text =
      fmt::format("model    {} ({}), {}, context {}, keys {}, values {}\n", printable(r.engine.file().path()),
                  printable(r.model_name(), 60), quantisation(r.engine.file()), o.n_ctx, kv_type_name(o.k_type),
                  kv_type_name(o.v_type));
  text +=
      fmt::format("machine  {}, {} threads of {} CPUs, {} kernels; nextn {}, commit {}\n", printable(cpu_name()),
                  o.n_threads, std::thread::hardware_concurrency(), r.engine.ctx().kernels.isa, NEXTN_VERSION, kCommit);
  text += fmt::format("drafts   {}\n", r.draft_settings());
  if (r.n_arms() > 1) {
    text += fmt::format("         MTP block {}; draft head: {}\n", head_quantisation(r.engine), draft_head(r.engine));
  }
  const SamplerParams& p = r.params().sampling;
  text += fmt::format(
      "runs     {} tokens each, end tokens ignored; {} pair{} of each prompt and temperature\n"
      "         top-k {}, top-p {:g}, min-p {:g}, seed {}\n",
      r.params().n_predict, r.options.rounds, r.options.rounds == 1 ? "" : "s", p.top_k, p.top_p, p.min_p, p.seed);
  for (const std::string& note : r.notes) text += fmt::format("         {}\n", note);
  return text;
}

std::string prompt_row(const Result& r, std::string_view name, std::string_view tokens, int task, int temp) {
  const BenchSummary plain = summarise(r.report, 0, task, temp);
  std::string row = fmt::format("{:<12} {:>6} {:>8.1f}", name, tokens, plain.tokens_per_second);
  if (r.n_arms() < 2) return row + fmt::format(" {:>9.0f}\n", plain.ttft_ms);
  const BenchSummary s = summarise(r.report, 1, task, temp);
  return row + fmt::format(" {:>8.1f} {:>6.2f} {:>8.2f} {:>7.2f} {:>9.0f} {:>8.0f}  {}\n", s.tokens_per_second, s.ratio,
                           s.acceptance, s.acceptance_length, plain.ttft_ms, s.ttft_ms, by_position(s));
}

std::string pair_table(const Result& r) {
  const bool drafts = r.n_arms() > 1;
  std::string text =
      drafts
          ? "\n                     ---- tok/s ----                           --- TTFT, ms ---   accepted by position\n"
            "prompt       tokens    plain   drafts  ratio accepted  length     plain   drafts   (after right ones)\n"
          : "\nprompt       tokens    tok/s  TTFT, ms\n";
  for (size_t i = 0; i < r.options.tasks.size(); i++) {
    const BenchTask& task = r.options.tasks[i];
    text += prompt_row(r, task.name, fmt::format("{}", task.prompt.size()), static_cast<int>(i), -1);
  }
  for (size_t i = 0; i < r.options.temps.size(); i++) {
    text += prompt_row(r, fmt::format("temp {:g}", r.options.temps[i]), "", -1, static_cast<int>(i));
  }
  text += prompt_row(r, "all", "", -1, -1);
  if (!drafts) return text;

  const BenchSummary plain = summarise(r.report, 0), s = summarise(r.report, 1);
  text += fmt::format("\nratio    {:.3f}, 95 % bound {:.3f} to {:.3f} (median of {} pairs)\n", s.ratio, s.bounds.low,
                      s.bounds.high, s.n_pairs);
  text +=
      fmt::format("cycle    draft {:.2f} ms, verify {:.2f} ms, other {:.2f} ms; {:.2f} cycles/s; by number of drafts",
                  s.draft_ms, s.verify_ms, s.other_ms, s.cycles_per_second);
  for (size_t k = 0; k < s.k_histogram.size(); k++) {
    if (s.k_histogram[k] > 0) text += fmt::format(" {}:{}", k, s.k_histogram[k]);
  }
  text += fmt::format(
      "\nstream   16 tokens in {:.0f} ms (median) and {:.0f} ms (95 %) plain, {:.0f} and {:.0f} ms with drafts\n",
      plain.chunk_p50, plain.chunk_p95, s.chunk_p50, s.chunk_p95);
  return text;
}

std::string sweep_table(const Result& r) {
  std::string text =
      "\narm         tok/s  ratio   95 % bound     accepted  length  draft ms  verify ms   accepted by position\n";
  for (int arm = 0; arm < r.n_arms(); arm++) {
    const BenchSummary s = summarise(r.report, arm);
    text += fmt::format("{:<9} {:>7.1f}  {:>5.2f}   {:.2f} to {:.2f}", r.options.arms[static_cast<size_t>(arm)].name,
                        s.tokens_per_second, s.ratio, s.bounds.low, s.bounds.high);
    text += arm == 0 ? fmt::format("   {:>8}  {:>6}  {:>8}  {:>9.2f}\n", "", "", "", s.verify_ms)
                     : fmt::format("   {:>8.2f}  {:>6.2f}  {:>8.2f}  {:>9.2f}  {}\n", s.acceptance, s.acceptance_length,
                                   s.draft_ms, s.verify_ms, by_position(s));
  }
  return text;
}

// What a step reads of a mixture of experts, plainly and in the last arm.
std::string expert_lines(const Result& r) {
  const ModelInfo& info = r.engine.model().info();
  if (info.n_experts == 0) return "";
  const ExpertCount &plain = r.report.experts.front(), &last = r.report.experts.back();
  return fmt::format(
      "experts  {:.1f} of {} touched by a layer in a step of {:.2f} rows, {:.1f} in plain decoding; {:.0f} % of a "
      "row's are "
      "those of the row before it in its step\n",
      per(last.touched, last.layers), info.n_experts, per(last.rows, last.layers), per(plain.touched, plain.layers),
      100 * per(last.again, last.chosen));
}

std::string foot_lines(const Result& r) {
  const double plain = summarise(r.report, 0).tokens_per_second, rate = r.plain_read_rate(plain);
  std::string text = fmt::format(
      "reading  {:.3f} GB of weights a token, {:.1f} GB/s in plain decoding: {:.0f} % of the {:.1f} GB/s that {} "
      "threads read\n",
      static_cast<double>(r.engine.model().step_bytes()) / 1e9, rate / 1e9, 100 * rate / r.read_rate, r.read_rate / 1e9,
      r.engine.options().n_threads);
  text += expert_lines(r);
  text += fmt::format("memory   {:.1f} MiB resident at most\n", static_cast<double>(r.peak_resident) / (1 << 20));
  if (r.report.n_different > 0) {
    text += fmt::format("texts    {} of {} DIFFER from the plain ones; first: {}\n", r.report.n_different,
                        r.report.n_compared, printable(r.report.first_difference));
  } else if (r.report.n_compared > 0) {
    text += fmt::format("texts    {} of {} the same as the plain ones\n", r.report.n_compared, r.report.n_compared);
  } else {
    text += "texts    nothing to compare: no drafts\n";
  }
  return text;
}

// ------------------------------------------------------------------------------------------------ plot

std::string plot_of(const Result& r) {
  BenchPlot plot;
  plot.title = "Speed and acceptance by number of drafts: " + r.model_name();
  plot.subtitle = fmt::format("{}, {} threads, {}; {} tokens, context {}; nextn {}, commit {}", cpu_name(),
                              r.engine.options().n_threads, r.engine.ctx().kernels.isa, r.params().n_predict,
                              r.engine.options().n_ctx, NEXTN_VERSION, kCommit);
  for (int arm = 0; arm < r.n_arms(); arm++) {
    const BenchSummary s = summarise(r.report, arm);
    if (r.options.arms[static_cast<size_t>(arm)].adaptive) {
      plot.adaptive = {s.ratio, s.bounds};
    } else {
      plot.by_k.push_back({s.ratio, s.bounds});
    }
  }
  const BenchSummary longest = summarise(r.report, static_cast<int>(plot.by_k.size()) - 1);
  plot.conditional = longest.conditional;
  for (size_t i = 0; i < longest.drafted.size(); i++) {
    plot.unconditional.push_back(static_cast<double>(longest.accepted[i]) /
                                 static_cast<double>(std::max<int64_t>(longest.drafted[i], 1)));
  }
  return bench_svg(plot);
}

}  // namespace

int bench_main(int argc, char** argv) {
  CLI::App app("Measures decoding with drafts against plain decoding, in pairs, and compares the texts.",
               "nextn bench");
  BenchFlags flags;
  add_flags(app, flags);
  int status = 0;
  if (!parse_flags(app, argc, argv, &status)) return status;
  check_flags(flags);
  const Fault fault = parse_fault(flags.inject);
  EngineOptions engine_options = flags.model.engine_options();
  engine_options.n_sessions = 2;  // the plain arm has its own
  if (!flags.plot.empty()) write_file(flags.plot, "", "ab");

  Engine engine(engine_options);
  engine.inject(fault);
  Result r = {flags, engine, {}, {}, {}, 0, 0};
  r.options.arms = make_arms(flags, engine);
  if (r.n_arms() < 2) {
    const HeadVerdict& verdict = engine.head_verdict();
    const char* const why =
        verdict.kind == HeadVerdict::Kind::kAbsent ? "the file has no MTP head" : "they are turned off";
    r.notes.push_back(
        fmt::format("plain decoding alone, no drafts: {}", verdict.reason.empty() ? why : verdict.reason));
  }
  r.options.tasks = make_tasks(flags, app, engine, r.notes);
  r.options.temps = flags.temps;
  r.options.rounds = flags.pairs;
  r.options.params.sampling = sampling_defaults(engine.file());
  r.options.params.sampling.seed = static_cast<uint64_t>(flags.seed);
  r.options.params.n_predict = flags.n_predict;
  r.options.params.draft_min = flags.model.draft_min;
  r.options.params.draft_p_min = flags.model.draft_p_min;
  r.options.params.stop = &watch_for_interrupt();
  r.options.on_progress = progress_counter("measuring");

  r.report = bench(engine, r.options);
  if (r.report.groups.empty()) fail(ErrorCode::kSystem, "bench: expected a finished pair, found none: interrupted");
  r.peak_resident = peak_resident_bytes();  // before the buffer that the next line reads
  r.read_rate = measure_read_rate(engine.ctx().pool);

  if (flags.json) {
    write_stdout(to_json(r).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } else {
    write_stdout(head_lines(r) + (flags.sweep ? sweep_table(r) : pair_table(r)) + "\n" + foot_lines(r));
  }
  if (!flags.plot.empty()) write_file(flags.plot, plot_of(r), "wb");
  return r.report.n_different == 0 ? 0 : 1;
}

}  // namespace nextn
