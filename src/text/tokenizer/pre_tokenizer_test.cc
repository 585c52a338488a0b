#include "text/tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/tokenizer/unicode.h"

namespace nextn {
namespace {

using Texts = std::vector<std::u32string>;

Texts split(std::string_view pre, std::u32string_view text) {
  Texts pieces;
  size_t begin = 0;
  for (const size_t end : find_pre_tokenizer(pre).split(text)) {
    pieces.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return pieces;
}

TEST(PreTokenizer, Gpt2) {
  EXPECT_EQ(split("gpt-2", U"Hello  world's 'S 123\n\n x"),
            (Texts{U"Hello", U" ", U" world", U"'s", U" '", U"S", U" 123", U"\n\n", U" x"}));
}

TEST(PreTokenizer, Qwen2) {
  EXPECT_EQ(split("qwen2", U"I'LL x12\t\ty !!\r\n \n  z  "),
            (Texts{U"I", U"'LL", U" x", U"1", U"2", U"\t", U"\ty", U" !!\r\n", U" \n", U" ", U" z", U"  "}));
  EXPECT_EQ(split("qwen2", U"e\u0301a"), (Texts{U"e", U"\u0301a"}));
}

TEST(PreTokenizer, Qwen35KeepsMarksInWords) {
  EXPECT_EQ(split("qwen35", U"e\u0301a \u0301!"), (Texts{U"e\u0301a", U" \u0301", U"!"}));
}

TEST(PreTokenizer, Llama3TakesNumbersByThree) {
  EXPECT_EQ(split("llama-bpe", U"1234567 a"), (Texts{U"123", U"456", U"7", U" a"}));
  EXPECT_EQ(split("glm4", U"1234567 a"), split("llama-bpe", U"1234567 a"));
}

TEST(PreTokenizer, DeepseekLlmAppliesOneExpressionAfterAnother) {
  EXPECT_EQ(split("deepseek-llm", U"ab \u4e2d\u6587 12\n\n!  "),
            (Texts{U"ab", U" ", U"\u4e2d\u6587", U" ", U"12", U"\n", U"\n", U"!", U"  "}));
}

TEST(PreTokenizer, ALongRunOfOneKindIsLinear) {
  for (const char* pre : {"default", "gpt-2", "qwen2", "qwen35", "glm4", "deepseek-llm"}) {
    for (const char32_t c : {U'a', U'1', U' ', U'\n', U'!', U'\u0301', U'\u4e2d', U'\'', char32_t{kRawByte + 0xff}}) {
      const std::u32string run(1 << 18, c);
      for (const auto& text : {run, run + U"\u2603", U"\u2603" + run}) {
        const auto ends = find_pre_tokenizer(pre).split(text);
        EXPECT_EQ(ends.back(), text.size());
      }
    }
  }
}

TEST(PreTokenizer, AnUnknownNameGetsTheListOfKnownOnes) {
  try {
    find_pre_tokenizer("gemma4");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kFile);
    EXPECT_NE(std::string(e.what()).find("qwen35, glm4"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("found 'gemma4'"), std::string::npos) << e.what();
  }
}

// tests/tokenizer/splits.json: the published expressions, run by the Python package tokenizers over random strings.
TEST(PreTokenizer, CutsAsTheExpressionsDo) {
  std::ifstream file(NEXTN_TOKENIZER_VECTORS "/splits.json");
  ASSERT_TRUE(file);
  const nlohmann::json vectors = nlohmann::json::parse(file);
  size_t n_cut = 0;
  for (const auto& test : vectors["cases"]) {
    const std::string utf8 = test["text"].get<std::string>();
    const std::u32string text = from_utf8(utf8);
    EXPECT_EQ(to_nfc(text), from_utf8(test["nfc"].get<std::string>())) << test["text"];
    for (const char* pre : {"default", "gpt-2", "qwen2", "qwen35", "glm4", "deepseek-llm"}) {
      std::vector<size_t> ends;
      for (const size_t length : test[pre]) ends.push_back((ends.empty() ? 0 : ends.back()) + length);
      EXPECT_EQ(find_pre_tokenizer(pre).split(text), ends) << pre << " " << test["text"];
      n_cut++;
    }
  }
  EXPECT_EQ(n_cut, 1200u);
}

}  // namespace
}  // namespace nextn
