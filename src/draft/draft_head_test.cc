// The cut head against the full one, on heads made by hand.
#include "draft/draft_head.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <set>

#include "ops/matmul.h"

namespace nextn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A (V, D) head of floats, packed, and everything needed to ask it.
class Head {
 public:
  Head(int64_t n_vocab, int64_t n_embd, const std::vector<float>& rows)
      : hidden(1, n_embd), trace(n_embd, 2), logits_(1, n_vocab) {
    weight = {.format = PackFormat::kF32, .k = n_embd, .n_out = n_vocab};
    tiles_ = AlignedBuffer(weight.tiles_bytes());
    const size_t row = static_cast<size_t>(n_embd) * sizeof(float), tile = tile_bytes(weight.format, n_embd);
    for (int64_t t = 0; t < weight.n_tiles(); t++) {
      const int n = static_cast<int>(std::min<int64_t>(kTileRows, n_vocab - t * kTileRows));
      pack_tile(weight.format, reinterpret_cast<const uint8_t*>(rows.data()) + t * kTileRows * row, row, n, n_embd,
                tiles_.data() + t * tile);
    }
    weight.tiles = tiles_.data();
  }

  TopToken full() {
    const TensorView out = logits_.rows(1);
    ops::matmul(ctx, hidden.rows(1), {{out, weight}});
    return top_probability(out.data, out.cols);
  }
  void look_along(const std::vector<float>& x) { std::copy(x.begin(), x.end(), hidden.rows(1).data); }
  DraftHead draft_head(int64_t vocab, uint64_t step_bytes = 1, int max_rows = 1) {
    DraftHead head(weight, vocab, max_rows, step_bytes);
    head.sketch(ctx);
    return head;
  }
  TopToken best(DraftHead& head, int i = 0, std::span<const uint32_t> allowed = {}) {
    TopToken top;
    const DraftHead::Query query = {&trace, i, allowed};
    head.best(ctx, hidden.rows(1), {&query, 1}, &top);
    return top;
  }
  void saw(DraftHead& head, int i, int32_t token) { head.saw(ctx, trace, i, token); }

  ThreadPool pool{2};
  Ctx ctx{.kernels = select_kernels(nullptr), .pool = pool, .act = ActBuffer(1, 1024)};
  Weight weight;
  Buffer hidden;
  DraftTrace trace;

 private:
  AlignedBuffer tiles_;
  Buffer logits_;
};

std::vector<float> normal(int64_t n, std::mt19937& random) {
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = std::normal_distribution<float>(0, 1)(random);
  return x;
}

TEST(DraftHead, IsTheFullHeadWhereEveryTileIsACandidate) {
  std::mt19937 random(1);
  for (const int64_t V : {5, 16, 17, 250, 256}) {
    Head h(V, 256, normal(V * 256, random));
    DraftHead cut = h.draft_head(V), full = h.draft_head(kDraftVocabFull);
    EXPECT_TRUE(cut.cut());
    EXPECT_FALSE(full.cut());
    for (int i = 0; i < 20; i++) {
      h.look_along(normal(256, random));
      const TopToken expected = h.full(), got = h.best(cut), whole = h.best(full);
      EXPECT_EQ(got.id, expected.id);
      EXPECT_EQ(got.p, expected.p);
      EXPECT_EQ(whole.id, expected.id);
      EXPECT_EQ(whole.p, expected.p);
    }
  }
}

// A row that stands out as the right one does in a model, among 16384 in all places of a tile; columns of very
// different sizes, and all rows far from zero.
TEST(DraftHead, FindsTheRowThatStandsOut) {
  constexpr int64_t V = 65536, D = 256;  // of whose tiles one in 64 is computed
  std::mt19937 random(2);
  std::vector<float> rows = normal(V * D, random);
  for (size_t i = 0; i < rows.size(); i++) {
    const size_t j = i % D;
    rows[i] = (rows[i] + (j % 3 == 0 ? 2 : 0)) * (j % 50 == 0 ? 20.0f : 1.0f);
  }
  Head h(V, D, rows);
  DraftHead cut = h.draft_head(V);
  int found = 0;
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; i++) {
    const size_t row = (static_cast<size_t>(i) * 163) % V;
    std::vector<float> x = normal(D, random);
    for (size_t j = 0; j < D; j++) {
      const float size = j % 50 == 0 ? 20 : 1, mean = j % 3 == 0 ? 2 * size : 0;
      x[j] = (0.8f * x[j] + 0.6f * (rows[row * D + j] - mean) / size) / size;
    }
    h.look_along(x);
    ASSERT_EQ(h.full().id, static_cast<int32_t>(row));
    found += h.best(cut).id == static_cast<int32_t>(row);
  }
  EXPECT_GE(found, kTries - 1);
}

