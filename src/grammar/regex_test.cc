#include "grammar/regex.h"

#include <gtest/gtest.h>

#include "grammar/matches_of_test.h"

namespace nextn::grammar {
namespace {

bool takes(std::string_view pattern, std::string_view text) {
  return matches(parse_regex(pattern), text);
}

std::string refused(std::string_view pattern) {
  return refusal([&] { parse_regex(pattern); });
}

TEST(RegexTest, MatchesTheWholeText) {
  EXPECT_TRUE(takes("a|bc", "bc"));
  EXPECT_FALSE(takes("a|bc", "abc"));
  EXPECT_TRUE(takes("^a|bc$", "a"));
  EXPECT_TRUE(takes("", ""));
  EXPECT_TRUE(takes("a|", ""));
}

TEST(RegexTest, Classes) {
  EXPECT_TRUE(takes("[a-c_\\d中-文]+", "b_9丶"));
  EXPECT_TRUE(takes("[^a-c]", "d"));
  EXPECT_FALSE(takes("[^a-c]", "b"));
  EXPECT_TRUE(takes("\\d\\D\\w\\W\\s\\S", "1a_- x"));
  EXPECT_FALSE(takes("\\S", "\u00a0"));
  EXPECT_FALSE(takes("\\w", "é"));
  EXPECT_TRUE(takes("[\\]\\-\\\\]+", "]-\\"));
  EXPECT_TRUE(takes("[-a]+[a-]", "-a-"));
  EXPECT_TRUE(takes("[^]", "\n"));
  EXPECT_TRUE(takes("[\\b]", "\b"));
  EXPECT_TRUE(takes(".", "中"));
  EXPECT_FALSE(takes(".", "\n"));
  EXPECT_FALSE(takes(".", "\u2028"));
  EXPECT_FALSE(takes(".", "\xe4\xb8"));
}

TEST(RegexTest, Quantifiers) {
  EXPECT_TRUE(takes("a{2}b{1,}c{0,2}d?", "aabbbcc"));
  EXPECT_FALSE(takes("a{2}", "aaa"));
  EXPECT_TRUE(takes("a+?b*?c??", "aab"));
  EXPECT_TRUE(takes("(?:ab)*", "abab"));
  EXPECT_TRUE(takes("{a}", "{a}"));  // no quantifier
  EXPECT_TRUE(takes("a{,2}", "aa"));
}

TEST(RegexTest, GroupsAndEscapes) {
  EXPECT_TRUE(takes("(a)(?:b)(?<n>c)(?P<m>d)", "abcd"));
  std::string text = "./*\n\tA\u00e9\U0001F600";
  text.push_back('\0');
  EXPECT_TRUE(takes("\\./\\*\\n\\t\\x41\\u00e9\\u{1F600}\\0", text));
}

TEST(RegexTest, Refusals) {
  EXPECT_EQ(refused("a(?=b)"), "regex: character 5: look-around is not supported");
  EXPECT_EQ(refused("(?<!b)"), "regex: character 5: look-around is not supported");
  EXPECT_EQ(refused("(a)\\1"), "regex: character 6: back references are not supported");
  EXPECT_EQ(refused("\\bx"), "regex: character 3: word boundaries are not supported");
  EXPECT_EQ(refused("\\p{L}"), "regex: character 3: Unicode properties are not supported");
  EXPECT_EQ(refused("(?i)a"), "regex: character 3: flags and special groups are not supported, (?: is");
  EXPECT_EQ(refused("a++"), "regex: character 3: possessive quantifiers are not supported");
  EXPECT_EQ(refused("a**"), "regex: character 3: expected one quantifier, found a second");
  EXPECT_EQ(refused("*a"), "regex: character 1: expected something to repeat before '*'");
  EXPECT_EQ(refused("a^b"), "regex: character 2: expected ^ at the beginning of an alternative outside of groups");
  EXPECT_EQ(refused("(a$)"), "regex: character 3: expected $ at the end of an alternative outside of groups");
  EXPECT_EQ(refused("(a"), "regex: character 3: expected ')', found the end");
  EXPECT_EQ(refused("a)"), "regex: character 2: expected the end, found ')'");
  EXPECT_EQ(refused("[a"), "regex: character 3: expected ']', found the end");
  EXPECT_EQ(refused("[b-a]"), "regex: character 5: expected a range that ascends, found one that does not");
  EXPECT_EQ(refused("[\\d-a]"), "regex: character 4: expected a character before '-', found a class");
  EXPECT_EQ(refused("\\q"), "regex: character 3: escape \\q is not supported");
  EXPECT_EQ(refused("a{3,1}"), "regex: character 7: expected bounds that ascend, found 3 and 1");
  EXPECT_EQ(refused("\xff"), "regex: character 1: expected UTF-8, found byte 0xff");
}

TEST(RegexTest, HostilePatternsEndSoon) {
  EXPECT_NE(refused("((a{1000}){1000}){1000}").find("expected at most"), std::string::npos);
  EXPECT_NE(refused("(a|b)*a(a|b){25}").find("expected at most"), std::string::npos);
  EXPECT_NE(refused(std::string(5000, '(')).find("levels"), std::string::npos);
  EXPECT_TRUE(takes("(((a*)*)*)*", "aaaa"));
}

}  // namespace
}  // namespace nextn::grammar
