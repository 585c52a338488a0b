// The invariants that nextn promises, on models whose text depends on everything that went before (synth_gguf.py
// --mixed): chunking, threads, drafts and saving never change a bit of tokens, logits or state.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <limits>

#include "draft/scripted_drafter.h"
#include "engine/selftest.h"
#include "engine/session.h"
#include "invariant_models.h"

namespace nextn {
namespace {

constexpr int kPromptLength = 720;

struct Result {
  std::vector<int32_t> tokens;
  std::vector<uint64_t> rows;
  uint64_t state, head;
  EndReason end;

  bool operator==(const Result&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Result& r) {
  out << r.tokens.size() << " tokens:";
  for (const int32_t id : r.tokens) out << ' ' << id;
  return out << "; state " << r.state << " head " << r.head << " end " << end_reason_name(r.end);
}

Result run(Session& session, std::span<const int32_t> prompt, const GenerateParams& params) {
  const Generation g = session.generate(prompt, params);
  const uint64_t state = session.state_digest();
  return {g.tokens, g.row_digests, state, session.head_digest(), g.end_reason};
}

bool with_head(const std::string& name) {
  return !name.starts_with("tiny-qwen3") && !name.starts_with("tiny-llama");
}

class Invariants : public testing::TestWithParam<const char*> {};

TEST_P(Invariants, ChunksOfThePromptAndThreadsChangeNothing) {
  const std::vector<int32_t> prompt = prompt_of(kPromptLength);
  std::vector<Result> results;
  for (const int threads : {1, 2, 3}) {
    for (const int chunk : {512, 7, 1}) {
      EngineOptions o = engine_options(GetParam());
      o.n_threads = threads;
      o.row_limit = chunk;
      Engine engine(o);
      Session session(engine);
      GenerateParams params = generate_params(0);
      params.draft_max = 3;
      results.push_back(run(session, prompt, params));
      EXPECT_EQ(results.back(), results.front()) << threads << " threads, chunks of " << chunk;
    }
  }
}

// Every number of drafts, every kind of draft, two temperatures, a prompt in chunks of three sizes, and a
// head that is whole, cut by a sketch, and cut by a sketch of half the vocabulary.
TEST_P(Invariants, DraftsChangeNothing) {
  const std::vector<int32_t> prompt = prompt_of(kPromptLength);
  struct Machine {
    int threads, chunk;
    int64_t draft_vocab;
  };
  for (const auto& [threads, chunk, draft_vocab] :
       {Machine{1, 512, kDraftVocabFull}, Machine{2, 7, 2048}, Machine{2, 1, 1024}}) {
    EngineOptions o = engine_options(GetParam());
    o.n_threads = threads;
    o.row_limit = chunk;
    o.draft_vocab = draft_vocab;
    Engine engine(o);
    const bool has_head = engine.model().info().has_head;
    if (has_head) {
      EXPECT_EQ(engine.draft_head().cut(), draft_vocab != kDraftVocabFull);
    }
    Session session(engine);
    GenerateParams nothing = generate_params(0, 0);
    session.generate(std::span(prompt).first(kPromptLength - 1), nothing);
    const Snapshot saved = session.snapshot();
    for (const float temp : {0.0f, 1.5f}) {
      GenerateParams params = generate_params(temp);
      session.clear();
      const Result plain = run(session, prompt, params);
      std::vector<int32_t> text = prompt;
      text.insert(text.end(), plain.tokens.begin(), plain.tokens.end());
      int64_t n_accepted = 0, n_drafted = 0;
      for (int k = 0; k <= 9; k++) {
        params.draft_max = std::min(k, 8);
        params.adaptive = k > 8;
        for (int source = 0; source < 4; source++) {
          std::optional<ScriptedDrafter> script;
          if (source > 0) script.emplace(static_cast<DraftScript>(source - 1), text, 2048);
          params.drafter = script ? &*script : nullptr;
          session.restore(saved);
          const Result drafted = run(session, prompt, params);
          ASSERT_EQ(drafted, plain) << "temperature " << temp << ", k = " << k << ", source " << source;
        }
        params.drafter = nullptr;
        session.restore(saved);
        const Generation g = session.generate(prompt, params);
        for (size_t i = 0; i < g.stats.drafted.size(); i++) {
          n_drafted += g.stats.drafted[i];
          n_accepted += g.stats.accepted[i];
        }
      }
      // Otherwise the head's runs would have tested nothing.
      if (!has_head) continue;
      EXPECT_GT(n_accepted, 0);
      EXPECT_LT(n_accepted, n_drafted);
    }
  }
}

// A prompt whose end has stood in it before, so that drafts come from it, and a text that repeats one token, so that
// some of them are right for certain.
TEST_P(Invariants, DraftsFromTheTextItselfChangeNothing) {
  EngineOptions o = engine_options(GetParam());
  o.max_draft = 20;
  Engine engine(o);
  Session session(engine);
  std::vector<int32_t> prompt = prompt_of(40);
  const std::vector<int32_t> written = session.generate(prompt, generate_params(0, 200)).tokens;
  prompt.insert(prompt.end(), written.begin(), written.end());
  prompt[prompt.size() - 95] ^= 1;  // the next copy goes another way here
  prompt.insert(prompt.end(), written.begin(), written.end() - 100);
  int64_t n_drafted = 0, n_accepted = 0;
  for (const float bias : {0.0f, 100.0f}) {
    GenerateParams params = generate_params(bias > 0 ? 1.5f : 0.0f, 60);
    params.sampling.logit_bias = {{written.front(), bias}};
    session.clear();
    const Result plain = run(session, prompt, params);
    for (const int head : {0, 3}) {
      for (const int suffix : {1, 7, 20}) {
        for (const bool adaptive : {false, true}) {
          params.draft_max = head;
          params.suffix_max = suffix;
          params.adaptive = adaptive;
          session.clear();
          const Generation g = session.generate(prompt, params);
          const Result result = {g.tokens, g.row_digests, session.state_digest(), session.head_digest(), g.end_reason};
          EXPECT_EQ(result, plain) << head << " from the head, " << suffix << " from the text, adaptive " << adaptive;
          n_drafted += g.stats.suffix_drafted;
          n_accepted += g.stats.suffix_accepted;
        }
      }
    }
  }
  EXPECT_GT(n_accepted, 0);
  EXPECT_LT(n_accepted, n_drafted);
}

// Another model drafts: one of each kind of state, and one whose drafts are all right, for it is the model itself.
TEST_P(Invariants, DraftsOfAnotherModelChangeNothing) {
  const std::vector<int32_t> prompt = prompt_of(kPromptLength);
  for (const std::string draft : {"tiny-mixed-q4_k_m", "tiny-qwen3-mixed-q8_0", "tiny-moe-mixed-q4_k_m", GetParam()}) {
    EngineOptions o = engine_options(GetParam());
    o.draft_path = model_path(draft);
    o.row_limit = 100;
    Engine engine(o);
    Session session(engine), plain_session(engine, false);
    int64_t n_drafted = 0, n_accepted = 0;
    for (const float temp : {0.0f, 1.5f}) {
      GenerateParams params = generate_params(temp, 40);
      params.sampling.repeat_penalty = 1;
      const Result plain = run(plain_session, prompt, params);
      for (const int k : {1, 3, 8, 9}) {
        params.model_max = std::min(k, 8);
        params.adaptive = k > 8;
        session.clear();
        const Generation g = session.generate(prompt, params);
        EXPECT_EQ(g.tokens, plain.tokens) << draft << ", temperature " << temp << ", k = " << k;
        EXPECT_EQ(g.row_digests, plain.rows) << draft << ", temperature " << temp << ", k = " << k;
        EXPECT_EQ(session.state_digest(), plain.state) << draft << ", temperature " << temp << ", k = " << k;
        if (temp > 0 || params.adaptive) continue;
        n_drafted += g.stats.model_drafted;
        n_accepted += g.stats.model_accepted;
      }
    }
    EXPECT_GT(n_drafted, 0) << draft;
    if (draft == GetParam()) {
      EXPECT_EQ(n_accepted, n_drafted);
    } else {
      EXPECT_LT(n_accepted, n_drafted) << draft;
    }
  }
}

// The head and a draft model beside each other, and a text that goes on after its end was another one.
TEST_P(Invariants, AllSourcesAtOnceChangeNothing) {
  EngineOptions o = engine_options(GetParam());
  o.draft_path = model_path("tiny-mixed-q8_0");
  Engine engine(o);
  Session session(engine), plain_session(engine, false);
  const std::vector<int32_t> prompt = prompt_of(300);
  std::vector<int32_t> other = prompt;
  other.back() ^= 1;
  for (const std::vector<int32_t>& text : {prompt, other, prompt}) {
    GenerateParams params = generate_params(0, 60);
    plain_session.clear();
    const Result plain = run(plain_session, text, params);
    params.draft_max = params.model_max = 4;
    params.suffix_max = 8;
    params.adaptive = true;
    const Generation g = session.generate(text, params);
    EXPECT_EQ(g.tokens, plain.tokens);
    EXPECT_EQ(g.row_digests, plain.rows);
    EXPECT_EQ(session.state_digest(), plain.state);
  }
}

TEST_P(Invariants, TheSameTextWithoutTheHead) {
  const std::vector<int32_t> prompt = prompt_of(300);
  Engine with(engine_options(GetParam()));
  EngineOptions none = engine_options(GetParam());
  none.spec = SpecType::kNone;
  Engine without(none);
  Session a(with), b(without);
  GenerateParams params = generate_params(1.5f);
  const Result plain = run(b, prompt, params);
  params.draft_max = 5;
  const Result drafted = run(a, prompt, params);
  EXPECT_EQ(plain.tokens, drafted.tokens);
  EXPECT_EQ(plain.rows, drafted.rows);
  EXPECT_EQ(plain.state, drafted.state);
  EXPECT_EQ(without.model().weight_bytes()[static_cast<size_t>(WeightRole::kMtpHead)], 0u);
}

// A restored state continues as the original would, in another engine too; a prompt that resumes from a saved beginning
// gives what it gives from the start.
TEST_P(Invariants, SavedAndResumedStatesContinueTheSame) {
  const std::vector<int32_t> prompt = prompt_of(kPromptLength);
  Engine engine(engine_options(GetParam()));
  EngineOptions other_options = engine_options(GetParam());
  other_options.n_threads = 1;
  other_options.row_limit = 33;
  other_options.max_draft = 2;
  Engine other(other_options);
  Session session(engine), fresh(other);
  for (const float temp : {0.0f, 1.5f}) {
    GenerateParams params = generate_params(temp, 40);
    params.draft_max = 4;
    session.clear();
    const Result whole = run(session, prompt, params);

    // Saved in the middle of the text, whatever drafts were pending then.
    params.n_predict = 17;
    session.clear();
    const Generation first = session.generate(prompt, params);
    const Snapshot saved = session.snapshot();
    std::vector<int32_t> longer = prompt;
    longer.insert(longer.end(), first.tokens.begin(), first.tokens.end());
    fresh.restore(saved);
    params.n_predict = 40 - 17;
    params.draft_max = 2;
    const Result rest = run(fresh, longer, params);
    EXPECT_EQ(rest.tokens, std::vector(whole.tokens.begin() + 17, whole.tokens.end()));
    EXPECT_EQ(rest.rows, std::vector(whole.rows.begin() + 17, whole.rows.end()));
    EXPECT_EQ(rest.state, whole.state);
    EXPECT_EQ(rest.head, whole.head);

    // Going on in the same session, without saving.
    session.clear();
    params.n_predict = 17;
    params.draft_max = 4;
    session.generate(prompt, params);
    params.n_predict = 40 - 17;
    EXPECT_EQ(run(session, longer, params), rest);

    for (const int length : {1, 3, 255, 256, 257, 700, kPromptLength - 1}) {
      GenerateParams nothing = generate_params(temp, 0);
      session.clear();
      session.generate(std::span(prompt).first(static_cast<size_t>(length)), nothing);
      const Snapshot beginning = session.snapshot();
      fresh.restore(beginning);
      params.n_predict = 40;
      params.draft_max = 2;
      EXPECT_EQ(run(fresh, prompt, params), whole) << "resumed at " << length;
    }
  }
}

TEST_P(Invariants, TheContextEndsEveryTextAtTheSamePlace) {
  EngineOptions o = engine_options(GetParam());
  o.n_ctx = 70;
  Engine engine(o);
  Session session(engine);
  const std::vector<int32_t> prompt = prompt_of(40);
  GenerateParams params = generate_params(0, -1);
  const Result plain = run(session, prompt, params);
  EXPECT_EQ(plain.end, EndReason::kContext);
  EXPECT_EQ(plain.tokens.size(), 31u);  // the last one needs no place
  for (int k = 1; k <= 8; k++) {
    params.draft_max = k;
    session.clear();
    EXPECT_EQ(run(session, prompt, params), plain) << k;
  }
  session.clear();
  EXPECT_EQ(run(session, prompt_of(70), params).tokens.size(), 1u);
  EXPECT_THROW(session.generate(prompt_of(71), params), Error);
}

TEST_P(Invariants, StopStringsCutAtTheSamePlaceAcrossDrafts) {
  Engine engine(engine_options(GetParam()));
  Session session(engine);
  const std::vector<int32_t> prompt = prompt_of(50);
  GenerateParams params = generate_params(0, 60);
  const Generation plain = session.generate(prompt, params);
  ASSERT_GT(plain.text.size(), 100u);
  for (const size_t at : {size_t{20}, size_t{51}, size_t{90}}) {
    params.stops = {plain.text.substr(at, 7)};
    params.draft_max = 0;
    session.clear();
    const Generation off = session.generate(prompt, params);
    const Result off_state{off.tokens, off.row_digests, session.state_digest(), session.head_digest(), off.end_reason};
    EXPECT_EQ(off.end_reason, EndReason::kStop);
    EXPECT_EQ(off.text, plain.text.substr(0, plain.text.find(params.stops[0])));
    for (const int k : {1, 3, 8}) {
      params.draft_max = k;
      session.clear();
      EXPECT_EQ(run(session, prompt, params), off_state) << "k = " << k;
    }
  }
}

TEST_P(Invariants, SelftestPassesAndNoticesEveryFault) {
  SelftestOptions options;
  options.engine = engine_options(GetParam());
  const SelftestReport good = selftest(options);
  EXPECT_EQ(good.has_head, with_head(GetParam()));
  EXPECT_EQ(good.n_runs, good.has_head ? 90 : 72);
  EXPECT_EQ(good.n_different, 0) << good.first_difference;
  const std::string name = GetParam();
  const bool has_deltas =
      name.starts_with("tiny-mixed") || name.starts_with("tiny-moe") || name.starts_with("tiny-next");
  for (const Fault fault : {Fault::kReplay, Fault::kKv, Fault::kOrder}) {
    options.inject = fault;
    if (fault == Fault::kReplay && !has_deltas) {
      EXPECT_THROW(selftest(options), Error) << "there is nothing to replay";
      continue;
    }
    const SelftestReport bad = selftest(options);
    EXPECT_GT(bad.n_different, 0) << static_cast<int>(fault);
    EXPECT_FALSE(bad.first_difference.empty());
  }
}

// What a stop string might begin with and half a character are both held back when the text ends: both come out, in
// order.
TEST_P(Invariants, WhatIsHeldBackAtTheEndComesOutInOrder) {
  Engine engine(engine_options(GetParam()));
  Session session(engine);
  GenerateParams params = generate_params(0, 2);
  params.sampling.repeat_penalty = 2;
  params.sampling.logit_bias = {{'a', 1000.0f}, {0xe2, 900.0f}};  // byte tokens come first in the tiny vocabulary
  params.stops = {"ab"};
  for (const int k : {0, 3}) {
    params.draft_max = k;
    session.clear();
    const Generation g = session.generate(prompt_of(5), params);
    EXPECT_EQ(g.tokens, (std::vector<int32_t>{'a', 0xe2}));
    EXPECT_EQ(g.text, "a\xe2");
  }
}

// A request that fails in the middle of a step leaves a session that serves the next one.
TEST_P(Invariants, ASessionSurvivesAFailedRequest) {
  Engine engine(engine_options(GetParam()));
  Session session(engine), fresh(engine);
  const std::vector<int32_t> prompt = prompt_of(20);
  GenerateParams params = generate_params(0, 12);
  params.draft_max = 3;
  int calls = 0;
  params.on_text = [&](std::string_view) {
    if (++calls == 4) throw Error(ErrorCode::kSystem, "the reader is gone");
  };
  EXPECT_THROW(session.generate(prompt, params), Error);
  params.on_text = {};
  EXPECT_EQ(run(session, prompt, params), run(fresh, prompt, params));
}

// Of another model, or with other caches, even where the sizes agree.
TEST_P(Invariants, ASnapshotOfSomethingElseIsRefused) {
  EngineOptions a = engine_options(GetParam()), b = a;
  a.k_type = b.v_type = KvType::kF16;
  a.v_type = b.k_type = KvType::kQ8_0;
  Engine one(a), other(b);
  Session from(one), to(other);
  from.generate(prompt_of(20), generate_params(0, 1));
  EXPECT_THROW(to.restore(from.snapshot()), Error);
}

INSTANTIATE_TEST_SUITE_P(Tiny, Invariants,
                         testing::Values("tiny-mixed-q8_0", "tiny-mixed-q4_k_m", "tiny-moe-mixed-q4_k_m",
                                         "tiny-glm45-mixed-q8_0", "tiny-glm46-mixed-q4_k_m", "tiny-next-mixed-q8_0",
                                         "tiny-qwen3-mixed-q8_0", "tiny-llama-mixed-q4_k_m"),
                         name_of_param);

// A weight that is not a number ends the request with an error, and the session is good for the next one.
TEST(Nan, InTheLogitsIsACleanError) {
  const std::string from = model_path("tiny-mixed-q8_0"), to = model_path("nan");
  {
    const gguf::File file = gguf::File::open(from);
    std::ifstream in(from, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), {});
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(bytes.data() + file.tensor("blk.2.post_attention_norm.weight")->file_offset, &nan, sizeof nan);
    std::ofstream(to, std::ios::binary) << bytes;
  }
  EngineOptions o = engine_options("nan");
  Engine engine(o);
  Session session(engine);
  for (int i = 0; i < 2; i++) {
    try {
      session.generate(prompt_of(5), generate_params(0));
      FAIL() << "expected an error";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kRequest);
      EXPECT_STREQ(e.what(), "logits: expected numbers, found a NaN at position 5");
    }
  }
}

}  // namespace
}  // namespace nextn
