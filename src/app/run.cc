// nextn run: a prompt in, its continuation on stdout as it is written, statistics on stderr; or, with --json, one
// object. Without a prompt: a conversation.
#include <charconv>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>

#include "api/reply.h"
#include "app/command.h"
#include "app/interrupt.h"
#include "app/output.h"
#include "app/sampling_flags.h"
#include "app/template_flags.h"
#include "app/terminal_chat.h"
#include "base/error.h"
#include "base/machine.h"
#include "engine/calibration.h"
#include "engine/logits_dump.h"
#include "engine/session.h"
#include "engine/step_runner.h"
#include "engine/tokenizer_loader.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"

namespace nextn {

namespace {

constexpr int kChatCheckpoints = 2;  // of a conversation: its last turns

struct RunFlags {
  ModelFlags model;
  std::string prompt, prompt_file, tokens, logits;
  std::string system_prompt;
  TemplateFlags chat_template;
  std::string grammar, grammar_file, json_schema;
  std::vector<std::string> stops, logit_bias;
  int64_t n_predict = -1;
  int64_t seed = -1;
  bool json = false, ignore_eos = false, chat = false;
  SamplingFlags sampling;
};

template <class T>
T parse_number(const char* flag, std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail(ErrorCode::kUsage, "{}: expected a number, found '{}'", flag, text);
  }
  return value;
}

std::vector<int32_t> parse_tokens(std::string_view list) {
  std::vector<int32_t> ids;
  for (size_t at = 0; at <= list.size();) {
    const size_t comma = std::min(list.find(',', at), list.size());
    ids.push_back(parse_number<int32_t>("--tokens", list.substr(at, comma - at)));
    at = comma + 1;
  }
  return ids;
}

// "15043+1.5", "15043-inf" or "15043=false", as llama.cpp's users write it.
std::pair<int32_t, float> parse_bias(const std::string& text) {
  const size_t sign = text.find_first_of("+-=", 1);
  if (sign == std::string::npos) fail(ErrorCode::kUsage, "--logit-bias: expected ID+BIAS or ID-BIAS, found '{}'", text);
  const int32_t id = parse_number<int32_t>("--logit-bias", text.substr(0, sign));
  const std::string value = text.substr(sign + 1);
  if (text[sign] == '=') {
    if (value == "false") return {id, -std::numeric_limits<float>::infinity()};
    return {id, parse_number<float>("--logit-bias", value)};
  }
  const float bias = parse_number<float>("--logit-bias", value);
  return {id, text[sign] == '-' ? -bias : bias};
}

// The conversation that --chat asks for, as the file's template has it.
std::string chat_prompt(const RunFlags& flags, const std::string& text, const Engine& engine) {
  const ChatOptions options = {.variables = flags.chat_template.variables()};
  auto messages = nlohmann::ordered_json::array();
  if (!flags.system_prompt.empty()) messages.push_back({{"role", "system"}, {"content", flags.system_prompt}});
  messages.push_back({{"role", "user"}, {"content", text}});
  return load_chat_template(engine.file(), flags.chat_template.source()).render(messages, options);
}

std::vector<int32_t> prompt_tokens(const RunFlags& flags, const CLI::App& app, const Engine& engine) {
  if (app.count("--tokens") > 0) return parse_tokens(flags.tokens);
  const std::string text = app.count("--file") > 0 ? read_prompt_file(flags.prompt_file) : flags.prompt;
  // A template writes the special tokens itself.
  if (flags.chat) return engine.tokenizer().encode(chat_prompt(flags, text, engine), false, true);
  return engine.tokenizer().encode(text, true, true);
}

std::vector<MemoryPart> memory_parts(const Engine& engine, const Session& session) {
  std::vector<MemoryPart> parts = engine.memory();
  for (const MemoryPart& part : session.memory()) parts.push_back(part);
  return parts;
}

double per_second(int64_t n, double ms) {
  return ms > 0 && n > 0 ? static_cast<double>(n) * 1000 / ms : 0;
}

int64_t total(const std::vector<int64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

const char* head_text(const Engine& engine) {
  switch (engine.head_verdict().kind) {
    case HeadVerdict::Kind::kUsable:
      return "usable";
    case HeadVerdict::Kind::kAbsent:
      return "absent";
    case HeadVerdict::Kind::kIncomplete:
      return "incomplete";
  }
  return "";
}

// How drafts read the LM head; nothing without drafts.
std::string draft_vocab_text(const Engine& engine) {
  if (engine.draft_head() == nullptr) return "";
  if (!engine.draft_head()->cut()) return "full";
  const int64_t n = engine.options().draft_vocab;
  return n == kDraftVocabAuto ? "sketch" : std::to_string(n);
}

double draft_head_agreement(const Engine& engine) {
  return engine.draft_head() != nullptr ? engine.draft_head()->agreement() : 1;
}

// What was left of loading when the first step began, and still is.
std::string packing_text(const Engine& engine) {
  if (!engine.packed()) return ", not packed";
  return engine.pack_ms() > 0 ? fmt::format(", packed behind the first token in {:.0f} ms", engine.pack_ms()) : "";
}

nlohmann::ordered_json to_json(Engine& engine, Session& session, const Generation& g, uint64_t seed,
                               double calibrate_ms) {
  nlohmann::ordered_json memory;
  uint64_t sum = 0;
  for (const MemoryPart& part : memory_parts(engine, session)) {
    memory[part.name] = part.bytes;
    sum += part.bytes;
  }
  memory["total"] = sum;
  memory["peak_resident"] = peak_resident_bytes();
  nlohmann::ordered_json timings = {
      {"load_ms", engine.load_ms()}, {"pack_ms", engine.pack_ms()}, {"calibrate_ms", calibrate_ms}};
  timings.update(api::timings_json(g));
  timings["draft_vocab"] = draft_vocab_text(engine);
  timings["draft_head_agreement"] = draft_head_agreement(engine);
  const ModelInfo& info = engine.model().info();
  return {{"text", g.text},
          {"tokens", g.tokens},
          {"seed", seed},
          {"end_reason", end_reason_name(g.end_reason)},
          {"logits_digest", fmt::format("{:016x}", g.logits_digest)},
          {"state_digest", fmt::format("{:016x}", session.state_digest())},
          {"timings", timings},
          {"model",
           {{"path", engine.file().path()},
            {"name", engine.file().string_or("general.name", "")},
            {"architecture", info.architecture},
            {"n_vocab", info.n_vocab},
            {"n_embd", info.n_embd},
            {"n_layers", info.n_layers},
            {"n_ctx", engine.options().n_ctx},
            {"tied", info.tied},
            {"head", head_text(engine)},
            {"head_loaded", info.has_head},
            {"isa", engine.ctx().kernels.isa},
            {"threads", engine.options().n_threads}}},
          {"memory", memory}};
}

void print_statistics(Engine& engine, Session& session, const Generation& g, uint64_t seed) {
  const GenerateStats& s = g.stats;
  const int64_t n = static_cast<int64_t>(g.tokens.size()), drafted = total(s.drafted), accepted = total(s.accepted);
  print_stderr("\n\nmodel    {} ({}), MTP head {}{}, context {}\n", engine.file().path(),
               engine.model().info().architecture, head_text(engine),
               engine.model().info().has_head ? "" : ", not loaded", engine.options().n_ctx);
  print_stderr("         {} kernels, {} threads, loaded in {:.0f} ms{}; seed {}; ended by {}\n",
               engine.ctx().kernels.isa, engine.options().n_threads, engine.load_ms(), packing_text(engine), seed,
               end_reason_name(g.end_reason));
  print_stderr("prefill  {} tokens, {:.1f} ms, {:.1f} tok/s\n", s.prompt_n, s.prompt_ms,
               per_second(s.prompt_n, s.prompt_ms));
  print_stderr("decode   {} tokens, {:.1f} ms, {:.1f} tok/s; {} cycles, draft {:.1f} ms, verify {:.1f} ms\n", n,
               s.predicted_ms, per_second(n - 1, s.predicted_ms), s.cycles, s.draft_ms, s.verify_ms);
  if (drafted > 0) {
    print_stderr("drafts   {} of {} accepted, by position", accepted, drafted);
    for (size_t i = 0; i < s.drafted.size() && s.drafted[i] > 0; i++)
      print_stderr(" {}/{}", s.accepted[i], s.drafted[i]);
    print_stderr("; acceptance length {:.2f}\n",
                 static_cast<double>(n - 1) / static_cast<double>(std::max<int64_t>(s.cycles, 1)));
    if (s.model_drafted > 0) {
      print_stderr("         {} of {} of them from {}\n", s.model_accepted, s.model_drafted,
                   printable(engine.options().draft_path));
    }
    if (s.forced_drafted > 0) {
      print_stderr("         {} of {} of them forced by the grammar\n", s.forced_accepted, s.forced_drafted);
    }
    if (s.suffix_drafted > 0) {
      print_stderr("         {} of {} of them from the text itself\n", s.suffix_accepted, s.suffix_drafted);
    }
  } else if (engine.drafts() && engine.options().max_draft > 0) {
    const StepCosts& costs = engine.costs();
    const DraftKind kind = engine.model().info().has_head ? DraftKind::kHead : DraftKind::kModel;
    print_stderr(
        "drafts   none verified, they did not pay: a step of two rows takes {:.2f} times one of one, a draft {:.2f}\n",
        costs.verify(2) / costs.verify(1), costs.drafts(kind, 1) / costs.verify(1));
  }
  print_stderr("memory  ");
  for (const MemoryPart& part : memory_parts(engine, session)) {
    print_stderr(" {} {:.1f} MiB", part.name, static_cast<double>(part.bytes) / (1 << 20));
  }
  print_stderr("; peak resident {:.1f} MiB\n", static_cast<double>(peak_resident_bytes()) / (1 << 20));
}

SamplerParams sampling_for(const RunFlags& flags, const CLI::App& app, const gguf::File& file) {
  SamplerParams p = flags.sampling.for_file(app, file);
  for (const std::string& bias : flags.logit_bias) p.logit_bias.push_back(parse_bias(bias));
  p.seed = flags.seed >= 0 ? static_cast<uint64_t>(flags.seed) : std::random_device{}();
  return p;
}

// nullptr for none.
std::shared_ptr<const grammar::Grammar> grammar_for(const RunFlags& flags) {
  if (!flags.json_schema.empty()) {
    const auto schema = parse_chat_json(flags.json_schema);
    if (schema.is_discarded()) fail(ErrorCode::kUsage, "--json-schema: expected JSON, found '{}'", flags.json_schema);
    return schema.empty() ? grammar::json_object_grammar() : grammar::parse_json_schema(schema);
  }
  const std::string text = flags.grammar_file.empty() ? flags.grammar : read_prompt_file(flags.grammar_file);
  return text.empty() ? nullptr : grammar::parse_gbnf(text);
}

void add_flags(CLI::App& app, RunFlags& flags) {
  flags.model.add_to(app);
  app.add_option("-p,--prompt", flags.prompt, "the text to continue");
  app.add_option("-f,--file", flags.prompt_file, "a file that has it (- for stdin); one newline at its end is dropped");
  app.add_option("--tokens", flags.tokens, "the prompt as token ids: 1,2,3");
  app.add_flag("--chat", flags.chat, "the prompt is what a user says: put it through the file's chat template");
  app.add_option("--sys,--system-prompt", flags.system_prompt, "with --chat: what the model is told first");
  flags.chat_template.add_to(app);
  app.add_option("-n,--predict,--n-predict", flags.n_predict, "tokens to write at most (default: until the text ends)");
  app.add_option("-r,--stop,--reverse-prompt", flags.stops, "end before this text; may be given several times");
  app.add_option("-s,--seed", flags.seed, "seed of the sampler (default: drawn, and reported)");
  flags.sampling.add_to(app);
  app.add_option("-l,--logit-bias", flags.logit_bias, "ID+BIAS or ID-BIAS; ID-inf bans a token");
  app.add_option("--grammar", flags.grammar, "the text keeps to this grammar (GBNF)");
  app.add_option("--grammar-file", flags.grammar_file, "or to that of a file");
  app.add_option("-j,--json-schema", flags.json_schema, "or is JSON that this schema allows; {}: any object");
  app.add_flag("--ignore-eos", flags.ignore_eos, "go on after an end token");
  app.add_flag("--json", flags.json, "print one JSON object instead of text");
  app.add_option("--logits", flags.logits, "PREFIX: write the prompt's logits and hidden states as PREFIX.*.npy");
}

void check_flags(const CLI::App& app, const RunFlags& flags) {
  const size_t prompts = app.count("--prompt") + app.count("--file") + app.count("--tokens");
  if (prompts > 1) fail(ErrorCode::kUsage, "expected one of -p, -f and --tokens, found {}", prompts);
  if (prompts == 0 && (flags.json || app.count("--logits") > 0)) {
    fail(ErrorCode::kUsage, "--json, --logits: expected -p, -f or --tokens beside it, found none");
  }
  if (flags.chat && app.count("--tokens") > 0) fail(ErrorCode::kUsage, "--chat: expected -p or -f, found --tokens");
  for (const char* flag : {"--system-prompt", "--chat-template-kwargs", "--chat-template-file"}) {
    if (app.count(flag) > 0 && !flags.chat && prompts > 0)
      fail(ErrorCode::kUsage, "{}: expected --chat beside it", flag);
  }
  const size_t grammars = app.count("--grammar") + app.count("--grammar-file") + app.count("--json-schema");
  if (grammars > 1) {
    fail(ErrorCode::kUsage, "expected one of --grammar, --grammar-file and --json-schema, found {}", grammars);
  }
  for (const std::string& stop : flags.stops) {
    if (stop.empty()) fail(ErrorCode::kUsage, "--stop: expected some text, found none");
  }
  if (flags.n_predict < -1) fail(ErrorCode::kUsage, "-n: expected -1 or more, found {}", flags.n_predict);
  if (flags.seed < -1) fail(ErrorCode::kUsage, "--seed: expected -1 or more, found {}", flags.seed);
  // Whether the ids are in the vocabulary is seen once the file is loaded.
  for (const std::string& bias : flags.logit_bias) (void)parse_bias(bias);
  flags.sampling.check();
}

}  // namespace

int run_main(int argc, char** argv) {
  CLI::App app("Continues a text.", "nextn run");
  RunFlags flags;
  add_flags(app, flags);
  int status = 0;
  if (!parse_flags(app, argc, argv, &status)) return status;
  check_flags(app, flags);

  const auto grammar = grammar_for(flags);

  const bool converses = app.count("--prompt") + app.count("--file") + app.count("--tokens") == 0;
  EngineOptions options = flags.model.engine_options();
  if (converses) options.n_checkpoints = kChatCheckpoints;
  if (!converses && flags.logits.empty()) options.packing = Packing::kWhileQuick;
  Engine engine(options);
  const HeadVerdict& verdict = engine.head_verdict();
  if (verdict.kind == HeadVerdict::Kind::kIncomplete) {
    print_stderr("nextn run: no drafts, the MTP head is incomplete: {}\n", verdict.reason);
  }
  const std::vector<int32_t> prompt = converses ? std::vector<int32_t>() : prompt_tokens(flags, app, engine);
  if (!flags.logits.empty()) dump_logits(engine, prompt, flags.logits);

  GenerateParams params;
  params.sampling = sampling_for(flags, app, engine.file());
  check_sampler_params(params.sampling, static_cast<int32_t>(engine.model().info().n_vocab), ErrorCode::kUsage);
  params.n_predict = flags.n_predict;
  params.stops = flags.stops;
  params.ignore_eos = flags.ignore_eos;
  params.grammar = grammar;
  params.draft_max = flags.model.head_drafts();
  params.model_max = flags.model.model_drafts();
  params.suffix_max = flags.model.suffix_drafts();
  params.draft_min = flags.model.draft_min;
  params.draft_p_min = flags.model.draft_p_min;
  params.adaptive = flags.model.adaptive();
  params.digest = flags.json;
  if (!flags.json) params.on_text = write_stdout;

  const size_t row_limit = static_cast<size_t>(engine.options().row_limit);
  if (prompt.size() > std::min(StepRunner::kMostUnpacked, row_limit)) engine.pack();
  Session session(engine);
  const bool drafts = params.suffix_max > 0 || engine.drafts();
  const double calibrate_ms = drafts && params.adaptive && flags.n_predict != 0 ? calibrate(engine, session) : 0;
  params.stop = &watch_for_interrupt();
  if (converses) {
    const ChatTemplate chat_template = load_chat_template(engine.file(), flags.chat_template.source());
    chat_in_terminal({engine, session, chat_template, flags.chat_template.variables(), flags.system_prompt, params});
    return 0;
  }
  const Generation g = session.generate(prompt, params);
  if (flags.json) {
    write_stdout(to_json(engine, session, g, params.sampling.seed, calibrate_ms)
                     .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
                 "\n");
  } else {
    print_statistics(engine, session, g, params.sampling.seed);
  }
  return 0;
}

}  // namespace nextn
