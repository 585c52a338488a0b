// A session that was written to a file and read by another process's engine goes on as if it had never left: the same
// tokens, the same logits, the same state. And no file that is not one gets in.
#include "engine/session_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <random>

#include "engine/digest.h"
#include "engine/scheduler.h"
#include "invariant_models.h"

namespace nextn {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<char>;

EngineOptions file_options(const std::string& name) {
  EngineOptions o = engine_options(name);
  o.row_limit = 128;
  o.n_checkpoints = 3;
  o.n_parallel = o.n_sessions = 2;
  return o;
}

GenerateParams drafting(int draft_max, int n_predict = 24) {
  GenerateParams p = generate_params(0.8f, n_predict);
  p.draft_max = draft_max;
  return p;
}

std::vector<int32_t> joined(std::vector<int32_t> a, const std::vector<int32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A folder that is gone at the end.
class Folder {
 public:
  Folder() : path_(fs::path(testing::TempDir()) / "session-XXXXXX") {
    std::string name = path_.string();
    path_ = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path_); }
  std::string operator/(const char* name) const { return (path_ / name).string(); }
  size_t n_files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
  }

 private:
  fs::path path_;
};

Bytes bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_bytes(const std::string& path, const Bytes& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// With the checksum that belongs to it.
Bytes signed_again(Bytes bytes) {
  const uint64_t digest = digest_of(bytes.data(), bytes.size() - sizeof(uint64_t));
  std::memcpy(bytes.data() + bytes.size() - sizeof digest, &digest, sizeof digest);
  return bytes;
}

uint64_t save(Session& session, const std::string& path) {
  session.make_canonical();
  return save_session(session, path);
}

// What restoring says; "" where it works.
std::string refusal(Session& session, const std::string& path) {
  try {
    restore_session(session, path);
    return "";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kRequest) << e.what();
    return e.what();
  }
}

class SessionFileOf : public testing::TestWithParam<const char*> {};

TEST_P(SessionFileOf, ASessionGoesOnInAnotherEngine) {
  const Folder folder;
  for (const bool with_head : {true, false}) {
    EngineOptions options = file_options(GetParam());
    if (!with_head) options.spec = SpecType::kNone;
    const std::vector<int32_t> prompt = prompt_of(300, 1);
    std::vector<int32_t> next;
    Generation another, turn;
    uint64_t state = 0, head = 0;
    {
      Engine engine(options);
      Session session(engine);
      const Generation answer = session.generate(prompt, drafting(3));
      const uint64_t n_written = save(session, folder / "a.bin");
      EXPECT_EQ(n_written, fs::file_size(folder / "a.bin"));
      next = joined(joined(prompt, answer.tokens), prompt_of(40, 2));
      // What a session says that never left.
      turn = session.generate(next, drafting(3));
      state = session.state_digest();
      head = session.head_digest();
      Session afresh(engine);
      another = afresh.generate(prompt, drafting(3, 30));
    }
    options.n_ctx = 400;  // of another size, which nothing depends on; the cache's last piece is not a whole one
    options.isa = "avx2";
    Engine engine(options);
    Session session(engine);
    session.generate(prompt_of(90, 3), drafting(2));  // something else is in it
    EXPECT_EQ(restore_session(session, folder / "a.bin"), fs::file_size(folder / "a.bin"));
    const int64_t length = session.length();
    EXPECT_GE(length, 300 + 23);
    if (const HeadState* const its = session.head_state()) {  // what its next pair needs
      EXPECT_EQ(its->length(), length);
      EXPECT_EQ(its->backlog(), 1);
      const size_t n_bytes = static_cast<size_t>(engine.model().info().n_embd) * sizeof(float);
      EXPECT_EQ(std::memcmp(its->backlog_hidden(), session.state().pending_hidden(), n_bytes), 0);
    }
    const Generation got = session.generate(next, drafting(3));
    EXPECT_EQ(got.stats.cached_n, length);
    EXPECT_EQ(got.tokens, turn.tokens);
    EXPECT_EQ(got.row_digests, turn.row_digests);
    EXPECT_EQ(session.state_digest(), state);
    EXPECT_EQ(session.head_digest(), head);
    EXPECT_EQ(head != 0, with_head && session.head_state() != nullptr);
    // The checkpoints came along: another answer goes on from near the prompt's end.
    restore_session(session, folder / "a.bin");
    const Generation again = session.generate(prompt, drafting(0, 30));
    EXPECT_EQ(again.stats.cached_n, 293);
    EXPECT_EQ(again.tokens, another.tokens);
    EXPECT_EQ(again.row_digests, another.row_digests);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SessionFileOf,
                         testing::Values("tiny-mixed-q8_0", "tiny-moe-mixed-q4_k_m", "tiny-glm45-mixed-q8_0",
                                         "tiny-next-mixed-q8_0", "tiny-qwen3-mixed-q8_0", "tiny-no-head"),
                         name_of_param);

// One engine and a session of it that was saved.
class SessionFile : public testing::Test {
 protected:
  SessionFile() : engine(file_options("tiny-mixed-q8_0")), session(engine), other(engine) {
    prompt = prompt_of(60, 1);
    session.generate(prompt, drafting(3));
    path = folder / "s.bin";
    save(session, path);
    bytes = bytes_of(path);
  }

  void expect_unharmed() {
    Session afresh(engine);
    EXPECT_EQ(other.generate(prompt, drafting(3)).row_digests, afresh.generate(prompt, drafting(3)).row_digests);
  }

  Folder folder;
  Engine engine;
  Session session, other;
  std::vector<int32_t> prompt;
  std::string path;
  Bytes bytes;
};

// Of the first format, whose keys and values stood in another order, all sizes are the same.
TEST_F(SessionFile, AnotherFormatIsRefused) {
  Bytes old = bytes;
  constexpr uint32_t kOld = 1;
  std::memcpy(old.data() + 8, &kOld, sizeof kOld);
  write_bytes(path, signed_again(old));
  EXPECT_NE(refusal(other, path).find("expected format 2, found 1"), std::string::npos) << refusal(other, path);
  expect_unharmed();
}

TEST_F(SessionFile, AFlippedBitIsRefused) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 150; i++) {
    Bytes bad = bytes;
    // All of the header and of the end, and places in between.
    const size_t at = i < 48   ? static_cast<size_t>(i)
                      : i < 56 ? bad.size() - 56 + static_cast<size_t>(i)
                               : random() % bad.size();
    bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
    write_bytes(path, bad);
    EXPECT_NE(refusal(other, path), "") << at;
  }
  expect_unharmed();
}

