#include "text/chat/json_scanner.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace nextn {
namespace {

// nlohmann::json is asked about each text, each beginning of it, and each with one character left out or doubled.
TEST(JsonScanner, AgreesWithNlohmann) {
  size_t n_json = 0;
  const auto check = [&](const std::string& text) {
    const bool json = nlohmann::json::accept(text);
    EXPECT_EQ(is_json(text), json) << text;
    n_json += json;
  };
  for (const std::string text :
       {R"( {"a": [1, -2.50e+3, 0.1E-2, 1e2, "x\"\\\/\b\f\n\r\t", {}, [], {"b" : null, "c":true}], "" :false } )",
        R"("\u00e9\ud83d\ude00\uDBFF\uDFFF\u0000\uE000")",
        R"("\ud83d\u0041")",
        R"("\ud83d\ud83d\ude00")",
        R"("\ude00")",
        R"("\ud83d")",
        R"("\ud83dx")",
        R"("\ud83d\n")",
        R"(["\ud83d", "\ude00"])",
        R"("日本 é")",
        "\"a\nb\"",
        "\"a\x1f\"",
        "\"a\x7f\"",
        "-0",
        "-",
        "01",
        "-01",
        "1.",
        ".5",
        "1.e2",
        "1e",
        "1e+",
        "+1",
        "0x1",
        "[1,]",
        "{\"a\":1,}",
        "{,}",
        "[,]",
        "{\"a\"}",
        "{1:2}",
        "[}",
        "{]",
        "1 2",
        "tru",
        "nulll",
        "TRUE",
        "'a'",
        "[1]]",
        "\t\r\n[ ]\t\r\n",
        "\v1",
        "{\"a\":{\"b\":[{\"c\":[[]]}]}}"}) {
    for (size_t i = 0; i <= text.size(); i++) {
      check(text.substr(0, i));
      if (i == text.size()) break;
      if (text.find_first_of("\xc3\xe6\xe7\xc9") != std::string::npos) continue;  // bytes of a character go together
      check(text.substr(0, i) + text.substr(i + 1));
      check(text.substr(0, i + 1) + text.substr(i));
    }
  }
  EXPECT_GT(n_json, 150u);
}

TEST(JsonScanner, DepthIsBounded) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(is_json(nested(JsonScanner::kMaxDepth)));
  EXPECT_FALSE(is_json(nested(JsonScanner::kMaxDepth + 1)));
  EXPECT_FALSE(is_json(std::string(1 << 20, '[')));
}

TEST(JsonScanner, WhatIsRefusedChangesNothing) {
  JsonScanner scanner;
  for (const char c : std::string_view("{\"a\": [1")) EXPECT_TRUE(scanner.take(c));
  EXPECT_FALSE(scanner.take('x'));
  EXPECT_FALSE(scanner.take('}'));
  EXPECT_EQ(scanner.depth(), 2u);
  for (const char c : std::string_view("]}")) EXPECT_TRUE(scanner.take(c));
  EXPECT_TRUE(scanner.whole());
}

TEST(JsonScanner, KnowsKeys) {
  JsonScanner scanner;
  std::string in_keys;
  for (const char c : std::string_view(R"({"a\"": "b", "c": {"d": ["e"]}})")) {
    EXPECT_TRUE(scanner.take(c));
    if (scanner.in_key()) in_keys += c;
  }
  EXPECT_EQ(in_keys, R"("a\""c"d)");
}

}  // namespace
}  // namespace nextn
