#include "text/tokenizer/stream_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "text/tokenizer/test_vocabulary.h"
#include "text/tokenizer/tokenizer.h"

namespace nextn {
namespace {

class StreamDecoderTest : public testing::Test {
 protected:
  StreamDecoderTest() : vocabulary_() {
    vocabulary_.add("<|im_end|>", kControl);
    vocabulary_.merge("\xf0", "\x9f");
    vocabulary_.merge("a", "\xc3");
  }
  TestVocabulary vocabulary_;
};

TEST_F(StreamDecoderTest, HoldsACharacterBackUntilItIsWhole) {
  const Tokenizer tokenizer(vocabulary_.data);
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push('h'), "h");
  EXPECT_EQ(decoder.push(0xc3), "");
  EXPECT_EQ(decoder.push(0xa9), "\u00e9");
  EXPECT_EQ(decoder.push(257), "");  // F0 9F
  EXPECT_EQ(decoder.push(0x98), "");
  EXPECT_EQ(decoder.push(256), "");  // a control token in between says nothing
  EXPECT_EQ(decoder.push(0x80), "\U0001f600");
  EXPECT_EQ(decoder.push(258), "a");  // "a" C3
  EXPECT_EQ(decoder.push(0xa9), "\u00e9");
  EXPECT_EQ(decoder.finish(), "");
}

TEST_F(StreamDecoderTest, LetsGoOfWhatCanBecomeNoCharacter) {
  const Tokenizer tokenizer(vocabulary_.data);
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(0xff), "\xff");
  EXPECT_EQ(decoder.push(0x80), "\x80");
  EXPECT_EQ(decoder.push(0xe2), "");
  EXPECT_EQ(decoder.push('x'), "\xe2x");
  EXPECT_EQ(decoder.push(0xe2), "");
  EXPECT_EQ(decoder.push(0x82), "");
  EXPECT_EQ(decoder.finish(), "\xe2\x82");
  EXPECT_EQ(decoder.finish(), "");
  EXPECT_EQ(decoder.push('x'), "x");
}

TEST_F(StreamDecoderTest, RendersControlTokensWhenAsked) {
  const Tokenizer tokenizer(vocabulary_.data);
  StreamDecoder plain(tokenizer), rendered(tokenizer, true);
  EXPECT_EQ(plain.push(256), "");
  EXPECT_EQ(rendered.push(256), "<|im_end|>");
}

TEST_F(StreamDecoderTest, JoinsToTheWholeHoweverItIsCut) {
  const Tokenizer tokenizer(vocabulary_.data);
  std::mt19937 rng(3);
  for (int i = 0; i < 3000; i++) {
    std::vector<int32_t> ids;
    for (const char byte : random_bytes(rng, rng() % 30)) ids.push_back(static_cast<uint8_t>(byte));
    for (size_t n = rng() % 4; n > 0; n--) ids.push_back(256 + static_cast<int32_t>(rng() % 3));
    std::shuffle(ids.begin(), ids.end(), rng);

    StreamDecoder decoder(tokenizer);
    std::string joined, replaced;
    const auto take = [&](const std::string& part) {
      joined += part;
      replaced += replace_invalid_utf8(part);
    };
    for (const int32_t id : ids) {
      take(decoder.push(id));
    }
    take(decoder.finish());
    ASSERT_EQ(joined, tokenizer.decode(ids));
    ASSERT_EQ(replaced, replace_invalid_utf8(joined));
  }
}

TEST_F(StreamDecoderTest, NeverEmitsHalfACharacterOfText) {
  const Tokenizer tokenizer(vocabulary_.data);
  StreamDecoder decoder(tokenizer);
  std::mt19937 rng(5);
  for (int i = 0; i < 20000; i++) {
    static constexpr char32_t kKinds[] = {0x80, 0x800, 0xd800, 0x110000};
    std::string text;
    append_utf8(text, static_cast<char32_t>(rng() % kKinds[rng() % 4]));
    if (text.size() == 3 && from_utf8(text).size() != 1) continue;  // a surrogate
    for (const char& byte : text) {
      const std::string part = decoder.push(static_cast<uint8_t>(byte));
      ASSERT_EQ(part, &byte == &text.back() ? text : "");
    }
  }
}

}  // namespace
}  // namespace nextn
