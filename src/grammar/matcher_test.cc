#include "grammar/matcher.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "grammar/builder.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/matches_of_test.h"
#include "grammar/regex.h"

namespace nextn::grammar {
namespace {

const char* const kGrammars[] = {
    R"g(root ::= "ab" | "abc" | "b"*)g",
    R"g(root ::= "a" root "b" | "ab")g",
    R"g(root ::= "a" root "a" | "a" root "b" | "a")g",  // ambiguous: where is the middle?
    R"g(root ::= expr
       expr ::= term (("+" | "-") term)*
       term ::= factor ("*" factor)*
       factor ::= [a-c] | "(" expr ")")g",
    R"g(root ::= item ("," " "? item)*
       item ::= [^,\n"]+ | "\"" [^"]* "\"")g",
    R"g(root ::= "x"{2,4} [\u4e2d-\u6587é]* .?)g",
    R"g(root ::= ws value ws
       value ::= "{" ws (pair ("," ws pair)*)? "}" | "[" ws (value ws ("," ws value ws)*)? "]" | string | [0-9]+ | "null" | "true"
       pair ::= string ws ":" ws value ws
       string ::= "\"" ([^"\\\x00-\x1f] | "\\" ["\\/bfnrt])* "\""
       ws ::= | " " | "\n" [ \t]{0,4})g",
    R"g(root ::= list
       list ::= [a-z] "\n" list | )g",
    R"g(root ::= a b c
       a ::= "a"?
       b ::= a a "b"?
       c ::= (a | b)* "c" root?)g",
    R"g(root ::= .*)g",
};

std::vector<bool> allowed_by_copies(const Matcher& matcher) {
  std::vector<bool> allowed;
  for (int32_t id = 0; id < small_trie()->n_vocab(); id++) {
    Matcher copy = matcher;
    allowed.push_back(copy.accept(id));
  }
  return allowed;
}

std::vector<bool> allowed_by_mask(Matcher& matcher) {
  std::vector<uint32_t> bits(matcher.mask_words() + 1, ~0u);
  EXPECT_EQ(matcher.mask(bits), matcher.may_end());
  EXPECT_EQ(bits.back(), 0u);
  std::vector<bool> allowed;
  for (int32_t id = 0; id < small_trie()->n_vocab(); id++)
    allowed.push_back(bits[static_cast<size_t>(id) / 32] >> id % 32 & 1);
  return allowed;
}

std::vector<std::shared_ptr<const Grammar>> all_grammars() {
  std::vector<std::shared_ptr<const Grammar>> all;
  for (const char* text : kGrammars) all.push_back(parse_gbnf(text));
  for (const char* pattern : {"[^\\n]*", ".{0,12}", "(?:ab|abc)*[\u4e00-\u9fff]{2,}.*", "[^\"]*\"x"})
    all.push_back(parse_regex(pattern));
  GrammarBuilder builder("without");
  const RuleId root = builder.declare("root");
  const Expr any = builder.repeat(builder.chars(CodePointSet::all()), 0, kUnbounded);
  builder.define(root, builder.sequence({builder.without(any, {"ab\"", "bc"}), builder.literal("bc")}));
  all.push_back(builder.build(root));
  all.push_back(json_object_grammar());
  for (
      const char* schema :
      {R"({"type": "string", "minLength": 2, "maxLength": 9})",
       R"({"properties": {"a": {}, "abc": {"type": "string"}, "bc": {"type": "number", "minimum": -1.5}}, "additionalProperties": true})",
       R"({"type": "array", "items": {"enum": ["a", "ab", "\u4e2d\u6587", 1, null]}, "maxItems": 4})"})
    all.push_back(parse_json_schema(nlohmann::ordered_json::parse(schema)));
  return all;
}

