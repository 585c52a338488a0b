#include "engine/stop_matcher.h"

#include <gtest/gtest.h>

namespace nextn {
namespace {

TEST(StopMatcher, FindsAStopStringHoweverTheTextIsCut) {
  const std::string text = "one two \nUser: three";
  for (size_t cut = 0; cut <= text.size(); cut++) {
    StopMatcher matcher({"\nUser:", "###"});
    std::string out = matcher.push(text.substr(0, cut));
    out += matcher.push(text.substr(cut));
    EXPECT_TRUE(matcher.found()) << cut;
    EXPECT_EQ(out, "one two ") << cut;
  }
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBecomeAStopString) {
  StopMatcher matcher({"abcd", "bce"});
  EXPECT_EQ(matcher.push("xxab"), "xx");
  EXPECT_EQ(matcher.push("c"), "");
  EXPECT_EQ(matcher.push("f"), "abcf");
  EXPECT_EQ(matcher.push("abc"), "");
  EXPECT_EQ(matcher.push("e"), "a");
  EXPECT_TRUE(matcher.found());
  EXPECT_EQ(matcher.push("more"), "");
}

TEST(StopMatcher, GivesBackWhatItHeldWhenTheTextEnds) {
  StopMatcher matcher({"stop"});
  EXPECT_EQ(matcher.push("a sto"), "a ");
  EXPECT_EQ(matcher.finish(), "sto");
  EXPECT_FALSE(matcher.found());
}

TEST(StopMatcher, TheEarliestOfSeveralWins) {
  StopMatcher matcher({"b", "a"});
  EXPECT_EQ(matcher.push("xxaxb"), "xx");
  EXPECT_TRUE(matcher.found());
}

}  // namespace
}  // namespace nextn
