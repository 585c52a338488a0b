// The plan is what is taken, part by part; a plan that does not fit shrinks the context, leaves weights in the file or
// is refused; and none of that changes a bit of what is computed.
#include "engine/plan.h"

#include "engine/draft_model.h"
#include "engine/session.h"
#include "tiny_model.h"

namespace nextn {
namespace {

constexpr const char* kModels[] = {"tiny-loud-f32",          "tiny-loud-f16",          "tiny-loud-q8_0",
                                   "tiny-loud-q4_k_m",       "tiny-loud-q5_k_m",       "tiny-tied-q4_k_m",
                                   "tiny-tied-q8_0",         "tiny-no-head",           "tiny-moe-loud-f32",
                                   "tiny-moe-loud-q4_k_m",   "tiny-glm45-loud-q8_0",   "tiny-next-mixed-q8_0",
                                   "tiny-qwen2-loud-q4_k_m", "tiny-llama-mixed-q4_k_m"};

uint64_t bytes_of(const MemoryPlan& plan, const std::string& name) {
  for (const MemoryPart& part : plan.parts) {
    if (part.name == name) return part.bytes;
  }
  ADD_FAILURE() << name;
  return 0;
}

MemoryPlan plan_of(const EngineOptions& options, uint64_t available = UINT64_MAX) {
  const gguf::File file = open_model_file(options);
  const std::unique_ptr<Model> model = bind_model(options, file, inspect_head(file));
  const std::unique_ptr<DraftModel> draft = open_draft_model(options, file);
  return make_plan(options, file, *model, draft.get(), {available, "a test"});
}

void expect_taken(const EngineOptions& options) {
  MemoryPlan plan = plan_of(options);
  Engine engine(options);
  const Session session(engine);
  std::vector<MemoryPart> taken = engine.memory();
  for (const MemoryPart& part : session.memory()) taken.push_back(part);
  ASSERT_EQ(taken.size(), plan.parts.size());
  std::ranges::sort(taken, {}, &MemoryPart::name);
  std::ranges::sort(plan.parts, {}, &MemoryPart::name);
  uint64_t total = 0;
  for (size_t i = 0; i < taken.size(); i++) {
    EXPECT_EQ(taken[i].name, plan.parts[i].name);
    EXPECT_EQ(taken[i].bytes, plan.parts[i].bytes) << taken[i].name;
    total += taken[i].bytes;
  }
  EXPECT_EQ(plan.total, total);
}

TEST(Plan, IsWhatIsTaken) {
  for (const char* name : kModels) {
    SCOPED_TRACE(name);
    EngineOptions o = open_options(name);
    expect_taken(o);
    o.map = false;
    o.n_threads = 3;
    o.row_limit = 7;
    o.n_ctx = 700;
    o.max_draft = 9;
    o.k_type = KvType::kF32;
    o.head_v_type = KvType::kQ8_0;
    expect_taken(o);
    o.spec = SpecType::kNone;
    o.max_draft = 0;
    expect_taken(o);
  }
}

TEST(Plan, ADraftModelIsPartOfIt) {
  for (const char* draft : {"tiny-mixed-q4_k_m", "tiny-moe-mixed-q4_k_m", "tiny-llama-mixed-q4_k_m"}) {
    SCOPED_TRACE(draft);
    EngineOptions o = open_options("tiny-mixed-q8_0");
    const uint64_t alone = plan_of(o).total;
    o.draft_path = model_path(draft);
    o.row_limit = 50;
    EXPECT_GT(plan_of(o).total, alone / 2);
    expect_taken(o);
    // With less memory the context shrinks, and without room for both models that is said.
    o.n_ctx = 0;
    const MemoryPlan whole = plan_of(o);
    EXPECT_LT(plan_of(o, whole.total).n_ctx, whole.n_ctx);
    o.map = false;
    EXPECT_NE(plan_of(o, 1 << 20).problem.find("-md"), std::string::npos);
  }
}

// Ids mean the same in both models, or the second one is of no use.
TEST(DraftModel, OfAnotherVocabularyIsRefused) {
  EngineOptions o = open_options("tiny-mixed-q8_0");
  std::string bytes = read_file(model_path("tiny-mixed-q4_k_m"));
  const gguf::File file = open_model_file(o);
  const std::string_view token = file.strings("tokenizer.ggml.tokens")[300];
  const size_t at = bytes.find(std::string(token));
  ASSERT_NE(at, std::string::npos);
  bytes[at] ^= 1;
  const TempDir dir;
  o.draft_path = dir.path("other.gguf");
  std::ofstream(o.draft_path, std::ios::binary) << bytes;
  try {
    open_draft_model(o, file);
    FAIL() << "expected an error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kFile);
    EXPECT_TRUE(std::string_view(e.what()).starts_with(o.draft_path + ": tokenizer.ggml.tokens: token ")) << e.what();
    EXPECT_NE(std::string_view(e.what()).find("as in " + file.path() + ", found"), std::string_view::npos) << e.what();
  }
}

TEST(Plan, EverySessionTakesItsOwn) {
  EngineOptions o = open_options("tiny-mixed-q8_0");
  const MemoryPlan one = plan_of(o);
  o.n_sessions = 3;
  const MemoryPlan three = plan_of(o);
  for (const char* part : {"kv", "delta_net_state", "draft_records", "head_kv", "head_backlog"}) {
    EXPECT_EQ(bytes_of(three, part), 3 * bytes_of(one, part)) << part;
  }
  EXPECT_EQ(bytes_of(three, "workspace"), bytes_of(one, "workspace"));
}

TEST(Plan, AsManyAtOnceAsLeaveTheContextWhole) {
  EngineOptions o = open_options("tiny-mixed-q8_0");
  o.n_ctx = 4096;
  o.n_checkpoints = 4;
  o.n_parallel = 0;
  const MemoryPlan four = plan_of(o);
  EXPECT_EQ(four.n_parallel, 4);
  EXPECT_EQ(four.n_checkpoints, 4);
  EXPECT_EQ(four.problem, "");
  EngineOptions three = o;
  three.n_parallel = three.n_sessions = 3;
  // A tenth of what is available stays free.
  const auto available = [](uint64_t budget) { return budget + budget / 9 + 16; };
  EXPECT_EQ(plan_of(o, available(plan_of(three).total)).n_parallel, 3);
  o.cache_limit = bytes_of(four, "checkpoints") / 2;
  const MemoryPlan fewer = plan_of(o);
  EXPECT_EQ(fewer.n_checkpoints, 2);
  EXPECT_EQ(bytes_of(fewer, "checkpoints"), o.cache_limit);
  EXPECT_EQ(plan_of(o, available(fewer.total)).n_parallel, 4) << "the limit counts before it is decided";
}

TEST(Plan, WeightsLeftInTheFileComputeTheSame) {
  const std::vector<int32_t> tokens = random_tokens(9, 40);
  for (const char* name : kModels) {
    SCOPED_TRACE(name);
    EngineOptions o = open_options(name);
    o.n_threads = 2;
    const MemoryPlan whole = plan_of(o);
    const Dump expected = dump(o, tokens);
    uint64_t weights = 0;
    for (const char* role : {"trunk", "experts", "lm_head", "mtp_head"})
      weights += bytes_of(whole, std::string("weights_") + role);
    uint64_t before = 0;
    for (const uint64_t percent : {95, 60, 20, 0}) {
      // Vectors and taps, and the slots for tiles, need some room.
      o.memory_limit = whole.total - weights + weights * percent / 100 + (percent == 0 ? 512 << 10 : 0);
      const MemoryPlan plan = plan_of(o);
      EXPECT_TRUE(plan.in_place) << plan.problem;
      EXPECT_LE(plan.total, o.memory_limit);
      EXPECT_TRUE(percent == 0 || plan.in_file > before);
      before = plan.in_file;
      Engine engine(o);
      EXPECT_EQ(engine.plan().in_file, plan.in_file);
      expect_same(dump(engine, tokens), expected);
      expect_taken(o);
    }
  }
}

TEST(Plan, ReadingWithoutTheMapComputesTheSame) {
  const std::vector<int32_t> tokens = random_tokens(9, 20);
  for (const char* name : kModels) {
    SCOPED_TRACE(name);
    EngineOptions o = open_options(name);
    const Dump expected = dump(o, tokens);
    o.map = false;
    EXPECT_EQ(plan_of(o).in_file, 0u);
    expect_same(dump(o, tokens), expected);
  }
}

TEST(Plan, AContextThatWasNotGivenShrinksToWhatFits) {
  EngineOptions o = open_options("tiny-mixed-q8_0");
  o.n_ctx = 0;
  const MemoryPlan whole = plan_of(o);
  EXPECT_EQ(whole.n_ctx, kDefaultContext);
  EXPECT_EQ(whole.note, "");
  int64_t before = whole.n_ctx;
  for (const uint64_t less : {1u << 10, 1u << 20, 4u << 20}) {
    o.memory_limit = whole.total - less;
    const MemoryPlan plan = plan_of(o);
    EXPECT_EQ(plan.problem, "");
    EXPECT_FALSE(plan.in_place);
    EXPECT_LT(plan.n_ctx, before);
    EXPECT_EQ(plan.n_ctx % 256, 0);
    EXPECT_LE(plan.total, o.memory_limit);
    EXPECT_NE(plan.note.find("instead of 8192"), std::string::npos) << plan.note;
    // One step more would not have fitted.
    EngineOptions more = o;
    more.n_ctx = plan.n_ctx + 256;
    more.memory_limit = 0;
    EXPECT_GT(plan_of(more).total, o.memory_limit);
    before = plan.n_ctx;
  }
  std::string note;
  o.on_note = [&](const std::string& line) { note = line; };
  Engine engine(o);
  EXPECT_EQ(engine.options().n_ctx, before);
  EXPECT_EQ(note, engine.plan().note);
}

TEST(Plan, AContextThatWasGivenIsRefusedWithWhatWouldHelp) {
  EngineOptions o = open_options("tiny-mixed-q8_0");
  o.n_ctx = 20000;
  o.memory_limit = plan_of(o).total - (3 << 20);
  const MemoryPlan plan = plan_of(o);
  const size_t at = plan.problem.find("; -c ");
  ASSERT_NE(at, std::string::npos) << plan.problem;
  EngineOptions helped = o;
  helped.n_ctx = std::stoll(plan.problem.substr(at + 5));
  EXPECT_EQ(plan_of(helped).problem, "");
  helped.n_ctx += 256;
  EXPECT_NE(plan_of(helped).problem, "");
  expect_error([&] { Engine engine(o); }, ErrorCode::kSystem, o.model_path + ": " + plan.problem);

  o.memory_limit = 1 << 20;  // not even the least of everything
  EXPECT_NE(plan_of(o).problem, "");
  o.n_ctx = 0;
  EXPECT_NE(plan_of(o).problem, "");
}

TEST(Plan, TenPercentOfWhatIsAvailableStayFree) {
  EngineOptions o = open_options("tiny-mixed-q8_0");
  const uint64_t total = plan_of(o).total;
  EXPECT_EQ(plan_of(o, total * 10 / 9 + 10).n_ctx, o.n_ctx);
  EXPECT_FALSE(plan_of(o, total * 10 / 9 + 10).in_place);
  EXPECT_EQ(plan_of(o, total * 10 / 9 + 10).budget / 1024, total / 1024);
  const MemoryPlan plan = plan_of(o, total * 11 / 10);
  EXPECT_TRUE(plan.in_place || !plan.problem.empty());
}

}  // namespace
}  // namespace nextn
