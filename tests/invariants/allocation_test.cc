// A step takes no memory: every allocation of this program is counted, over plain steps and over cycles of drafting,
// verifying and accepting. Text on its way out is not part of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "draft/mtp_drafter.h"
#include "engine/engine.h"

static std::atomic<int64_t> g_allocations = 0;  // by any thread

__attribute__((noinline)) void* operator new(size_t size) {
  g_allocations++;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
__attribute__((noinline)) void* operator new(size_t size, const std::nothrow_t&) noexcept {
  g_allocations++;
  return std::malloc(size);
}
__attribute__((noinline)) void* operator new(size_t size, std::align_val_t align) {
  g_allocations++;
  if (void* p = std::aligned_alloc(static_cast<size_t>(align), size)) return p;
  throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void* p) noexcept {
  std::free(p);
}
__attribute__((noinline)) void operator delete(void* p, size_t) noexcept {
  std::free(p);
}
__attribute__((noinline)) void operator delete(void* p, std::align_val_t) noexcept {
  std::free(p);
}
__attribute__((noinline)) void operator delete(void* p, size_t, std::align_val_t) noexcept {
  std::free(p);
}

namespace nextn {
namespace {

class Allocation : public ::testing::TestWithParam<const char*> {};

TEST_P(Allocation, AStepTakesNoMemory) {
  constexpr int kDrafts = 3, kPrompt = 300;  // more positions than one attention piece
  EngineOptions options;
  options.model_path = std::string(NEXTN_TEST_MODELS) + "/" + GetParam() + ".gguf";
  options.n_threads = 2;
  options.n_ctx = 512;
  options.max_draft = kDrafts;
  Engine engine(options);
  Model& model = engine.model();
  Ctx& ctx = engine.ctx();
  SequenceState state(engine.state_shape());
  HeadState head(engine.state_shape(), KvType::kF16, KvType::kF16, engine.backlog_limit());
  const auto n_vocab = static_cast<int32_t>(model.info().n_vocab);
  Sampler greedy({.temp = 0}, n_vocab), hot({.temp = 1, .top_k = 40}, n_vocab), all({.temp = 1, .top_k = 0}, n_vocab);
  std::vector<int32_t> text(kPrompt);
  for (int i = 0; i < kPrompt; i++) text[static_cast<size_t>(i)] = (i * 37 + 11) % n_vocab;
  text.reserve(static_cast<size_t>(options.n_ctx));
  MtpDrafter drafter(model, head, engine.draft_head(), engine.options().max_draft, 0);

  const int64_t before = g_allocations;
  const auto forward = [&](const int32_t* ids, int n_sure, int n_draft) {
    const SequenceRows rows = {&state, ids, n_sure, n_draft};
    return model.forward(ctx, {&rows, 1});
  };
  const auto choose = [&](const TensorView& hidden) {
    const TensorView logits = engine.logits(hidden.rows), max = engine.logits_max(hidden.rows);
    model.logits(ctx, logits, hidden, max);
    for (int64_t r = 0; r < hidden.rows; r++) {
      for (Sampler* s : {&greedy, &hot, &all}) {
        const Sample sample =
            s->sample(logits.row(r), state.length() + r, engine.sampler_scratch(), {max.row(r), ops::kMaxBlock});
        ASSERT_EQ(sample.outcome, SampleOutcome::kToken);
        s->accept(sample.token);
      }
    }
  };
  const TensorView prompt = forward(text.data(), kPrompt, 0);
  const HeadRows pairs[] = {{&head, text.data(), head.backlog_hidden(), 0, 1},
                            {&head, text.data() + 1, prompt.data, 1, kPrompt - 1}};
  model.head_forward(ctx, pairs, HeadOutput::kNone);
  head.consume(1);
  head.extend(kPrompt - 1);
  head.push_hidden(prompt.row(kPrompt - 1));
  text.push_back(7);
  for (int i = 0; i < 4; i++) {  // plain
    const TensorView hidden = forward(&text.back(), 1, 0);
    choose(hidden);
    head.push_hidden(hidden.row(0));
    text.push_back(8 + i);
  }
  for (int cycle = 0; cycle <= kDrafts; cycle++) {  // of which the first `cycle` drafts are kept
    int32_t tokens[1 + kDrafts] = {text.back()};
    drafter.begin(text);
    for (int d = 1; d <= kDrafts; d++) {
      Draft draft;
      ASSERT_TRUE(drafter.next(ctx, &draft));
      tokens[d] = draft.token;
    }
    const TensorView hidden = forward(tokens, 1, kDrafts);
    choose(hidden);
    for (int d = 0; d <= cycle && d < kDrafts; d++) drafter.saw(ctx, d, tokens[d + 1]);
    state.commit(cycle);
    for (int r = 0; r <= cycle; r++) {
      head.push_hidden(hidden.row(r));
      text.push_back(r < cycle ? tokens[r + 1] : 9);
    }
  }
  EXPECT_EQ(g_allocations, before);

  const std::vector<int32_t> copy = text;
  EXPECT_GT(g_allocations, before) << "the counter does not count";
}

INSTANTIATE_TEST_SUITE_P(Models, Allocation,
                         ::testing::Values("tiny-mixed-q8_0", "tiny-mixed-q4_k_m", "tiny-moe-mixed-q4_k_m",
                                           "tiny-next-mixed-q8_0", "tiny-glm45-mixed-q8_0"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace nextn