TEST_F(SessionFile, ACutFileIsRefused) {
  std::mt19937_64 random(2);
  for (size_t i = 0; i < 120; i++) {
    const size_t size = i < 60 ? i : i < 80 ? bytes.size() - 1 - (i - 60) : random() % bytes.size();
    write_bytes(path, Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)));
    EXPECT_NE(refusal(other, path), "") << size;
  }
  Bytes longer = bytes;
  longer.push_back(0);
  write_bytes(path, signed_again(longer));
  EXPECT_NE(refusal(other, path).find("expected its end, found 1 more bytes"), std::string::npos);
  expect_unharmed();
}

// Files that somebody made on purpose, with the right checksum.
TEST_F(SessionFile, ACraftedFileIsRefused) {
  struct Change {
    size_t at;  // in the header
    uint64_t value;
    const char* said;
  };
  const uint64_t most = UINT64_MAX;
  for (const Change& c : std::initializer_list<Change>{{16, most, " and 18446744073709551615"},
                                                       {16, most / 8 + 2, " and 2305843009213693953"},
                                                       {16, 2, "whole"},
                                                       {24, most, "-c"},
                                                       {24, 1025, "-c"},
                                                       {24, 3, ""},
                                                       {32, most, "whole"},
                                                       {32, 0, ""},
                                                       {40, most, "whole"},
                                                       {40, most / 2 + 1, "whole"},
                                                       {40, 0, ""}}) {
    Bytes bad = bytes;
    std::memcpy(bad.data() + c.at, &c.value, sizeof c.value);
    write_bytes(path, signed_again(bad));
    const std::string said = refusal(other, path);
    EXPECT_NE(said, "") << c.at << " " << c.value;
    EXPECT_NE(said.find(c.said), said.npos) << said;
  }
  uint32_t origin_bytes;
  std::memcpy(&origin_bytes, bytes.data() + 12, sizeof origin_bytes);
  uint64_t n_checkpoints;
  std::memcpy(&n_checkpoints, bytes.data() + 16, sizeof n_checkpoints);
  ASSERT_GT(n_checkpoints, 0u);
  const size_t lengths = 48 + origin_bytes, tokens = lengths + n_checkpoints * sizeof(int64_t);
  for (const int64_t length : {int64_t{0}, int64_t{-1}, int64_t{1000}, INT64_MAX}) {
    Bytes bad = bytes;
    std::memcpy(bad.data() + lengths, &length, sizeof length);
    write_bytes(path, signed_again(bad));
    EXPECT_NE(refusal(other, path).find("checkpoints"), std::string::npos);
  }
  for (const int32_t id : {-1, static_cast<int32_t>(session.n_vocab()), INT32_MAX}) {
    Bytes bad = bytes;
    std::memcpy(bad.data() + tokens + 8, &id, sizeof id);
    write_bytes(path, signed_again(bad));
    EXPECT_NE(refusal(other, path).find("token ids"), std::string::npos);
  }
  // Nothing but noise for a state is somebody's own fault, and hurts nobody else.
  Bytes noise = bytes;
  std::mt19937_64 random(3);
  for (size_t i = tokens + 4096; i < noise.size() - 8; i++) noise[i] = static_cast<char>(random());
  write_bytes(path, signed_again(noise));
  EXPECT_EQ(refusal(other, path), "");
  try {
    other.generate(joined(prompt, prompt_of(9, 4)), drafting(3));
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kRequest);
  }
  other.clear();
  expect_unharmed();
}