// However unlikely it is.
TEST(DraftHead, DraftsWhatIsAllowed) {
  constexpr int64_t V = 16384, D = 256;
  std::mt19937 random(3);
  Head h(V, D, normal(V * D, random));
  DraftHead cut = h.draft_head(V), full = h.draft_head(kDraftVocabFull);
  ASSERT_TRUE(cut.cut());
  for (int i = 0; i < 20; i++) {
    h.look_along(normal(D, random));
    std::vector<uint32_t> allowed(V / 32);
    const int32_t only = static_cast<int32_t>(random() % V);
    allowed[static_cast<size_t>(only / 32)] = 1u << (only % 32);
    for (DraftHead* head : {&cut, &full}) {
      EXPECT_EQ(h.best(*head, 0, allowed).id, only);
      EXPECT_EQ(h.best(*head, 0, allowed).p, 1);
    }
    for (int n = 0; n < 25; n++) allowed[random() % allowed.size()] |= 1u << random() % 32;
    const TopToken expected = h.best(full, 0, allowed), got = h.best(cut, 0, allowed);
    EXPECT_EQ(got.id, expected.id);
    EXPECT_EQ(got.p, expected.p);
    for (int n = 0; n < 400; n++) allowed[random() % allowed.size()] |= 1u << random() % 32;
    const int32_t any = h.best(cut, 0, allowed).id;
    ASSERT_GE(any, 0);
    EXPECT_TRUE(allowed[static_cast<size_t>(any / 32)] >> (any % 32) & 1);
    std::ranges::fill(allowed, 0);
    EXPECT_EQ(h.best(cut, 0, allowed).id, -1);
    EXPECT_EQ(h.best(full, 0, allowed).id, -1);
  }
}

// The forbidden half of the rows is ten times as large: a look at all of them would see no others.
TEST(DraftHead, FindsTheRowThatStandsOutAmongThoseThatAreAllowed) {
  constexpr int64_t V = 16384, D = 256;
  std::mt19937 random(5);
  std::vector<float> rows = normal(V * D, random);
  for (int64_t j = 0; j < V / 2 * D; j++) rows[static_cast<size_t>(j)] *= 10;
  Head h(V, D, rows);
  DraftHead cut = h.draft_head(V), full = h.draft_head(kDraftVocabFull);
  std::vector<uint32_t> allowed(V / 32);
  std::fill(allowed.begin() + V / 64, allowed.end(), ~0u);
  int found = 0;
  for (int i = 0; i < 20; i++) {
    const auto row = rows.begin() + static_cast<int64_t>(V / 2 + random() % (V / 2)) * D;
    h.look_along({row, row + D});
    const TopToken expected = h.best(full, 0, allowed);
    ASSERT_EQ(expected.id, static_cast<int32_t>((row - rows.begin()) / D));
    found += h.best(cut, 0, allowed).id == expected.id;
  }
  EXPECT_GE(found, 19);
}

TEST(DraftHead, TheFirstIdsAndThoseOfTheText) {
  constexpr int64_t V = 4096, D = 128;
  std::mt19937 random(3);
  const std::vector<float> rows = normal(V * D, random);
  Head h(V, D, rows);
  DraftHead cut = h.draft_head(1024);
  const int32_t far = 3001;
  h.look_along({rows.begin() + far * D, rows.begin() + (far + 1) * D});
  ASSERT_EQ(h.full().id, far);
  EXPECT_LT(h.best(cut).id, 1024);
  h.saw(cut, 0, far);
  EXPECT_EQ(cut.n_lost(), 1);
  cut.add_text(std::vector<int32_t>{5, far, far, 4095});
  EXPECT_EQ(h.best(cut, 1).id, far);
  h.saw(cut, 1, far);
  h.saw(cut, 1, 7);  // the trunk's token, but the full head had drafted what the cut one did
  EXPECT_EQ(cut.n_lost(), 1);
  EXPECT_EQ(cut.n_compared(), 3);
  cut.begin_text(nullptr);
  EXPECT_LT(h.best(cut).id, 1024);
}

// A row of one large weight is what signs cannot tell.
TEST(DraftHead, AutoLeavesASketchThatLosesTooMuch) {
  constexpr int64_t V = 32768, D = 128;
  std::mt19937 random(4);
  std::vector<float> rows = normal(V * D, random);
  const int32_t hidden_row = 20000;
  std::fill_n(rows.begin() + hidden_row * D, D, 0.0f);
  rows[hidden_row * D] = 10;
  Head h(V, D, rows);
  std::vector<float> x(D, 0.0f);
  x[0] = 1;
  h.look_along(x);
  ASSERT_EQ(h.full().id, hidden_row);
  const size_t bytes = h.weight.tiles_bytes();
  DraftHead automatic = h.draft_head(kDraftVocabAuto, 10 * bytes), worth_it = h.draft_head(kDraftVocabAuto, bytes / 10),
            asked = h.draft_head(V, 10 * bytes);
  for (DraftHead* head : {&automatic, &worth_it, &asked}) {
    EXPECT_TRUE(head->cut());
    for (int i = 0; i < 20 && head->cut(); i++) {
      EXPECT_NE(h.best(*head).id, hidden_row);
      h.saw(*head, 0, hidden_row);
    }
  }
  EXPECT_FALSE(automatic.cut());
  EXPECT_EQ(h.best(automatic).id, hidden_row);
  EXPECT_TRUE(worth_it.cut());
  EXPECT_TRUE(asked.cut());
  EXPECT_EQ(asked.agreement(), 0);
}