TEST(MatcherTest, WhetherOneOfSomeTextsMustFollow) {
  const auto must = [](const char* gbnf, std::string_view before, const std::vector<std::string_view>& texts) {
    Matcher matcher(parse_gbnf(gbnf), small_trie());
    for (const char c : before) EXPECT_TRUE(matcher.accept(static_cast<uint8_t>(c)));
    return matcher.must_begin_with_one_of(texts);
  };
  EXPECT_TRUE(must(R"(root ::= "<a>b" | "c")", "", {"<a>"}));
  EXPECT_FALSE(must(R"(root ::= "<a>b" | "<b>")", "", {"<a>"}));
  EXPECT_TRUE(must(R"(root ::= "<a>b" | "<b>" | "x")", "", {"<a>", "<b>"}));
  EXPECT_TRUE(must(R"(root ::= "<a>b" | "<ab>" | "x")", "", {"<a>", "<a"}));
  EXPECT_TRUE(must(R"(root ::= "v" call "<a>"
                      call ::= "<b>"?)",
                   "v", {"<a>", "<b>"}));
  EXPECT_FALSE(must("root ::= .* \"<a>\"", "x", {"<a>"}));
  EXPECT_FALSE(must("root ::= \"<a>\" | \"<\"", "", {"<a>"}));
  EXPECT_FALSE(must("root ::= \"<a>\"", "", {}));
}

TEST(MatcherTest, MaskIsWhatAcceptTakes) {
  int number = 0;
  for (const auto& grammar : all_grammars()) {
    SCOPED_TRACE(number++);
    std::mt19937 random(1);
    for (int walk = 0; walk < 12; walk++) {
      Matcher matcher(grammar, small_trie());
      for (int step = 0; step < 25; step++) {
        const std::vector<bool> allowed = allowed_by_mask(matcher);
        ASSERT_EQ(allowed, allowed_by_copies(matcher)) << "walk " << walk << " step " << step;
        std::vector<int32_t> ids;
        for (size_t id = 0; id < allowed.size(); id++)
          if (allowed[id]) ids.push_back(static_cast<int32_t>(id));
        ASSERT_EQ(ids.empty(), matcher.must_end()) << "walk " << walk << " step " << step;
        if (ids.empty()) break;
        ASSERT_TRUE(matcher.accept(ids[random() % ids.size()]));
      }
    }
  }
}

TEST(MatcherTest, RewindForgetsAndForgetsNothingElse) {
  std::mt19937 random(2);
  int number = 0;
  for (const auto& grammar : all_grammars()) {
    SCOPED_TRACE(number++);
    Matcher matcher(grammar, small_trie());
    std::vector<int32_t> accepted;
    for (int round = 0; round < 200; round++) {
      const Matcher::Checkpoint checkpoint = matcher.mark();
      const size_t n = accepted.size();
      for (size_t drafts = random() % 8; drafts > 0; drafts--) {
        const std::vector<bool> allowed = allowed_by_mask(matcher);
        const auto id = static_cast<int32_t>(random() % allowed.size());
        ASSERT_EQ(matcher.accept(id), allowed[static_cast<size_t>(id)]);
        if (allowed[static_cast<size_t>(id)]) accepted.push_back(id);
      }
      if (random() % 2 == 0) {
        matcher.rewind(checkpoint);
        accepted.resize(n);
      }
      Matcher twin(grammar, small_trie());
      for (int32_t id : accepted) ASSERT_TRUE(twin.accept(id));
      ASSERT_EQ(allowed_by_mask(matcher), allowed_by_mask(twin));
      ASSERT_EQ(matcher.forced(), twin.forced());
    }
  }
}

TEST(MatcherTest, ForcedBytesStopAtAChoice) {
  const auto grammar = parse_gbnf("root ::= \"abc\" (\"def\" | \"deg\") \"h\"?");
  Matcher matcher(grammar, small_trie());
  EXPECT_EQ(matcher.forced(), "abcde");
  for (char c : {'a', 'b', 'c', 'd', 'e'}) ASSERT_TRUE(matcher.accept(c));
  EXPECT_EQ(matcher.forced(), "");
  ASSERT_TRUE(matcher.accept('f'));
  EXPECT_EQ(matcher.forced(), "");  // the end is a choice
  EXPECT_TRUE(matcher.may_end());
  EXPECT_FALSE(matcher.must_end());
  ASSERT_TRUE(matcher.accept('h'));
  EXPECT_TRUE(matcher.must_end());
}

