// Going back to a checkpoint, and taking over another session's: the text that follows is the one of a session that has
// read everything afresh, bit by bit.
#include <gtest/gtest.h>

#include "engine/scheduler.h"
#include "engine/session.h"
#include "invariant_models.h"

namespace nextn {
namespace {

EngineOptions checkpoint_options(const std::string& name, int max_draft = 8) {
  EngineOptions o = engine_options(name);
  o.n_ctx = 2048;
  o.row_limit = 128;
  o.max_draft = max_draft;
  o.n_checkpoints = 3;
  o.n_parallel = o.n_sessions = 3;
  return o;
}

GenerateParams drafting(int n_predict, float temp = 0) {
  GenerateParams p = generate_params(temp, n_predict);
  p.draft_max = 4;
  return p;
}

std::vector<int32_t> joined(std::vector<int32_t> a, const std::vector<int32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<int32_t> first(const std::vector<int32_t>& all, int n) {
  return {all.begin(), all.begin() + n};
}

class CheckpointOf : public testing::TestWithParam<const char*> {
 protected:
  // What `session` writes is what a new one writes; `cached` tokens of the prompt were known to it.
  void expect_same(Engine& engine, Session& session, const std::vector<int32_t>& prompt, const GenerateParams& params,
                   int64_t cached) {
    const Generation got = session.generate(prompt, params);
    const uint64_t state = session.state_digest(), head = session.head_digest();
    Session afresh(engine);
    const Generation want = afresh.generate(prompt, params);
    EXPECT_EQ(got.stats.cached_n, cached);
    EXPECT_EQ(want.stats.cached_n, 0);
    EXPECT_EQ(got.tokens, want.tokens);
    EXPECT_EQ(got.row_digests, want.row_digests);
    EXPECT_EQ(state, afresh.state_digest());
    EXPECT_EQ(head, afresh.head_digest());
  }
};

TEST_P(CheckpointOf, AnotherAnswerAndTheNextTurnGoOnFromNearTheEnd) {
  for (const int max_draft : {8, 2}) {  // with room for the tail among the draft rows, and without
    Engine engine(checkpoint_options(GetParam(), max_draft));
    Session session(engine);
    const std::vector<int32_t> turn = prompt_of(300, 1);
    const Generation answer = session.generate(turn, drafting(20));
    expect_same(engine, session, turn, drafting(20, 1), 293);
    expect_same(engine, session, joined(first(turn, 295), prompt_of(50, 2)), drafting(20), 293);
    // Back in the older text it is read again, since its checkpoints are gone.
    expect_same(engine, session, joined(first(turn, 200), prompt_of(40, 3)), drafting(10), 0);
  }
}

// A question is asked in another way, and in the first way again, after a long text.
TEST_P(CheckpointOf, TheLastTurnsAreKept) {
  Engine engine(checkpoint_options(GetParam()));
  Session session(engine);
  const std::vector<int32_t> text = prompt_of(1200, 4);
  session.generate(text, drafting(5));
  for (int i = 0; i < 3; i++)
    expect_same(engine, session, joined(first(text, 1195), prompt_of(40, i)), drafting(5), 1193);
}

TEST_P(CheckpointOf, AnEditGoesBackToTheGrid) {
  Engine engine(checkpoint_options(GetParam()));
  Session session(engine);
  const std::vector<int32_t> text = prompt_of(1500, 4);
  session.generate(text, drafting(5));
  expect_same(engine, session, joined(first(text, 1100), prompt_of(30, 5)), drafting(12), 1024);
  expect_same(engine, session, joined(first(text, 600), prompt_of(30, 6)), drafting(12), 512);
  expect_same(engine, session, joined(first(text, 400), prompt_of(30, 7)), drafting(12), 0);
}

TEST_P(CheckpointOf, ASessionTakesOverWhatAnotherHasRead) {
  Engine engine(checkpoint_options(GetParam()));
  Session source(engine), session(engine);
  const std::vector<int32_t> system = prompt_of(700, 8);
  source.generate(joined(system, prompt_of(20, 9)), drafting(9));
  const uint64_t before = source.state_digest();
  const std::vector<int32_t> other = joined(system, prompt_of(60, 10));
  session.generate(prompt_of(100, 11), drafting(5));  // something else is in it
  session.share(source, other);
  expect_same(engine, session, other, drafting(16), 512);
  EXPECT_EQ(source.state_digest(), before);
  session.share(source, prompt_of(50, 12));
  EXPECT_EQ(session.length(), 0);
}

// Three that begin alike, at the same time, and one that comes back.
TEST_P(CheckpointOf, RequestsShareWhatTheyBeginWith) {
  Engine engine(checkpoint_options(GetParam()));
  Scheduler scheduler(engine, {});
  const std::vector<int32_t> system = prompt_of(900, 13);
  std::vector<std::vector<int32_t>> texts(4), prompts;
  for (int i = 0; i < 4; i++) prompts.push_back(joined(system, prompt_of(10 + i, 20 + i)));
  int64_t cached[4] = {};
  const auto submit = [&](size_t i) {
    Request r;
    r.prompt = prompts[i];
    r.params = drafting(30, 1);
    r.on_done = [&, i](Generation&& g) {
      texts[i] = std::move(g.tokens);
      cached[i] = g.stats.cached_n;
    };
    r.on_error = [](const Error& e) { ADD_FAILURE() << e.what(); };
    scheduler.submit(std::move(r));
  };
  submit(0);
  for (int i = 0; i < 8; i++) scheduler.step();  // the first one has read its prompt and writes
  submit(1);
  submit(2);
  submit(3);
  while (scheduler.step()) {
  }
  EXPECT_EQ(cached[0], 0);
  for (size_t i = 0; i < 4; i++) {
    EXPECT_GE(cached[i], i > 0 ? 512 : 0) << i;
    Session session(engine);
    EXPECT_EQ(texts[i], session.generate(prompts[i], drafting(30, 1)).tokens) << i;
  }
}

EngineOptions one_slot_options(const std::string& name) {
  EngineOptions o = checkpoint_options(name);
  o.n_parallel = o.n_sessions = 1;
  o.keep_texts = true;
  o.cache_limit = 64 << 20;
  return o;
}

// One after another, with the tokens of each prompt that were known.
struct Answer {
  std::vector<int32_t> tokens;
  int64_t cached_n = 0;
};
Answer ask(Scheduler& scheduler, const std::vector<int32_t>& prompt) {
  Answer answer;
  Request r;
  r.prompt = prompt;
  r.params = drafting(20, 1);
  r.on_done = [&](Generation&& g) { answer = {std::move(g.tokens), g.stats.cached_n}; };
  r.on_error = [](const Error& e) { ADD_FAILURE() << e.what(); };
  scheduler.submit(std::move(r));
  while (scheduler.step()) {
  }
  return answer;
}

// Three conversations in turn, three turns each, on one slot.
TEST_P(CheckpointOf, ATextThatLeftItsSlotComesBack) {
  Engine engine(one_slot_options(GetParam()));
  Scheduler scheduler(engine, {});
  std::vector<std::vector<int32_t>> conversations;
  for (int i = 0; i < 3; i++) conversations.push_back(prompt_of(300 + 50 * i, 40 + i));
  for (int turn = 0; turn < 3; turn++) {
    for (size_t i = 0; i < conversations.size(); i++) {
      SCOPED_TRACE(fmt::format("turn {} of conversation {}", turn, i));
      std::vector<int32_t>& text = conversations[i];
      const int64_t known = std::ssize(text) - 10;
      const Answer answer = ask(scheduler, text);
      EXPECT_GE(answer.cached_n, turn > 0 ? known : 0);
      Session session(engine);
      ASSERT_EQ(answer.tokens, session.generate(text, drafting(20, 1)).tokens);
      text = joined(joined(text, answer.tokens), prompt_of(9, 50 + turn));
    }
  }
  const SchedulerStats stats = scheduler.stats();
  EXPECT_EQ(stats.kept_texts, 2);
  EXPECT_GT(stats.kept_bytes, 0u);
  EXPECT_LE(stats.kept_bytes, engine.plan().kept_texts);
}

TEST(Checkpoints, ThePlanHasThem) {
  Engine engine(checkpoint_options("tiny-mixed-q8_0"));
  Session session(engine);
  uint64_t planned = 0, taken = 0;
  for (const MemoryPart& part : engine.plan().parts) planned += part.name == "checkpoints" ? part.bytes : 0;
  for (const MemoryPart& part : session.memory()) taken += part.name == "checkpoints" ? part.bytes : 0;
  EXPECT_GT(taken, 0u);
  EXPECT_EQ(planned, 3 * taken);
}

// Two conversations that begin alike and one of its own, on one slot: what one takes over of another, out of the slot
// or from where it is kept, is not lost to that one.
TEST_P(CheckpointOf, ATextThatLeftItsSlotStaysForOthersToo) {
  Engine engine(one_slot_options(GetParam()));
  for (const bool from_slot : {false, true}) {
    Scheduler scheduler(engine, {});
    const std::vector<int32_t> system = prompt_of(700, 60);
    std::vector<int32_t> first = joined(system, prompt_of(300, 61)), second = joined(system, prompt_of(150, 62)),
                         other = prompt_of(200, 63);
    for (int turn = 0; turn < 2; turn++) {
      using Texts = std::vector<std::vector<int32_t>*>;
      for (std::vector<int32_t>* text : from_slot ? Texts{&other, &first, &second} : Texts{&first, &other, &second}) {
        SCOPED_TRACE(fmt::format("turn {} of one of {} tokens", turn, text->size()));
        const Answer answer = ask(scheduler, *text);
        EXPECT_GE(answer.cached_n, turn > 0 ? std::ssize(*text) - 10 : text == &second ? 512 : 0);
        Session session(engine);
        ASSERT_EQ(answer.tokens, session.generate(*text, drafting(20, 1)).tokens);
        *text = joined(joined(*text, answer.tokens), prompt_of(9, 50));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, CheckpointOf,
                         testing::Values("tiny-mixed-q8_0", "tiny-moe-mixed-q4_k_m", "tiny-glm45-mixed-q8_0",
                                         "tiny-next-mixed-q8_0", "tiny-qwen3-mixed-q8_0", "tiny-no-head"),
                         name_of_param);

// Of texts that one slot has had, those stay for which there is room: a short one saves least for its size and goes
// before a longer one that came earlier, but not before everything that comes later.
TEST(PrefixCache, KeepsWhatSavesMost) {
  Engine engine(checkpoint_options("tiny-mixed-q8_0"));
  Session session(engine);
  const auto filled = [&](int n, int seed) -> Session& {
    GenerateParams p = drafting(1);
    p.draft_max = 0;
    session.generate(prompt_of(n, seed), p);
    return session;
  };
  const auto knows = [&](const PrefixCache& cache, int n, int seed) {
    return cache.resumable(joined(prompt_of(n, seed), {1, 2})) >= n;
  };
  PrefixCache all(UINT64_MAX);
  all.put(filled(1000, 1));
  const uint64_t one = all.bytes();
  all.put(filled(1000, 1));
  EXPECT_EQ(all.n_texts(), 1u) << "the same text twice";
  all.put(filled(100, 2));
  const uint64_t room = all.bytes() + one / 8;

  PrefixCache cache(room);
  cache.put(filled(1000, 1));
  cache.put(filled(100, 2));
  EXPECT_EQ(cache.n_texts(), 2u);
  cache.put(filled(120, 3));
  EXPECT_TRUE(knows(cache, 1000, 1));
  EXPECT_FALSE(knows(cache, 100, 2));
  EXPECT_TRUE(knows(cache, 120, 3));
  for (int i = 4; i < 40 && knows(cache, 1000, 1); i++) cache.put(filled(120, i));
  EXPECT_FALSE(knows(cache, 1000, 1)) << "nobody came back to it";
  EXPECT_LE(cache.bytes(), room);

  PrefixCache small(one / 2), none(0);
  small.put(filled(100, 2));
  small.put(filled(1000, 1));
  none.put(session);
  EXPECT_TRUE(knows(small, 100, 2)) << "makes no way for what there is no room for";
  EXPECT_EQ(small.n_texts() + none.n_texts(), 1u);
}

TEST(PrefixCache, GivesBackTheStateThatItWasGiven) {
  Engine engine(checkpoint_options("tiny-mixed-q8_0"));
  Session session(engine), another(engine);
  session.generate(prompt_of(700, 1), drafting(20));
  another.generate(prompt_of(300, 2), drafting(20));
  const uint64_t state = session.state_digest(), head = session.head_digest();
  PrefixCache cache(UINT64_MAX);
  cache.put(session);
  cache.take(joined({session.text().begin(), session.text().end()}, {1}), another);
  EXPECT_EQ(another.state_digest(), state);
  EXPECT_EQ(another.head_digest(), head);
  EXPECT_EQ(another.checkpoints().lengths(), session.checkpoints().lengths());
  for (const int64_t length : session.checkpoints().lengths()) {
    EXPECT_TRUE(std::ranges::equal(another.checkpoints().bytes(length), session.checkpoints().bytes(length))) << length;
  }
  EXPECT_GE(cache.resumable(prompt_of(300, 2)), 256) << "and keeps what was in its place";
  EXPECT_EQ(cache.n_texts(), 1u);
}

TEST(PrefixCache, ThePlanHasIt) {
  EngineOptions o = checkpoint_options("tiny-mixed-q8_0");
  const auto kept = [&] { return Engine(o).plan().kept_texts; };
  EXPECT_EQ(kept(), 0u);
  o.keep_texts = true;
  uint64_t sessions = 0;
  const Engine engine(o);
  for (const MemoryPart& part : engine.plan().parts) {
    if (part.name == "kv" || part.name == "head_kv" || part.name == "delta_net_state" || part.name == "checkpoints") {
      sessions += part.bytes;
    }
  }
  sessions += static_cast<uint64_t>(o.n_sessions * o.n_ctx) * sizeof(int32_t);
  EXPECT_EQ(engine.plan().kept_texts, sessions / 3 * 4) << "one more";
  o.cache_limit = sessions;  // room for all checkpoints, then for texts
  EXPECT_LT(kept(), sessions);
  EXPECT_GT(kept(), 0u);
  const Engine limited(o);
  o.memory_limit = limited.plan().total - 1000;
  EXPECT_EQ(kept(), limited.plan().kept_texts - 1000) << "no context is given up for it";
}

}  // namespace
}  // namespace nextn
