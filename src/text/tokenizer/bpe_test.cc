#include "text/tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <optional>

#include "base/error.h"
#include "text/tokenizer/test_vocabulary.h"

namespace nextn {
namespace {

// What the definition says, in quadratic time: merge the leftmost pair of the lowest rank until there is none.
std::vector<std::string> merge_slowly(std::string_view piece,
                                      const std::vector<std::pair<std::string, std::string>>& merges) {
  std::vector<std::string> symbols;
  for (const char c : piece) symbols.emplace_back(1, c);
  while (true) {
    std::optional<size_t> best;
    size_t best_rank = merges.size();
    for (size_t i = 0; i + 1 < symbols.size(); i++) {
      for (size_t rank = 0; rank < best_rank; rank++) {
        if (merges[rank].first == symbols[i] && merges[rank].second == symbols[i + 1]) best = i, best_rank = rank;
      }
    }
    if (!best) return symbols;
    symbols[*best] += symbols[*best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(*best) + 1);
  }
}

class BpeTest : public testing::Test {
 protected:
  Bpe make(bool whole_pieces = false) {
    bytes_.clear();
    for (const std::string& text : vocabulary_.data.tokens) bytes_.push_back(bytes_of_letters(text).value());
    return Bpe(std::vector<std::string_view>(bytes_.begin(), bytes_.end()), vocabulary_.data.merges, whole_pieces);
  }
  std::vector<std::string> encode(const Bpe& bpe, std::string_view piece) {
    std::vector<int32_t> ids;
    bpe.encode(piece, scratch_, ids);
    std::vector<std::string> texts;
    for (const int32_t id : ids) texts.push_back(bytes_[id]);
    return texts;
  }

  TestVocabulary vocabulary_;
  std::vector<std::string> bytes_;
  Bpe::Scratch scratch_;
};

using Texts = std::vector<std::string>;

TEST_F(BpeTest, TheLowestRankComesFirstAndTheLeftmostOfEquals) {
  vocabulary_.merge("b", "c");
  vocabulary_.merge("a", "b");
  vocabulary_.merge("a", "a");
  const Bpe bpe = make();
  EXPECT_EQ(encode(bpe, "abc"), (Texts{"a", "bc"}));
  EXPECT_EQ(encode(bpe, "aaa"), (Texts{"aa", "a"}));
  EXPECT_EQ(encode(bpe, "abab"), (Texts{"ab", "ab"}));
  EXPECT_EQ(encode(bpe, ""), Texts{});
  EXPECT_EQ(encode(bpe, "x"), Texts{"x"});
}

TEST_F(BpeTest, IsTheDefinitionOnRandomMerges) {
  std::mt19937 rng(2);
  for (int round = 0; round < 40; round++) {
    vocabulary_ = TestVocabulary();
    std::vector<std::string> strings = {"a", "b", "c"};
    std::vector<std::pair<std::string, std::string>> merges;
    for (int i = 0; i < 25; i++) {
      const std::string left = strings[rng() % strings.size()], right = strings[rng() % strings.size()];
      merges.emplace_back(left, right);
      vocabulary_.merge(left, right);
      strings.push_back(left + right);
    }
    const Bpe bpe = make();
    for (int i = 0; i < 30; i++) {
      std::string piece;
      for (size_t n = rng() % 40; n > 0; n--) piece.push_back(static_cast<char>('a' + rng() % 3));
      ASSERT_EQ(encode(bpe, piece), merge_slowly(piece, merges)) << piece;
    }
  }
}

TEST_F(BpeTest, PassesThroughStringsThatAreNoTokens) {
  vocabulary_.data.merges = {"a b", "ab c", "x y"};  // "ab" and "xy" are no tokens
  vocabulary_.add("abc", kNormal);
  const Bpe bpe = make();
  EXPECT_EQ(encode(bpe, "abc"), Texts{"abc"});
  EXPECT_EQ(encode(bpe, "xyab"), (Texts{"x", "y", "a", "b"}));
}

TEST_F(BpeTest, TakesWholePiecesOnlyWhenAsked) {
  vocabulary_.add("abc", kNormal);
  EXPECT_EQ(encode(make(false), "abc"), (Texts{"a", "b", "c"}));
  EXPECT_EQ(encode(make(true), "abc"), Texts{"abc"});
  EXPECT_EQ(encode(make(true), "abcd"), (Texts{"a", "b", "c", "d"}));
}

TEST_F(BpeTest, TheFirstOfTwoEqualMergesCounts) {
  vocabulary_.data.merges = {"a b", "b c", "a b"};
  vocabulary_.add("ab", kNormal);
  vocabulary_.add("bc", kNormal);
  EXPECT_EQ(encode(make(), "abc"), (Texts{"ab", "c"}));
}

TEST_F(BpeTest, RefusesAMergeThatDoesNotSplit) {
  for (const char* merge : {"ab", "", "a", " ", "ab ", " b", "a"}) {
    vocabulary_.data.merges = {"a b", merge};
    try {
      make();
      FAIL() << "accepted '" << merge << "'";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kFile);
      EXPECT_NE(std::string(e.what()).find("merges[1]"), std::string::npos) << e.what();
    }
  }
}

TEST_F(BpeTest, WorkGrowsWithTheLength) {
  for (std::string left = "a"; left.size() < 64; left += left) vocabulary_.merge(left, left);
  const Bpe bpe = make();
  std::vector<int32_t> one, two;
  bpe.encode(std::string(1 << 20, 'a'), scratch_, one);
  EXPECT_LT(scratch_.n_queued, 3u << 20);
  bpe.encode(std::string(2 << 20, 'a'), scratch_, two);
  EXPECT_LT(scratch_.n_queued, 9u << 20);
  EXPECT_EQ(one.size(), (1u << 20) / 64);
  EXPECT_EQ(two.size(), 2 * one.size());
}

}  // namespace
}  // namespace nextn