TEST(MatcherTest, RefusedTokensChangeNothing) {
  Matcher matcher(parse_gbnf("root ::= \"ab\""), small_trie());
  EXPECT_FALSE(matcher.accept(-1));
  EXPECT_FALSE(matcher.accept(kUnusedToken));
  EXPECT_FALSE(matcher.accept(small_trie()->n_vocab()));
  EXPECT_FALSE(matcher.accept('b'));
  EXPECT_EQ(matcher.mark().n_accepted, 0);
  EXPECT_TRUE(matcher.accept('a'));
}

TEST(MatcherTest, AmbiguityCostsNoMoreThanTheTextIsLong) {
  const auto grammar = parse_gbnf("root ::= \"a\" root \"a\" | \"a\" root \"b\" | \"a\"");
  Matcher matcher(grammar, small_trie());
  for (int i = 0; i < 1001; i++) ASSERT_TRUE(matcher.accept('a'));
  EXPECT_TRUE(matcher.may_end());
  for (int i = 0; i < 1100; i++) ASSERT_EQ(matcher.accept('b'), i < 1000);
}

TEST(MatcherTest, RightRecursionNeedsNoStack) {
  Matcher matcher(parse_gbnf("root ::= [a-z] \"\\n\" root | "), small_trie());
  for (int i = 0; i < 300'000; i++) ASSERT_TRUE(matcher.accept(i % 2 == 0 ? 'a' : '\n'));
  EXPECT_TRUE(matcher.may_end());
}

TEST(MatcherTest, LongDeepTextsStayRight) {
  // Deep enough that states are forgotten on the way.
  const auto grammar = parse_gbnf("root ::= \"[\" root \"]\" | \"(\" root \")\" | \"x\"");
  Matcher matcher(grammar, small_trie());
  std::string closing;
  std::mt19937 random(3);
  for (int i = 0; i < 200'000; i++) {
    const bool round = random() % 2 == 0;
    ASSERT_TRUE(matcher.accept(round ? '(' : '['));
    closing += round ? ')' : ']';
  }
  ASSERT_TRUE(matcher.accept('x'));
  for (; !closing.empty(); closing.pop_back()) {
    ASSERT_FALSE(matcher.accept(closing.back() == ')' ? ']' : ')'));
    const auto checkpoint = matcher.mark();
    ASSERT_TRUE(matcher.accept(closing.back()));
    matcher.rewind(checkpoint);
    ASSERT_TRUE(matcher.accept(closing.back()));
  }
  EXPECT_TRUE(matcher.must_end());
}

TEST(MatcherTest, ThreadsShareAGrammar) {
  const auto grammar = json_object_grammar();
  const std::string text = "{\"a\": [1, {\"b\": \"x\"}]}";
  const auto masks_of = [&] {
    Matcher matcher(grammar, small_trie());
    std::vector<std::vector<bool>> masks;
    for (char c : text) {
      masks.push_back(allowed_by_mask(matcher));
      EXPECT_TRUE(matcher.accept(c));
    }
    return masks;
  };
  std::vector<std::vector<bool>> masks[4];
  {
    std::vector<std::jthread> threads;
    for (auto& out : masks) threads.emplace_back([&masks_of, &out] { out = masks_of(); });
  }
  for (const auto& out : masks) EXPECT_EQ(out, masks[0]);
}

TEST(MatcherTest, TextsAreMatched) {
  const auto grammar = parse_gbnf(kGrammars[3]);
  EXPECT_TRUE(matches(grammar, "(a+b)*c-a"));
  EXPECT_FALSE(matches(grammar, "(a+b"));
  EXPECT_FALSE(matches(grammar, "a+"));
  EXPECT_FALSE(matches(grammar, ""));
}

}  // namespace
}  // namespace nextn::grammar
