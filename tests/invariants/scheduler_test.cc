// Many requests at once: each has the text it has alone, whoever comes and goes beside it.
#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <future>
#include <random>
#include <thread>

#include "invariant_models.h"

namespace nextn {
namespace {

constexpr int kSlots = 4;

EngineOptions parallel_options(const std::string& name) {
  EngineOptions o = engine_options(name);
  o.n_parallel = o.n_sessions = kSlots;
  return o;
}

// What one request asks for, and what came of it.
struct Asked {
  std::vector<int32_t> prompt;
  GenerateParams params;
  std::vector<int32_t> tokens = {};
  std::vector<uint64_t> rows = {};
  GenerateStats stats = {};
  std::string text = {};
  int n_ends = 0;
  std::optional<Error> error = {};
  EndReason end = EndReason::kLength;
  std::shared_ptr<Job> job = {};

  void submit_to(Scheduler& scheduler) {
    Request r = {prompt, params, {}, {}};
    r.params.on_text = [this](std::string_view piece) { text += piece; };
    r.on_done = [this](Generation&& g) {
      n_ends++;
      tokens = std::move(g.tokens);
      rows = std::move(g.row_digests);
      end = g.end_reason;
      stats = std::move(g.stats);
      EXPECT_EQ(text, g.text);
    };
    r.on_error = [this](const Error& e) {
      n_ends++;
      error = e;
    };
    job = scheduler.submit(std::move(r));
  }
};

class SchedulerOf : public testing::TestWithParam<const char*> {};

// Nine requests on four slots, with the head's drafts and without, of two temperatures, arriving at random.
TEST_P(SchedulerOf, ATextIsTheSameAloneAndAmongOthers) {
  Engine engine(parallel_options(GetParam()));
  std::vector<Asked> all;
  for (int i = 0; i < 9; i++) {
    GenerateParams p = generate_params(i % 2 == 0 ? 0 : 1, 20 + 3 * i);
    p.sampling.seed = static_cast<uint64_t>(i);
    all.push_back({prompt_of(i % 3 == 0 ? 300 + i : 5 + 7 * i, i + 1), p});
  }
  std::vector<Generation> alone;
  {
    Session session(engine, false);
    for (const Asked& a : all) alone.push_back(session.generate(a.prompt, a.params));
  }
  for (uint32_t seed = 0; seed < 3; seed++) {
    std::mt19937 random(seed);
    Scheduler scheduler(engine, {});
    std::vector<Asked> asked = all;
    for (size_t at = 0; at < asked.size();) {
      const size_t n = std::min<size_t>(random() % 4, asked.size() - at);
      for (size_t i = 0; i < n; i++, at++) {
        GenerateParams& p = asked[at].params;
        p.draft_max = static_cast<int>(random() % 5);
        p.suffix_max = static_cast<int>(random() % 2) * 6;
        p.adaptive = random() % 2 == 0;
        asked[at].submit_to(scheduler);
      }
      for (uint32_t steps = random() % 6; steps > 0; steps--) scheduler.step();
    }
    while (scheduler.step()) {
    }
    for (size_t i = 0; i < asked.size(); i++) {
      EXPECT_EQ(asked[i].n_ends, 1) << i;
      EXPECT_EQ(asked[i].tokens, alone[i].tokens) << "request " << i << ", seed " << seed;
      EXPECT_EQ(asked[i].rows, alone[i].row_digests) << "request " << i << ", seed " << seed;
    }
    EXPECT_EQ(scheduler.stats().requests, 9);
    EXPECT_GT(scheduler.stats().step_rows, scheduler.stats().steps * 3 / 2) << "they did run together";
  }
}

// Packing goes on while nobody asks for anything, and is over before the second step of those who do.
TEST_P(SchedulerOf, PacksWhileThereIsNothingElseToDo) {
  Engine whole(parallel_options(GetParam()));
  const GenerateParams params = generate_params(1, 20);
  Session session(whole, false);
  const Generation alone = session.generate(prompt_of(20), params);

  EngineOptions o = parallel_options(GetParam());
  o.packing = Packing::kLater;
  for (const bool idle : {false, true}) {
    Engine engine(o);
    ASSERT_FALSE(engine.packed());
    Scheduler scheduler(engine, {});
    std::vector<Asked> asked(3, Asked{prompt_of(20), params});
    std::thread thread;
    if (idle) {
      thread = std::thread([&] { scheduler.run(); });
      for (bool packed = false; !packed;) {
        const auto seen = std::make_shared<std::promise<bool>>();  // on the engine's thread
        scheduler.hold(0, [&engine, seen](Session&) { seen->set_value(engine.packed()); });
        packed = seen->get_future().get();
        scheduler.release(0);
      }
    }
    for (Asked& a : asked) a.submit_to(scheduler);
    if (idle) {
      scheduler.drain();
      thread.join();
    } else {
      scheduler.step();
      EXPECT_FALSE(engine.packed());
      while (scheduler.step()) {
      }
    }
    EXPECT_TRUE(engine.packed());
    for (const Asked& a : asked) {
      EXPECT_EQ(a.tokens, alone.tokens);
      EXPECT_EQ(a.rows, alone.row_digests);
    }
  }
}

// The head drafts for several in one pass what it drafts for each alone: as many of them are right, place by place.
TEST_P(SchedulerOf, DraftsAreTheSameAloneAndAmongOthers) {
  Engine engine(parallel_options(GetParam()));
  std::vector<Asked> asked;
  for (int i = 0; i < kSlots; i++) {
    GenerateParams p = generate_params(0, 30 + 7 * i);
    p.draft_max = 3;
    asked.push_back({prompt_of(5 + 7 * i, i + 1), p});
  }
  std::vector<GenerateStats> alone;
  for (const Asked& a : asked) {
    Session session(engine);
    alone.push_back(session.generate(a.prompt, a.params).stats);
  }
  Scheduler scheduler(engine, {});
  for (Asked& a : asked) a.submit_to(scheduler);
  while (scheduler.step()) {
  }
  int64_t n_right = 0;
  for (size_t i = 0; i < asked.size(); i++) {
    EXPECT_EQ(asked[i].stats.cycles, alone[i].cycles) << i;
    EXPECT_EQ(asked[i].stats.drafted, alone[i].drafted) << i;
    EXPECT_EQ(asked[i].stats.accepted, alone[i].accepted) << i;
    for (const int64_t n : alone[i].accepted) n_right += n;
  }
  if (engine.model().info().has_head) {
    EXPECT_GT(n_right, 10);
  }
}

// A sequence of the head's own, after hidden states that no trunk has made.
struct HeadText {
  HeadText(Engine& engine, int n, uint32_t seed)
      : state(engine.state_shape(), KvType::kF16, KvType::kF16, engine.backlog_limit()), tokens(prompt_of(n, seed)) {
    std::mt19937 random(seed);
    std::vector<float> hidden(static_cast<size_t>(engine.model().info().n_embd));
    for (int i = 1; i < n; i++) {
      for (float& x : hidden) x = std::normal_distribution<float>(0, 1)(random);
      state.push_hidden(hidden.data());
    }
  }

