#include "grammar/gbnf.h"

#include <gtest/gtest.h>

#include "grammar/matches_of_test.h"

namespace nextn::grammar {
namespace {

bool takes(const char* gbnf, std::string_view text) {
  return matches(parse_gbnf(gbnf), text);
}

std::string refused(std::string_view gbnf) {
  return refusal([&] { parse_gbnf(gbnf); });
}

TEST(GbnfTest, LiteralsAndEscapes) {
  EXPECT_TRUE(takes(R"(root ::= "a\"b\\\n\t\r\x41\u00e9\U0001F600")", "a\"b\\\n\t\rA\u00e9\U0001F600"));
  EXPECT_TRUE(takes(R"(root ::= "")", ""));
  EXPECT_TRUE(takes(R"(root ::= "中")", "中"));
}

TEST(GbnfTest, ClassesAreOfCharacters) {
  EXPECT_TRUE(takes("root ::= [a-c中é-]+", "ab-中é"));
  EXPECT_FALSE(takes("root ::= [a-c]", "d"));
  EXPECT_TRUE(takes("root ::= [^a]", "中"));
  EXPECT_FALSE(takes("root ::= [^a中]", "中"));
  EXPECT_FALSE(takes("root ::= [^a]", "\xe4"));
  EXPECT_TRUE(takes("root ::= [\\]\\[\\-^]+", "]-[^"));
  EXPECT_TRUE(takes("root ::= ..", "\U0001F600\n"));
  EXPECT_FALSE(takes("root ::= .", "\xed\xa0\x80"));  // a surrogate
  EXPECT_TRUE(takes("root ::= [\\uD7FF-\\uE000]", "\uE000"));
}

TEST(GbnfTest, Repetition) {
  for (const char* gbnf : {"root ::= \"a\"{2,3}", "root ::= \"a\"{ 2 , 3 }", "root ::= \"a\" \"a\" \"a\"?"}) {
    EXPECT_FALSE(takes(gbnf, "a"));
    EXPECT_TRUE(takes(gbnf, "aa"));
    EXPECT_TRUE(takes(gbnf, "aaa"));
    EXPECT_FALSE(takes(gbnf, "aaaa"));
  }
  EXPECT_TRUE(takes("root ::= (\"a\" | \"b\"){2,} \"c\"{,1} \"d\"{2}", "abadd"));
  EXPECT_FALSE(takes("root ::= \"a\"+", ""));
  EXPECT_TRUE(takes("root ::= \"a\"*", ""));
  EXPECT_TRUE(takes("root ::= (\"a\"*)*", "aaa"));
}

TEST(GbnfTest, RulesLinesAndComments) {
  const char* gbnf = R"(
# numbers
root ::= (
    item      # first
    ("," item
    )*
  )?
item ::= "x" |
  "y"
  | pair-of_2
pair-of_2 ::= "p" item
empty ::=
)";
  EXPECT_TRUE(takes(gbnf, ""));
  EXPECT_TRUE(takes(gbnf, "x,y,ppx"));
  EXPECT_FALSE(takes(gbnf, "x,p"));
  EXPECT_TRUE(takes("root ::= a\r\na ::= | \"b\"\r\n", ""));
}

TEST(GbnfTest, RecursionOnTheRightAndInTheMiddle) {
  EXPECT_TRUE(takes("root ::= \"(\" root \")\" root | \"\"", "(()())()"));
  EXPECT_FALSE(takes("root ::= \"(\" root \")\" root | \"\"", "(()"));
}

TEST(GbnfTest, RulesThatNeverEndAreCutOff) {
  EXPECT_TRUE(takes("root ::= \"a\" | \"a\" never\nnever ::= \"b\" never", "a"));
  Matcher matcher(parse_gbnf("root ::= \"a\" | \"a\" never\nnever ::= \"b\" never"), small_trie());
  ASSERT_TRUE(matcher.accept('a'));
  EXPECT_TRUE(matcher.must_end());
  EXPECT_EQ(refused("root ::= \"b\" root"),
            "gbnf: expected a grammar that some text matches, found one that none does");
}

