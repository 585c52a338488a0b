#include "grammar/builder.h"

#include <gtest/gtest.h>

#include <functional>

#include "grammar/json_text.h"
#include "grammar/matches_of_test.h"

namespace nextn::grammar {
namespace {

using Build = std::function<Expr(GrammarBuilder&)>;

std::shared_ptr<const Grammar> grammar_of(const Build& body) {
  GrammarBuilder builder("test");
  const RuleId root = builder.declare("root");
  builder.define(root, body(builder));
  return builder.build(root);
}

// Every text of these letters, up to a length.
std::vector<std::string> all_texts(std::string_view letters, size_t longest) {
  std::vector<std::string> texts{""};
  for (size_t i = 0; i < texts.size() && texts[i].size() < longest; i++) {
    for (const char c : letters) texts.push_back(texts[i] + c);
  }
  return texts;
}

TEST(GrammarBuilderTest, WithoutIsWhatHasNoneOfTheTexts) {
  const std::vector<std::vector<std::string>> kForbidden = {
      {"ab"}, {"aab", "aba"}, {"</a>", "</b>"}, {"aa"}, {"a<a<b", "<a/"}};
  const std::string_view kLetters = "ab</>";
  for (const auto& forbidden : kForbidden) {
    const Build bodies[] = {
        [](GrammarBuilder& b) { return b.repeat(b.bytes(ByteSet(' ', 'z')), 0, kUnbounded); },
        [](GrammarBuilder& b) { return b.repeat(b.chars(CodePointSet::all()), 2, 5); },
        [](GrammarBuilder& b) { return b.repeat(b.choice({b.literal("a<"), b.literal("ab"), b.empty()}), 1, 3); }};
    for (const Build& body : bodies) {
      const auto all = grammar_of(body);
      const auto some = grammar_of([&](GrammarBuilder& b) { return b.without(body(b), forbidden); });
      for (const std::string& text : all_texts(kLetters, 6)) {
        bool expected = matches(all, text);
        for (const std::string& part : forbidden) expected = expected && text.find(part) == text.npos;
        EXPECT_EQ(matches(some, text), expected) << text << " without " << forbidden[0];
      }
    }
  }
}

TEST(GrammarBuilderTest, WithoutStandsAmongOthers) {
  const auto grammar = grammar_of([](GrammarBuilder& b) {
    const Expr any = b.repeat(b.chars(CodePointSet::all()), 0, kUnbounded);
    return b.repeat(b.sequence({b.literal("<v>"), b.without(any, {"</v>"}), b.literal("</v>")}), 0, kUnbounded);
  });
  EXPECT_TRUE(matches(grammar, ""));
  EXPECT_TRUE(matches(grammar, "<v></v><v>é</\u4e2d</v><v></v</v>"));
  EXPECT_FALSE(matches(grammar, "<v></v>x</v>"));
  EXPECT_EQ(refusal([] { grammar_of([](GrammarBuilder& b) { return b.without(b.literal("abc"), {"b"}); }); }),
            "test: expected a grammar that some text matches, found one that none does");
}

TEST(GrammarBuilderTest, JsonMayHaveNoStringWithAText) {
  const auto grammar = grammar_of([](GrammarBuilder& b) { return JsonText(b, {"</p>"}).value(); });
  EXPECT_TRUE(matches(grammar, R"({"a</p": ["<\/p>", "</p", ">", "\u003c/p>", "<</p"]})"));
  EXPECT_FALSE(matches(grammar, R"({"a": "</p>"})"));
  EXPECT_FALSE(matches(grammar, R"({"</p>": 1})"));
  EXPECT_FALSE(matches(grammar, R"("<</p>")"));
}

}  // namespace
}  // namespace nextn::grammar
