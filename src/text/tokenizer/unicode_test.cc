#include "text/tokenizer/unicode.h"

#include <gtest/gtest.h>

#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/test_vocabulary.h"

namespace nextn {
namespace {

std::string to_utf8(std::u32string_view points) {
  std::string text;
  for (const char32_t c : points) append_utf8(text, c);
  return text;
}

TEST(Utf8, EveryCodePointComesBack) {
  for (char32_t c = 0; c < 0x110000; c++) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const std::u32string one(1, c);
    ASSERT_EQ(from_utf8(to_utf8(one)), one) << static_cast<uint32_t>(c);
  }
}

TEST(Utf8, WhatIsNotUtf8BecomesRawBytes) {
  const auto raw = [](std::initializer_list<int> bytes) {
    std::u32string points;
    for (const int byte : bytes) points.push_back(kRawByte + byte);
    return points;
  };
  EXPECT_EQ(from_utf8("\x80"), raw({0x80}));
  EXPECT_EQ(from_utf8("\xc0\x80"), raw({0xc0, 0x80}));                      // overlong
  EXPECT_EQ(from_utf8("\xe0\x9f\xbf"), raw({0xe0, 0x9f, 0xbf}));            // overlong
  EXPECT_EQ(from_utf8("\xf0\x8f\xbf\xbf"), raw({0xf0, 0x8f, 0xbf, 0xbf}));  // overlong
  EXPECT_EQ(from_utf8("\xed\xa0\x80"), raw({0xed, 0xa0, 0x80}));            // surrogate
  EXPECT_EQ(from_utf8("\xf4\x90\x80\x80"), raw({0xf4, 0x90, 0x80, 0x80}));  // U+110000
  EXPECT_EQ(from_utf8("\xf5"), raw({0xf5}));
  EXPECT_EQ(from_utf8("\xe2\x82"), raw({0xe2, 0x82}));  // cut short
  EXPECT_EQ(from_utf8("\xe2\x82x"), raw({0xe2, 0x82}) + U"x");
}

TEST(Utf8, RandomBytesComeBack) {
  std::mt19937 rng(1);
  for (int i = 0; i < 2000; i++) {
    const std::string bytes = random_bytes(rng, rng() % 40);
    ASSERT_EQ(to_utf8(from_utf8(bytes)), bytes);
  }
}

// Expected values: Python's bytes.decode("utf-8", "replace").
TEST(Utf8, ReplacesMaximalSubparts) {
  EXPECT_EQ(replace_invalid_utf8("a\xe2\x82z"), "a\ufffdz");
  EXPECT_EQ(replace_invalid_utf8("\xf0\x9f\x98"), "\ufffd");
  EXPECT_EQ(replace_invalid_utf8("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");
  EXPECT_EQ(replace_invalid_utf8("\xc0\x80"), "\ufffd\ufffd");
  EXPECT_EQ(replace_invalid_utf8("\xf1\x80\x80\xc3\xa9\xff"), "\ufffd\u00e9\ufffd");
  EXPECT_EQ(replace_invalid_utf8("h\u00e9 \U0001f600"), "h\u00e9 \U0001f600");
}

TEST(Utf8, FindsTheUnfinishedCharacterAtTheEnd) {
  EXPECT_EQ(incomplete_utf8_suffix(""), 0u);
  EXPECT_EQ(incomplete_utf8_suffix("abc"), 0u);
  EXPECT_EQ(incomplete_utf8_suffix("a\xc3"), 1u);
  EXPECT_EQ(incomplete_utf8_suffix("a\xc3\xa9"), 0u);
  EXPECT_EQ(incomplete_utf8_suffix("\xe2\x82"), 2u);
  EXPECT_EQ(incomplete_utf8_suffix("\xf0\x9f\x98"), 3u);
  EXPECT_EQ(incomplete_utf8_suffix("\xf0\x9f\x98\x80"), 0u);
  EXPECT_EQ(incomplete_utf8_suffix("\xed\xa0"), 0u);  // can become no character any more
  EXPECT_EQ(incomplete_utf8_suffix("\x80\x80\x80\x80"), 0u);
  EXPECT_EQ(incomplete_utf8_suffix("\xff"), 0u);
}

TEST(CharClass, KnowsTheClassesThePreTokenizersUse) {
  for (const char32_t c : std::u32string_view(U"aZ\u00b5\u01c5\u02b0\u4e2d\u0e01")) {
    EXPECT_EQ(char_class(c), CharClass::kLetter) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U'\u0301', U'\u0903', U'\u20dd'}) EXPECT_EQ(char_class(c), CharClass::kMark);
  for (const char32_t c : {U'0', U'\u00bd', U'\u2167', U'\u0663'}) EXPECT_EQ(char_class(c), CharClass::kNumber);
  for (const char32_t c : {U'!', U'_', U'\u2014', U'\u00ab', U'('}) EXPECT_EQ(char_class(c), CharClass::kPunctuation);
  for (const char32_t c : {U' ', U'\t', U'\v', U'\u0085', U'\u00a0', U'\u1680', U'\u2028', U'\u3000'}) {
    EXPECT_EQ(char_class(c), CharClass::kSpace);
  }
  // U+001C and U+200B look like white space to some libraries.
  for (const char32_t c : {U'\x1c', U'\u200b', U'$', U'\ufffd', U'\ue000', char32_t{kRawByte + 0x80}}) {
    EXPECT_EQ(char_class(c), CharClass::kOther) << static_cast<uint32_t>(c);
  }
}

TEST(Nfc, ComposesReordersAndObeysTheExclusions) {
  EXPECT_EQ(to_nfc(U"e\u0301"), U"\u00e9");
  EXPECT_EQ(to_nfc(U"\u1100\u1161\u11a8"), U"\uac01");
  EXPECT_EQ(to_nfc(U"q\u0307\u0323"), U"q\u0323\u0307");
  EXPECT_EQ(to_nfc(U"\u212b\u2126"), U"\u00c5\u03a9");
  EXPECT_EQ(to_nfc(U"\u0958"), U"\u0915\u093c");
  EXPECT_EQ(to_nfc(U"\u2add\u0338"), U"\u2add\u0338");
  EXPECT_EQ(to_nfc(U"abc"), U"abc");
}

TEST(Nfc, LeavesRawBytesWhereTheyAre) {
  const std::u32string raw(1, kRawByte + 0xff);
  EXPECT_EQ(to_nfc(U"e" + raw + U"\u0301"), U"e" + raw + U"\u0301");
  EXPECT_EQ(to_nfc(raw + U"e\u0301" + raw + raw), raw + U"\u00e9" + raw + raw);
}

TEST(Nfc, SortsALongRunOfMarksInTime) {
  std::u32string marks = U"q";
  for (int i = 0; i < 200'000; i++) marks += i % 2 ? U'\u0323' : U'\u0307';
  const std::u32string sorted = to_nfc(marks);
  EXPECT_EQ(sorted, U"q" + std::u32string(100'000, U'\u0323') + std::u32string(100'000, U'\u0307'));
}

TEST(ByteAlphabet, StandsForEveryByte) {
  std::string bytes;
  for (int byte = 0; byte < 256; byte++) bytes.push_back(static_cast<char>(byte));
  EXPECT_EQ(bytes_of_letters(letters_of(bytes)), bytes);
  EXPECT_EQ(letters_of(" a\n\xad"), "\u0120a\u010a\u0143");
  EXPECT_EQ(bytes_of_letters("a b"), std::nullopt);
  EXPECT_EQ(bytes_of_letters("\u4e2d"), std::nullopt);
}

}  // namespace
}  // namespace nextn