TEST(DraftHead, ASmallHeadIsNotCut) {
  std::mt19937 random(5);
  Head h(1000, 128, normal(1000 * 128, random)), odd(1000, 96, normal(1000 * 96, random));
  EXPECT_FALSE(h.draft_head(kDraftVocabAuto).cut());
  EXPECT_FALSE(odd.draft_head(500).cut());  // no whole blocks of a sketch
}

TEST(DraftHead, NothingOutOfANan) {
  std::mt19937 random(6);
  std::vector<float> rows = normal(200 * 128, random), x = normal(128, random);
  x[77] = std::numeric_limits<float>::quiet_NaN();
  Head h(200, 128, rows);
  DraftHead cut = h.draft_head(200);
  h.look_along(x);
  EXPECT_EQ(h.best(cut).id, -1);
  rows[55 * 128 + 3] = std::numeric_limits<float>::quiet_NaN();
  Head broken(200, 128, rows);
  DraftHead cut_broken = broken.draft_head(200);
  broken.look_along(normal(128, random));
  EXPECT_EQ(broken.best(cut_broken).id, -1);
}

TEST(DraftHead, RowsOfSeveralSequencesGetWhatEachGetsAlone) {
  constexpr int64_t V = 8192, D = 256;
  std::mt19937 random(8);
  Head h(V, D, normal(V * D, random));
  for (const int64_t vocab : {V, kDraftVocabFull}) {
    DraftHead together = h.draft_head(vocab, 1, 3), alone = h.draft_head(vocab);
    for (int round = 0; round < 20; round++) {
      Buffer hidden(3, D);
      std::vector<float> x = normal(3 * D, random);
      if (round % 5 == 4) x[D + 9] = std::numeric_limits<float>::infinity();  // one that is broken hurts no other
      std::copy(x.begin(), x.end(), hidden.rows(3).data);
      DraftTrace a(D, 2), b(D, 2), c(D, 2);
      const DraftHead::Query queries[] = {{&a, 0, {}}, {&b, 1, {}}, {&c, 0, {}}};
      TopToken top[3];
      together.best(h.ctx, hidden.rows(3), queries, top);
      for (int r = 0; r < 3; r++) {
        h.look_along({x.begin() + r * D, x.begin() + (r + 1) * D});
        const TopToken expected = h.best(alone, queries[r].number);
        EXPECT_EQ(top[r].id, expected.id);
        EXPECT_EQ(top[r].p, expected.p);
        const int64_t lost = together.n_lost(), lost_alone = alone.n_lost();
        const int32_t other = static_cast<int32_t>(random() % V);
        together.saw(h.ctx, *queries[r].trace, queries[r].number, other);
        h.saw(alone, queries[r].number, other);
        EXPECT_EQ(together.n_lost() - lost, alone.n_lost() - lost_alone);
      }
    }
  }
}

TEST(Largest, OfAnyValues) {
  std::mt19937 random(7);
  for (const int kind : {0, 1, 2, 3}) {
    std::vector<float> values = normal(5000, random);
    for (float& v : values) {
      if (kind == 1 && random() % 2) v = -kInfinity;
      if (kind == 2) v = 1;
      if (kind == 3) v = static_cast<float>(random() % 3);
    }
    for (const int64_t n : {1, 16, 700, 5000}) {
      std::vector<int32_t> got(static_cast<size_t>(n), -1);
      largest(values, n, got.data());
      EXPECT_TRUE(std::ranges::is_sorted(got));
      EXPECT_EQ(std::set<int32_t>(got.begin(), got.end()).size(), got.size());
      ASSERT_TRUE(got.front() >= 0 && got.back() < 5000);
      // None is left out that is larger than one taken by more than a bin.
      std::vector<float> sorted = values;
      std::ranges::sort(sorted, std::greater<>());
      const float border = sorted[static_cast<size_t>(n) - 1];
      for (const int32_t i : got) EXPECT_GE(values[static_cast<size_t>(i)], border - 0.01f) << kind << " " << n;
    }
  }
}

}  // namespace
}  // namespace nextn
