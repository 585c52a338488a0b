#include "engine/selftest.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "draft/scripted_drafter.h"
#include "engine/session.h"

namespace nextn {

namespace {

constexpr int kMaxDrafts = 8;
constexpr int kMinContext = 32;
constexpr int kPromptTokens = 272;  // beyond the first piece of attention

// Text of no importance, long enough for the prompt.
std::vector<int32_t> make_prompt(const Engine& engine, int64_t n) {
  std::string text;
  std::vector<int32_t> tokens;
  for (int i = 1; static_cast<int64_t>(tokens.size()) < n; i++) {
    text += fmt::format("{}. On day {} the keeper of the lighthouse counted {} ships and wrote {} lines.\n", i, i,
                        i * 7 % 31, i * 5 % 13);
    tokens = engine.tokenizer().encode(text, true, false);
  }
  tokens.resize(static_cast<size_t>(n));
  return tokens;
}

struct Result {
  Generation text;
  uint64_t state, head;
};

Result run(Session& session, std::span<const int32_t> prompt, const GenerateParams& params) {
  Generation g = session.generate(prompt, params);
  const uint64_t state = session.state_digest();
  return {std::move(g), state, session.head_digest()};
}

// Where `found` first differs from `expected`, or nothing.
std::optional<std::string> difference(const Result& expected, const Result& found) {
  const std::vector<int32_t>&a = expected.text.tokens, &b = found.text.tokens;
  for (size_t i = 0; i < std::min(a.size(), b.size()); i++) {
    if (a[i] != b[i]) return fmt::format("token {}: expected {}, found {}", i, a[i], b[i]);
    if (expected.text.row_digests[i] != found.text.row_digests[i]) {
      return fmt::format("logits of token {}: expected digest {:016x}, found {:016x}", i, expected.text.row_digests[i],
                         found.text.row_digests[i]);
    }
  }
  if (a.size() != b.size()) return fmt::format("length: expected {} tokens, found {}", a.size(), b.size());
  if (expected.state != found.state) {
    return fmt::format("state after the text: expected digest {:016x}, found {:016x}", expected.state, found.state);
  }
  if (expected.head != found.head) {
    return fmt::format("head's keys and values: expected digest {:016x}, found {:016x}", expected.head, found.head);
  }
  return std::nullopt;
}

struct Source {
  const char* name;
  std::optional<DraftScript> script;  // none: the head
  bool suffix = false;                // the text itself, besides the head where there is one
  bool model = false;                 // the draft model alone
};

constexpr Source kSources[] = {{"the head's drafts", std::nullopt},
                               {"the text's own", std::nullopt, true},
                               {"the draft model's", std::nullopt, false, true},
                               {"right drafts", DraftScript::kRight},
                               {"wrong drafts", DraftScript::kWrong},
                               {"random drafts", DraftScript::kRandom}};

}  // namespace

SelftestReport selftest(const SelftestOptions& options) {
  EngineOptions engine_options = options.engine;
  engine_options.max_draft = kMaxDrafts;
  Engine engine(engine_options);
  engine.inject(options.inject);
  Session session(engine);
  if (engine.options().n_ctx < kMinContext) {
    fail(ErrorCode::kUsage, "-c: expected a context of at least {} tokens for a selftest, found {}", kMinContext,
         engine.options().n_ctx);
  }
  SelftestReport report;
  report.has_head = engine.model().info().has_head;

  const int64_t n_prompt = std::min<int64_t>(kPromptTokens, engine.options().n_ctx / 2);
  const int64_t n_predict = std::min<int64_t>(options.n_predict, engine.options().n_ctx - n_prompt);
  const std::vector<int32_t> prompt = make_prompt(engine, n_prompt);
  const int32_t n_vocab = static_cast<int32_t>(engine.model().info().n_vocab);

  // The prompt is run once; the compared runs begin from its saved state, so that a long prompt is not paid 66 times.
  GenerateParams prompt_only;
  prompt_only.n_predict = prompt_only.draft_max = 0;
  session.generate(std::span(prompt).first(prompt.size() - 1), prompt_only);
  const Snapshot saved = session.snapshot();

  for (const float temp : {0.0f, 1.0f}) {
    GenerateParams params;
    params.sampling.temp = temp;
    params.sampling.seed = 1;
    params.n_predict = n_predict;
    params.ignore_eos = true;
    params.draft_max = 0;
    params.digest = true;
    session.clear();
    const Result plain = run(session, prompt, params);
    std::vector<int32_t> text = prompt;
    text.insert(text.end(), plain.text.tokens.begin(), plain.text.tokens.end());
    for (const Source& source : kSources) {
      const bool of_head = !source.script && !source.suffix && !source.model;
      if ((of_head && !report.has_head) || (source.model && engine.draft_model() == nullptr)) continue;
      int n_different = 0;
      for (int k = 1; k <= kMaxDrafts + 1; k++) {
        // The last run is one whose lengths the controller chooses.
        params.adaptive = k > kMaxDrafts;
        params.draft_max = std::min(k, kMaxDrafts);
        std::optional<ScriptedDrafter> scripted;
        if (source.script) scripted.emplace(*source.script, text, n_vocab);
        params.drafter = scripted ? &*scripted : nullptr;
        params.suffix_max = source.suffix ? params.draft_max : 0;
        params.model_max = source.model ? params.draft_max : 0;
        if (source.model) params.draft_max = 0;
        session.restore(saved);
        const Result drafted = run(session, prompt, params);
        report.n_runs++;
        if (const auto where = difference(plain, drafted)) {
          n_different++;
          if (report.first_difference.empty()) {
            report.first_difference = fmt::format("temperature {}, {}, {}: {}", temp, source.name,
                                                  params.adaptive ? "adaptive" : fmt::format("k = {}", k), *where);
          }
        }
      }
      report.n_different += n_different;
      if (options.on_line) {
        options.on_line(
            fmt::format("temperature {}, {:<17}  k = 1..{} and adaptive  {}", temp, source.name, kMaxDrafts,
                        n_different == 0 ? "same" : fmt::format("{} of {} differ", n_different, kMaxDrafts + 1)));
      }
    }
  }
  return report;
}

}  // namespace nextn
