#include "text/tokenizer/special_tokens.h"

#include <gtest/gtest.h>

namespace nextn {
namespace {

TEST(SpecialTokens, TheLeftmostWinsAndThenTheLongest) {
  const SpecialTokens tokens(
      {{"<a", 1}, {"<a>", 2}, {"<ab>", 3}, {"bcd", 4}, {"", 5}, {"<a>", 6}, {"\xef\xbd\x9c", 7}});
  const auto find = [&](std::string_view text, size_t from = 0) {
    const auto match = tokens.find(text, from);
    return match ? std::vector<size_t>{match->begin, match->length, static_cast<size_t>(match->id)}
                 : std::vector<size_t>{};
  };
  using Found = std::vector<size_t>;
  EXPECT_EQ(find(""), Found{});
  EXPECT_EQ(find("a<b"), Found{});
  EXPECT_EQ(find("x<a"), (Found{1, 2, 1}));
  EXPECT_EQ(find("x<a>y"), (Found{1, 3, 6}));  // the later of two equal ones
  EXPECT_EQ(find("<ab"), (Found{0, 2, 1}));
  EXPECT_EQ(find("<ab>"), (Found{0, 4, 3}));
  EXPECT_EQ(find("<abcd"), (Found{0, 2, 1}));  // though "bcd" is longer
  EXPECT_EQ(find("<a><a>", 1), (Found{3, 3, 6}));
  EXPECT_EQ(find("..\xef\xbd\x9c"), (Found{2, 3, 7}));
}

TEST(SpecialTokens, ManyThatShareTheirStartAreNoTrouble) {
  std::vector<SpecialTokens::Token> list;
  for (int i = 0; i < 2000; i++) list.push_back({"<|reserved_" + std::to_string(i) + "|>", i});
  const SpecialTokens tokens(std::move(list));
  const std::string text = std::string(1 << 20, '<') + "<|reserved_1234|>";
  const auto match = tokens.find(text, 0);
  ASSERT_TRUE(match);
  EXPECT_EQ(match->begin, 1u << 20);
  EXPECT_EQ(match->id, 1234);
}

TEST(SpecialTokens, NoneFindNothing) {
  EXPECT_FALSE(SpecialTokens({}).find("anything", 0));
}

}  // namespace
}  // namespace nextn
