// Weights that are packed after the engine has started: whatever is packed by then, every bit is what it is with all of
// them packed.
#include <atomic>
#include <filesystem>
#include <tuple>

#include "engine/session.h"
#include "engine/step_runner.h"
#include "tiny_model.h"

namespace nextn {
namespace {

constexpr const char* kModels[] = {"tiny-loud-f32",        "tiny-mixed-q4_k_m",      "tiny-tied-q8_0",
                                   "tiny-no-head",         "tiny-moe-loud-q4_k_m",   "tiny-glm45-mixed-q8_0",
                                   "tiny-next-mixed-q8_0", "tiny-llama-mixed-q4_k_m"};

EngineOptions options_for(const char* name, Packing packing) {
  EngineOptions o = open_options(name);
  o.n_threads = 2;
  o.packing = packing;
  return o;
}

TEST(Packing, ComputesTheSameAtEveryMoment) {
  const std::vector<int32_t> tokens = random_tokens(9, 40);
  for (const char* name : kModels) {
    SCOPED_TRACE(name);
    const Dump expected = dump(options_for(name, Packing::kAtOnce), tokens);
    Engine engine(options_for(name, Packing::kLater));
    for (int n = 0; !engine.packed(); n++) {
      if (n % 7 == 0) expect_same(dump(engine, tokens), expected);
      engine.pack_some();
      ASSERT_LT(n, 1000);
    }
    expect_same(dump(engine, tokens), expected);
    EXPECT_EQ(engine.ctx().tiles.size_bytes(), 0u);
  }
}

GenerateParams params_for(int n_predict) {
  GenerateParams p;
  p.sampling.temp = 1;
  p.sampling.seed = 5;
  p.n_predict = n_predict;
  p.ignore_eos = true;
  p.digest = true;
  return p;
}

TEST(Packing, ATextBegunBeforeItGoesOnAfterIt) {
  constexpr int kMost = static_cast<int>(StepRunner::kMostUnpacked);
  for (const char* name : kModels) {
    SCOPED_TRACE(name);
    Engine packed(options_for(name, Packing::kAtOnce));
    EXPECT_TRUE(packed.packed());
    Session expected(packed);
    for (const int n_prompt : {1, kMost, kMost + 1}) {
      const std::vector<int32_t> prompt = random_tokens(3, n_prompt);
      EngineOptions o = options_for(name, Packing::kLater);
      o.draft_vocab = 2048;  // through a sketch, which is drawn when the LM head is packed
      Engine engine(o);
      Session session(engine);
      session.generate(prompt, params_for(1));
      EXPECT_EQ(engine.packed(), n_prompt > kMost) << n_prompt;
      session.clear();
      const Generation a = session.generate(prompt, params_for(24));
      EXPECT_TRUE(engine.packed());
      EXPECT_GT(engine.pack_ms(), 0);
      const Generation b = expected.generate(prompt, params_for(24));
      EXPECT_EQ(a.tokens, b.tokens);
      EXPECT_EQ(a.row_digests, b.row_digests);
      EXPECT_EQ(session.state_digest(), expected.state_digest());
      if (!engine.model().info().has_head) continue;
      EXPECT_TRUE(engine.draft_head().cut());
      EXPECT_GT(engine.draft_head().agreement(), 0.9);
    }
  }
}

TEST(Packing, AShortPromptReadInTwoStepsDoesNotWaitForIt) {
  const std::vector<int32_t> prompt = random_tokens(3, 20);
  for (const auto& [row_limit, n_checkpoints, packed] :
       {std::tuple(512, 2, false), std::tuple(10, 0, false), std::tuple(9, 0, true)}) {
    EngineOptions o = options_for("tiny-mixed-q4_k_m", Packing::kLater);
    o.max_draft = 0;  // the rows after a checkpoint have a step of their own
    o.row_limit = row_limit;
    o.n_checkpoints = n_checkpoints;
    Engine engine(o);
    Session(engine).generate(prompt, params_for(1));
    EXPECT_EQ(engine.packed(), packed) << row_limit;
  }
}

TEST(Packing, NobodyWaitsForItWhoIsToldToEnd) {
  Engine engine(options_for("tiny-mixed-q4_k_m", Packing::kLater));
  const std::atomic<bool> stop = true;
  GenerateParams params = params_for(8);
  params.stop = &stop;
  const Generation g = Session(engine).generate(random_tokens(3, 100), params);
  EXPECT_EQ(g.end_reason, EndReason::kInterrupt);
  EXPECT_FALSE(engine.packed());
}

TEST(Packing, IsAPartOfLoadingWhenAskedFor) {
  Engine engine(options_for("tiny-mixed-q4_k_m", Packing::kLater));
  const double before = engine.load_ms();
  engine.pack();
  EXPECT_TRUE(engine.packed());
  EXPECT_EQ(engine.pack_ms(), 0);
  EXPECT_GT(engine.load_ms(), before);
  engine.pack_some();  // nothing
  EXPECT_EQ(engine.pack_ms(), 0);
}

TEST(Packing, WhileItIsQuickComputesTheSame) {
  const std::vector<int32_t> tokens = random_tokens(9, 40);
  for (const char* name : kModels) {
    SCOPED_TRACE(name);
    expect_same(dump(options_for(name, Packing::kWhileQuick), tokens),
                dump(options_for(name, Packing::kAtOnce), tokens));
  }
}

TEST(Packing, IsAtOnceWhereAnotherTimeWouldBreakAPromise) {
  const char* const name = "tiny-mixed-q4_k_m";
  const auto packed = [](const EngineOptions& o) { return Engine(o).packed(); };
  EngineOptions o = options_for(name, Packing::kLater);
  EXPECT_FALSE(packed(o));
  o.map = false;
  EXPECT_TRUE(packed(o)) << "what is not mapped is not used where it lies";
  o = options_for(name, Packing::kLater);
  o.lock = true;
  EXPECT_TRUE(packed(o)) << "locked, it is to be in memory from the start";
  o = options_for(name, Packing::kLater);
  o.memory_limit = Engine(o).plan().total + (1 << 10);
  EXPECT_TRUE(packed(o)) << "the file has no room in the cache beside it and would be read twice";
  o.memory_limit += std::filesystem::file_size(o.model_path);
  EXPECT_FALSE(packed(o));
  o.draft_path = model_path(name);
  o.memory_limit = 0;
  EXPECT_TRUE(packed(o)) << "a draft model is loaded whole";
}

// Matrices of a file, packed in pieces of a few tiles.
TEST(Packing, APieceOfAMatrixAtATime) {
  const gguf::File file = gguf::File::open(model_path("tiny-moe-loud-q4_k_m"));
  ThreadPool pool(2);
  const auto shape = [&](const std::string& name) { return file.tensor(name)->shape; };
  const std::string head = "output.weight", experts = "blk.0.ffn_down_exps.weight";
  struct Weights {
    Weight head, experts;
  };
  const auto bind = [&](WeightLoader& loader, Weights& w) {
    const auto h = shape(head), e = shape(experts);
    loader.matrix(w.head, head, h[0], h[1], WeightRole::kLmHead);
    loader.experts(w.experts, experts, e[0], e[1], e[2], 1, WeightRole::kExperts);
  };
  WeightLoader at_once(file), later(file);
  Weights a, b;
  bind(at_once, a);
  at_once.load(pool, {});
  EXPECT_TRUE(at_once.loaded());
  bind(later, b);
  const size_t piece = 3 * tile_bytes(a.head.format, a.head.k);
  later.load(pool, {.packing = Packing::kLater, .piece_bytes = piece});
  std::vector<uint64_t> done;
  int n_head = 0;
  for (; !later.loaded(); n_head += b.head.tiles == nullptr) {
    EXPECT_TRUE(b.experts.tiles == nullptr && b.experts.in_file.data != nullptr);
    EXPECT_NE(b.head.tiles == nullptr, b.head.in_file.data == nullptr);
    later.load_some(pool, [&](uint64_t n, uint64_t total) {
      done.push_back(n);
      EXPECT_EQ(total, a.head.tiles_bytes() + a.experts.tiles_bytes());
    });
  }
  EXPECT_EQ(n_head, (a.head.n_tiles() + 2) / 3 - 1);
  EXPECT_TRUE(std::ranges::is_sorted(done));
  EXPECT_EQ(done.back(), a.head.tiles_bytes() + a.experts.tiles_bytes());
  EXPECT_EQ(std::memcmp(a.head.tiles, b.head.tiles, a.head.tiles_bytes()), 0);
  EXPECT_EQ(std::memcmp(a.experts.tiles, b.experts.tiles, a.experts.tiles_bytes()), 0);
}

}  // namespace
}  // namespace nextn