TEST(GbnfTest, Refusals) {
  EXPECT_EQ(refused(""), "gbnf: expected a rule root, found none");
  EXPECT_EQ(refused("a ::= \"x\""), "gbnf: expected a rule root, found none");
  EXPECT_EQ(refused("root ::= a\nb ::= c"), "gbnf: line 1: expected a rule a, found none");
  EXPECT_EQ(refused("root ::= \"a\"\nroot ::= \"b\""), "gbnf: line 2: expected one rule root, found a second");
  EXPECT_EQ(refused("root = \"a\""), "gbnf: line 1: expected ::=, found '='");
  EXPECT_EQ(refused("root ::= \"a"), "gbnf: line 1: expected '\"', found the end");
  EXPECT_EQ(refused("root ::= [a"), "gbnf: line 1: expected ']', found the end");
  EXPECT_EQ(refused("root ::= (\"a\""), "gbnf: line 1: expected ')', found the end");
  EXPECT_EQ(refused("root ::= \"a\")"), "gbnf: line 1: expected the end of the line, found ')'");
  EXPECT_EQ(refused("root ::= [b-a]"), "gbnf: line 1: expected a range that ascends, found one that does not");
  EXPECT_EQ(refused("root ::= \"\\q\""), "gbnf: line 1: expected an escape of n r t x u U \" \\ [ ] - ^ /, found 'q'");
  EXPECT_EQ(refused("root ::= \"\\uD800\""), "gbnf: line 1: expected a Unicode character, found d800");
  EXPECT_EQ(refused("root ::= \"\\x4\""), "gbnf: line 1: expected 2 hexadecimal digits, found '\"'");
  EXPECT_EQ(refused("root ::= \"a\"{3,2}"), "gbnf: line 1: expected bounds that ascend, found 3 and 2");
  EXPECT_EQ(refused("root ::= <[5]>"), "gbnf: line 1: token references <...> are not supported");
  EXPECT_EQ(refused("root ::= \"\xff\""), "gbnf: line 1: expected UTF-8, found byte 0xff");
}

TEST(GbnfTest, LeftRecursionIsRefused) {
  const std::string expected = "gbnf: expected no left recursion, found that rule root can begin with itself";
  EXPECT_EQ(refused("root ::= root \"a\" | \"b\""), expected);
  EXPECT_EQ(refused("root ::= ws root \"a\" | \"b\"\nws ::= \" \"*"), expected);
  EXPECT_EQ(refused("root ::= a \"x\" | \"y\"\na ::= root | \"z\""), expected);
  EXPECT_EQ(refused("root ::= root"), "gbnf: expected a grammar that some text matches, found one that none does");
}

TEST(GbnfTest, HostileGrammarsEndSoon) {
  EXPECT_EQ(refused("root ::= " + std::string(300, '(') + "\"a\"" + std::string(300, ')')),
            "gbnf: line 1: expected at most 100 levels of parentheses, found more");
  EXPECT_NE(refused("root ::= ((\"a\"{1000}){1000}){1000}").find("expected at most"), std::string::npos);
  EXPECT_NE(refused("root ::= ((\"\"{90000}){90000}){90000}").find("expected at most"), std::string::npos);
  EXPECT_NE(refused("root ::= [ab]* \"a\" [ab]{25}").find("expected at most"), std::string::npos);
  EXPECT_NE(refused("root ::= \"a\"{1000000000000}").find("expected at most"), std::string::npos);
  std::string chain = "root ::= r0\n";
  for (int i = 0; i < 20'000; i++) chain += fmt::format("r{} ::= r{}?\n", i, i + 1);
  EXPECT_EQ(refused(chain + "r20000 ::= \"a\""), "nothing was thrown");
  EXPECT_NE(refused("root ::= " + std::string(2'000'000, ' ')).find("expected at most"), std::string::npos);
}

}  // namespace
}  // namespace nextn::grammar