  HeadState state;
  std::vector<int32_t> tokens;
};

class HeadOf : public testing::TestWithParam<const char*> {};

TEST_P(HeadOf, APassForSeveralHasTheBitsOfEachAlone) {
  Engine engine(parallel_options(GetParam()));
  constexpr int kDrafts = 4;
  const auto begin = [&](HeadText& text, std::optional<MtpDrafter>& drafter) {
    drafter.emplace(engine.model(), text.state, engine.draft_head(), kDrafts, 0);
    drafter->begin(text.tokens);
  };
  std::vector<std::vector<Draft>> alone(3);
  for (uint32_t i = 0; i < 3; i++) {
    HeadText text(engine, 2 + 3 * static_cast<int>(i), i + 1);
    std::optional<MtpDrafter> drafter;
    begin(text, drafter);
    for (int n = 0; n < kDrafts; n++) drafter->next(engine.ctx(), &alone[i].emplace_back());
  }
  HeadText a(engine, 2, 1), b(engine, 5, 2), c(engine, 8, 3);
  HeadText* const texts[] = {&a, &b, &c};
  std::optional<MtpDrafter> drafters[3];
  for (size_t i = 0; i < 3; i++) begin(*texts[i], drafters[i]);
  for (int n = 0; n < kDrafts; n++) {
    // The first has enough after two.
    std::vector<MtpDrafter*> drafting = {&*drafters[1], &*drafters[2]};
    if (n < 2) drafting.insert(drafting.begin(), &*drafters[0]);
    std::vector<Draft> drafts(drafting.size());
    MtpDrafter::next(engine.ctx(), drafting, drafts.data());
    for (size_t i = 0; i < drafts.size(); i++) {
      const Draft& expected = alone[i + 3 - drafts.size()][static_cast<size_t>(n)];
      EXPECT_EQ(drafts[i].token, expected.token) << "draft " << n << " of " << i;
      EXPECT_EQ(drafts[i].p, expected.p) << "draft " << n << " of " << i;
    }
  }
}

// Their drafts depend on the hidden state, those of mixed models on the token alone.
INSTANTIATE_TEST_SUITE_P(Models, HeadOf,
                         testing::Values("tiny-loud-q8_0", "tiny-moe-loud-q4_k_m", "tiny-glm46-loud-f32",
                                         "tiny-next-loud-f32"),
                         name_of_param);

INSTANTIATE_TEST_SUITE_P(Models, SchedulerOf,
                         testing::Values("tiny-mixed-q8_0", "tiny-moe-mixed-q4_k_m", "tiny-glm46-mixed-q4_k_m",
                                         "tiny-next-mixed-q8_0", "tiny-llama-mixed-q4_k_m"),
                         name_of_param);

class SchedulerTest : public testing::Test {
 protected:
  SchedulerTest() : engine_(parallel_options("tiny-mixed-q8_0")) {}