TEST_F(SessionFile, WhatIsNotOfThisEngineIsRefusedByName) {
  const auto refused_by = [&](EngineOptions options) {
    Engine theirs(options);
    Session into(theirs);
    return refusal(into, path);
  };
  EngineOptions o = file_options("tiny-mixed-q8_0");
  o.k_type = KvType::kQ8_0;
  EXPECT_NE(refused_by(o).find("s.bin: cache types: expected q8_0 f16, found f16 f16"), std::string::npos);
  o = file_options("tiny-mixed-q8_0");
  o.spec = SpecType::kNone;
  EXPECT_NE(refused_by(o).find("head's cache types: expected none, found f16 f16"), std::string::npos);
  o = file_options("tiny-mixed-q8_0");
  o.n_ctx = 64;
  EXPECT_NE(refused_by(o).find("expected at most 64 tokens (-c), found"), std::string::npos);
  EXPECT_NE(refused_by(file_options("tiny-no-head")).find("s.bin: model: expected "), std::string::npos);

  const std::string text(bytes.begin(), bytes.end());
  for (const auto& [from, to, said] : std::initializer_list<std::array<std::string, 3>>{
           {fmt::format("\nnumerics={}\n", kNumericsVersion), "\nnumerics=0\n",
            fmt::format("numerics: expected {}, found 0", kNumericsVersion)},
           {"\nnextn=", "\nnexTn=", "nextn: expected "},
           {"NEXTNSES", "NEXTNSEC", "expected a saved session, found another file"}}) {
    std::string other_text = text;
    ASSERT_NE(other_text.find(from), text.npos);
    other_text.replace(other_text.find(from), from.size(), to);
    write_bytes(path, signed_again({other_text.begin(), other_text.end()}));
    EXPECT_NE(refusal(other, path).find(said), text.npos);
  }
  EXPECT_NE(refusal(other, folder / "none.bin").find("found none"), text.npos);
  EXPECT_NE(refusal(other, folder / "").find("expected a regular file"), text.npos);
  expect_unharmed();
}

// The model's own path does not matter, what it was trained to does.
TEST_F(SessionFile, AModelIsKnownByWhatItIs) {
  EngineOptions o = file_options("tiny-mixed-q8_0");
  const std::string copy = folder / "copy.gguf";
  fs::copy_file(o.model_path, copy);
  o.model_path = copy;
  {
    Engine engine_of_copy(o);
    Session into(engine_of_copy);
    EXPECT_EQ(refusal(into, path), "");
  }
  const gguf::TensorInfo tensor = *engine.file().tensor("output_norm.weight");
  std::fstream file(copy, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(tensor.file_offset));
  const float value = 0.5f;
  file.write(reinterpret_cast<const char*>(&value), sizeof value);
  file.close();
  Engine trained_on(o);
  Session into(trained_on);
  EXPECT_NE(refusal(into, path).find("model: expected"), std::string::npos);
}