  Engine engine_;
};

TEST_F(SchedulerTest, ACancelledRequestEndsBeforeTheNextStepAndLeavesTheOthersAlone) {
  Scheduler scheduler(engine_, {});
  std::vector<Asked> asked;
  for (int i = 0; i < 6; i++) asked.push_back({prompt_of(9, i), generate_params(0, 40)});
  for (Asked& a : asked) a.submit_to(scheduler);
  for (int i = 0; i < 5; i++) scheduler.step();
  asked[1].job->cancel();
  asked[5].job->cancel();  // has no slot yet
  scheduler.step();
  EXPECT_EQ(asked[1].n_ends, 1);
  EXPECT_EQ(asked[1].end, EndReason::kInterrupt);
  EXPECT_GT(asked[1].tokens.size(), 0u);
  EXPECT_EQ(asked[5].n_ends, 1);
  EXPECT_EQ(asked[5].end, EndReason::kInterrupt);
  EXPECT_EQ(asked[5].tokens.size(), 0u);
  while (scheduler.step()) {
  }
  Session session(engine_);
  for (const int i : {0, 2, 3, 4}) {
    EXPECT_EQ(asked[static_cast<size_t>(i)].tokens,
              session.generate(asked[static_cast<size_t>(i)].prompt, generate_params(0, 40)).tokens);
  }
  EXPECT_EQ(scheduler.stats().cancelled, 2);
}

// Two prompts are read, the first of which takes all rows.
TEST_F(SchedulerTest, ACancelledPromptThatWaitsForRowsEndsAtOnce) {
  EngineOptions o = parallel_options("tiny-mixed-q8_0");
  o.row_limit = 32;
  Engine engine(o);
  Scheduler scheduler(engine, {});
  Asked first = {prompt_of(300, 1), generate_params(0, 8)}, second = {prompt_of(300, 2), generate_params(0, 8)};
  first.submit_to(scheduler);
  second.submit_to(scheduler);
  scheduler.step();
  second.job->cancel();
  scheduler.step();
  EXPECT_EQ(second.n_ends, 1);
  EXPECT_EQ(second.end, EndReason::kInterrupt);
  EXPECT_EQ(first.n_ends, 0);
  while (scheduler.step()) {
  }
  Session session(engine);
  EXPECT_EQ(first.tokens, session.generate(first.prompt, generate_params(0, 8)).tokens);
}

TEST_F(SchedulerTest, AnErrorEndsItsOwnRequestAlone) {
  Scheduler scheduler(engine_, {});
  Asked bad = {prompt_of(9), generate_params(0, 10)}, good = bad;
  for (int32_t id = 0; id < engine_.model().info().n_vocab; id++)
    bad.params.sampling.logit_bias.push_back({id, -INFINITY});
  bad.submit_to(scheduler);
  good.submit_to(scheduler);
  while (scheduler.step()) {
  }
  ASSERT_TRUE(bad.error);
  EXPECT_STREQ(bad.error->what(), "logit bias: expected a token that is not banned, found none at position 9");
  EXPECT_FALSE(good.error);
  EXPECT_EQ(good.tokens.size(), 10u);
}

TEST_F(SchedulerTest, WhatCannotBeServedIsRefusedAtOnce) {
  Scheduler scheduler(engine_, {.queue_limit = 2});
  const auto message = [&](Asked a) {
    try {
      a.submit_to(scheduler);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  Asked improper = {{1}, generate_params(0)};
  improper.params.sampling.top_p = 2;
  EXPECT_EQ(message({{}, generate_params(0)}), "prompt: expected at least one token, found none");
  EXPECT_EQ(message({{1, 9999}, generate_params(0)}), "prompt: token 1: expected an id from 0 to 2047, found 9999");
  EXPECT_NE(message(improper), "");
  Asked a = {{1}, generate_params(0, 2)}, b = a, c = a, d = a;
  a.submit_to(scheduler);
  b.submit_to(scheduler);
  EXPECT_EQ(message(c), "queue: expected room for 1 of 2 waiting requests, found 2 waiting");
  scheduler.step();
  c.submit_to(scheduler);
  scheduler.drain();
  EXPECT_EQ(message(d), "the server is ending and takes no more requests");
  scheduler.run();  // to the end
  EXPECT_EQ(a.n_ends + b.n_ends + c.n_ends, 3);
}

// A conversation goes on in the slot that knows it, beside others.
TEST_F(SchedulerTest, ASecondTurnReadsOnlyWhatIsNew) {
  Scheduler scheduler(engine_, {});
  Asked first = {prompt_of(200, 1), generate_params(0, 10)}, other = {prompt_of(200, 2), generate_params(0, 10)};
  first.submit_to(scheduler);
  other.submit_to(scheduler);
  while (scheduler.step()) {
  }
  Asked second = first;
  second.text.clear();
  second.prompt.insert(second.prompt.end(), first.tokens.begin(), first.tokens.end());
  second.prompt.push_back(300);
  const int64_t before = scheduler.stats().prompt_tokens;
  second.submit_to(scheduler);
  while (scheduler.step()) {
  }
  EXPECT_EQ(scheduler.stats().prompt_tokens - before, 2);
  EXPECT_EQ(scheduler.stats().cached_tokens, 209);
  Session session(engine_);
  EXPECT_EQ(second.tokens, session.generate(second.prompt, generate_params(0, 10)).tokens);
}

// While others write, a prompt is read in pieces as large as the step may become slower.
TEST_F(SchedulerTest, APromptDoesNotStallTheOthers) {
  std::vector<double> verify;
  for (int rows = 1; rows <= engine_.logit_rows(); rows++) verify.push_back(100 + 10 * rows);
  engine_.costs() = StepCosts(verify, {1, 1});
  Scheduler scheduler(engine_, {.prefill_slowdown = 2});
  Asked writing = {prompt_of(5, 1), generate_params(0, 60)}, reading = {prompt_of(700, 2), generate_params(0, 5)};
  writing.submit_to(scheduler);
  scheduler.step();
  reading.submit_to(scheduler);
  int64_t most = 0, before = scheduler.stats().step_rows;
  size_t n_text = writing.text.size();
  for (int i = 0; i < 20; i++) {
    scheduler.step();
    most = std::max(most, scheduler.stats().step_rows - before);
    before = scheduler.stats().step_rows;
    EXPECT_GT(writing.text.size(), n_text) << "a token in every step";
    n_text = writing.text.size();
  }
  EXPECT_GE(most, 8);
  EXPECT_LE(most, 14);  // (100 + 10 * 14) / (100 + 10 * 1) is 2.2, less what the machine's own steps have corrected
  while (scheduler.step()) {
  }
  EXPECT_EQ(reading.tokens.size(), 5u);
}

// The largest step there is: all the rows that prompts may have, and all that may have logits.
TEST_F(SchedulerTest, TheLargestStepHasRoom) {
  Scheduler scheduler(engine_, {.prefill_slowdown = 1e9});
  std::vector<Asked> asked;
  for (int i = 0; i < kSlots; i++) asked.push_back({prompt_of(i < 2 ? 5 : 900, i), generate_params(0, 30)});
  for (Asked& a : asked) a.params.draft_max = 8;
  for (int i = 0; i < kSlots; i++) {
    asked[static_cast<size_t>(i)].submit_to(scheduler);
    if (i < 2) scheduler.step();
  }
  const int64_t before = scheduler.stats().step_rows;
  scheduler.step();
  EXPECT_GT(scheduler.stats().step_rows - before, engine_.options().row_limit);
  while (scheduler.step()) {
  }
  Session session(engine_, false);
  for (const Asked& a : asked) {
    GenerateParams plain = a.params;
    plain.draft_max = 0;
    EXPECT_EQ(a.tokens, session.generate(a.prompt, plain).tokens);
  }
}

TEST_F(SchedulerTest, RequestsFromManyThreads) {
  Scheduler scheduler(engine_, {});
  std::thread steps([&] { scheduler.run(); });
  std::vector<Asked> asked;
  for (int i = 0; i < 24; i++) asked.push_back({prompt_of(3 + i, i), generate_params(1, 12)});
  {
    std::vector<std::jthread> clients;
    for (size_t c = 0; c < 4; c++) {
      clients.emplace_back([&, c] {
        for (size_t i = c; i < asked.size(); i += 4) {
          asked[i].submit_to(scheduler);
          if (i % 5 == 0) asked[i].job->cancel();
          scheduler.stats();
        }
      });
    }
  }
  scheduler.drain();
  steps.join();
  Session session(engine_);
  for (size_t i = 0; i < asked.size(); i++) {
    EXPECT_EQ(asked[i].n_ends, 1) << i;
    if (i % 5 == 0) continue;
    EXPECT_EQ(asked[i].tokens, session.generate(asked[i].prompt, generate_params(1, 12)).tokens) << i;
  }
}

}  // namespace
}  // namespace nextn