TEST_F(SessionFile, FewerCheckpointsThanTheFileHasAreTheLastOnes) {
  Session longer(engine);
  longer.generate(prompt_of(900, 5), drafting(0, 2));
  const std::vector<int64_t> lengths = longer.checkpoints().lengths();
  ASSERT_EQ(lengths.size(), 2u);
  save(longer, path);
  EngineOptions o = file_options("tiny-mixed-q8_0");
  for (const int n : {0, 1}) {
    o.n_checkpoints = n;
    Engine smaller(o);
    Session into(smaller);
    ASSERT_EQ(refusal(into, path), "");
    EXPECT_EQ(into.checkpoints().lengths(), std::vector<int64_t>(lengths.end() - n, lengths.end()));
    Session afresh(smaller);
    const std::vector<int32_t> next = joined({into.text().begin(), into.text().end()}, prompt_of(9, 6));
    EXPECT_EQ(into.generate(next, drafting(3)).row_digests, afresh.generate(next, drafting(3)).row_digests);
  }
}

TEST_F(SessionFile, AnEmptySessionIsASession) {
  session.clear();
  save(session, path);
  other.generate(prompt_of(9, 1), drafting(1));
  ASSERT_EQ(refusal(other, path), "");
  EXPECT_EQ(other.length(), 0);
  expect_unharmed();
}

// What stands at the path stays until something whole takes its place.
TEST_F(SessionFile, AFullDiskLeavesNothingBehind) {
  ASSERT_NE(std::signal(SIGXFSZ, SIG_IGN), SIG_ERR);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit limit = before;
  limit.rlim_cur = bytes.size() / 2;
  setrlimit(RLIMIT_FSIZE, &limit);
  std::string said;
  try {
    save(session, path);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kSystem);
    said = e.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(said, "s.bin: cannot write: File too large");
  EXPECT_EQ(folder.n_files(), 1u);
  EXPECT_EQ(bytes_of(path), bytes);
  EXPECT_EQ(refusal(other, path), "");
  EXPECT_THROW(save(session, folder / "nowhere/s.bin"), Error);
  struct stat st;
  ASSERT_EQ(stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

// ------------------------------------------------------------------------------------------------ of a scheduler

// Slots are saved while others write, on another thread; the texts are those of undisturbed requests.
TEST_F(SessionFile, SlotsAreHeldWhileOthersWrite) {
  std::vector<std::vector<int32_t>> want, got(6);
  for (int i = 0; i < 6; i++) {
    Session alone(engine);
    want.push_back(alone.generate(prompt_of(40 + i, 10 + i), drafting(3, 40)).tokens);
  }
  Scheduler scheduler(engine, {});
  std::thread engine_thread([&] { scheduler.run(); });
  std::vector<std::future<void>> ended;
  std::vector<std::string> saved;
  for (int i = 0; i < 6; i++) {
    auto promise = std::make_shared<std::promise<void>>();
    ended.push_back(promise->get_future());
    Request r;
    r.prompt = prompt_of(40 + i, 10 + i);
    r.params = drafting(3, 40);
    r.on_done = [&got, i, promise](Generation&& g) {
      got[static_cast<size_t>(i)] = std::move(g.tokens);
      promise->set_value();
    };
    r.on_error = [promise](const Error& e) {
      ADD_FAILURE() << e.what();
      promise->set_value();
    };
    scheduler.submit(std::move(r));
    // Both slots, one after the other, whatever they do: before requests that wait.
    for (int slot = 0; slot < 2; slot++) {
      std::promise<Session*> granted;
      scheduler.hold(slot, [&](Session& s) { granted.set_value(&s); });
      Session* const held = granted.get_future().get();
      saved.push_back(folder / fmt::format("{}-{}.bin", i, slot).c_str());
      save_session(*held, saved.back());
      if (i % 2 == 0) restore_session(*held, saved.back());
      scheduler.release(slot);
    }
  }
  for (std::future<void>& f : ended) f.wait();
  EXPECT_THROW(scheduler.hold(2, [](Session&) {}), Error);
  EXPECT_THROW(scheduler.hold(-1, [](Session&) {}), Error);
  scheduler.drain();
  EXPECT_THROW(scheduler.hold(0, [](Session&) {}), Error);
  engine_thread.join();
  EXPECT_EQ(got, want);
  for (const std::string& file : saved) {
    ASSERT_EQ(refusal(other, file), "");
    Session afresh(engine);
    const std::vector<int32_t> next = joined({other.text().begin(), other.text().end()}, prompt_of(9, 6));
    EXPECT_EQ(other.generate(next, drafting(3)).row_digests, afresh.generate(next, drafting(3)).row_digests) << file;
  }
}

}  // namespace
}  // namespace nextn
