#include "text/tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/tokenizer/test_vocabulary.h"

namespace nextn {
namespace {

using Ids = std::vector<int32_t>;

TEST(Tokenizer, EncodesBytesAndMerges) {
  TestVocabulary vocabulary;
  const int32_t he = vocabulary.merge("h", "e"), space_he = vocabulary.merge(" ", "he");
  const Tokenizer tokenizer(vocabulary.data);
  EXPECT_EQ(tokenizer.encode("he he", false, false), (Ids{he, space_he}));
  EXPECT_EQ(tokenizer.encode("", true, true), Ids{});
  EXPECT_EQ(tokenizer.decode(Ids{he, space_he}), "he he");
  EXPECT_EQ(tokenizer.piece(space_he), " he");
  EXPECT_EQ(tokenizer.n_vocab(), 258);
}

TEST(Tokenizer, ControlTokensOnlyWhenAskedUserDefinedAlways) {
  TestVocabulary vocabulary;
  const int32_t start = vocabulary.add("<|im_start|>", kControl);
  const int32_t think = vocabulary.add("<think>", kUserDefined);
  const int32_t unknown = vocabulary.add("<unk>", kUnknown);
  const int32_t unused = vocabulary.add("[PAD9]", kUnused);
  const Tokenizer tokenizer(vocabulary.data);
  EXPECT_EQ(tokenizer.encode("a<|im_start|><think>", false, true), (Ids{'a', start, think}));
  EXPECT_EQ(tokenizer.encode("<think>a<think>", false, false), (Ids{think, 'a', think}));
  EXPECT_EQ(tokenizer.encode("<unk>", false, true), Ids{unknown});

  const std::string text = "<|im_start|>[PAD9]<unk>";
  const Ids ids = tokenizer.encode(text, false, false);
  EXPECT_EQ(ids.size(), text.size());
  EXPECT_EQ(tokenizer.decode(ids), text);
  EXPECT_EQ(tokenizer.encode("[PAD9]", false, true).size(), 6u);

  EXPECT_TRUE(tokenizer.is_control(start));
  EXPECT_FALSE(tokenizer.is_control(think));
  EXPECT_FALSE(tokenizer.is_control(-1));
  EXPECT_EQ(tokenizer.piece(start), "");
  EXPECT_EQ(tokenizer.piece(start, true), "<|im_start|>");
  EXPECT_EQ(tokenizer.piece(think), "<think>");
  EXPECT_EQ(tokenizer.piece(unused, true), "");
  EXPECT_EQ(tokenizer.piece(-1), "");
  EXPECT_EQ(tokenizer.piece(unused + 1), "");
}

// llama3 takes a piece that is a token whole, but not one that is a control token: " <" may not smuggle it in.
TEST(Tokenizer, IgnoreMergesTakesNoControlToken) {
  TestVocabulary vocabulary("llama-bpe");
  vocabulary.add("stop", kControl);
  const int32_t word = vocabulary.add("word", kNormal);
  const Tokenizer tokenizer(vocabulary.data);
  EXPECT_EQ(tokenizer.encode("word", false, false), Ids{word});
  EXPECT_EQ(tokenizer.encode("stop", false, false), (Ids{'s', 't', 'o', 'p'}));
}

TEST(Tokenizer, BosAndEosAsTheFileOrThePreTokenizerSays) {
  const auto encode = [](std::string pre, std::optional<bool> add_bos, std::optional<bool> add_eos) {
    TestVocabulary vocabulary(std::move(pre));
    vocabulary.data.bos = vocabulary.add("<bos>", kControl);
    vocabulary.data.eos = vocabulary.add("<eos>", kControl);
    vocabulary.data.add_bos = add_bos;
    vocabulary.data.add_eos = add_eos;
    return Tokenizer(vocabulary.data).encode("a", true, false);
  };
  EXPECT_EQ(encode("qwen2", {}, {}), Ids{'a'});
  EXPECT_EQ(encode("glm4", {}, {}), Ids{'a'});
  EXPECT_EQ(encode("llama-bpe", {}, {}), (Ids{256, 'a'}));
  EXPECT_EQ(encode("llama-bpe", false, {}), Ids{'a'});
  EXPECT_EQ(encode("qwen2", true, true), (Ids{256, 'a', 257}));

  TestVocabulary vocabulary("llama3");
  EXPECT_EQ(Tokenizer(vocabulary.data).encode("a", true, false), Ids{'a'});  // there is none to add
  vocabulary.data.bos = 5000;
  EXPECT_EQ(Tokenizer(vocabulary.data).bos(), std::nullopt);
}

TEST(Tokenizer, NormalisesBetweenSpecialTokensOnly) {
  TestVocabulary vocabulary("qwen35");
  const int32_t mark = vocabulary.add("e\u0301", kUserDefined);
  const Tokenizer tokenizer(vocabulary.data);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("a\u0301", false, false)), "\u00e1");
  EXPECT_EQ(tokenizer.encode("e\u0301", false, false), Ids{mark});
  // The mark after the token stands alone: it neither moves nor composes across it.
  EXPECT_EQ(tokenizer.encode("ae\u0301\u0301", false, false), (Ids{'a', mark, 0xcc, 0x81}));

  vocabulary.data.nfc = false;
  EXPECT_EQ(Tokenizer(vocabulary.data).encode("a\u0301", false, false), (Ids{'a', 0xcc, 0x81}));
  vocabulary.data.nfc = {};
  for (const char* pre : {"gpt-2", "glm4", "llama-bpe", "deepseek-llm", "default"}) {
    vocabulary.data.pre = pre;
    EXPECT_EQ(Tokenizer(vocabulary.data).encode("a\u0301", false, false), (Ids{'a', 0xcc, 0x81})) << pre;
  }
}

TEST(Tokenizer, AnyBytesComeBack) {
  std::mt19937 rng(4);
  for (const char* pre : {"default", "gpt-2", "qwen2", "qwen35", "glm4", "llama-bpe", "deepseek-llm"}) {
    TestVocabulary vocabulary(pre);
    vocabulary.data.nfc = false;
    vocabulary.merge("a", "b");
    vocabulary.merge("\xe2", "\x82");
    vocabulary.add("b '", kUserDefined);
    const Tokenizer tokenizer(vocabulary.data);
    for (int i = 0; i < 1500; i++) {
      const std::string bytes = random_bytes(rng, rng() % 60);
      ASSERT_EQ(tokenizer.decode(tokenizer.encode(bytes, false, true)), bytes) << pre;
    }
  }
}

TEST(Tokenizer, AByteTheVocabularyLacks) {
  TestVocabulary vocabulary;
  vocabulary.data.tokens[0xff] = "[no FF]";
  vocabulary.data.tokens['z'] = "[no z]";
  const Tokenizer tokenizer(vocabulary.data);
  EXPECT_EQ(tokenizer.encode("a\xff", false, false), (Ids{'a', 0xef, 0xbf, 0xbd}));
  EXPECT_EQ(tokenizer.encode("azb", false, false), (Ids{'a', 'b'}));
}

TEST(Tokenizer, ByteTokensDecode) {
  TestVocabulary vocabulary;
  const int32_t newline = vocabulary.add("<0x0A>", kByte), odd = vocabulary.add("<0xG1>", kByte);
  const Tokenizer tokenizer(vocabulary.data);
  EXPECT_EQ(tokenizer.piece(newline), "\n");
  EXPECT_EQ(tokenizer.piece(odd), "");
  EXPECT_EQ(tokenizer.encode("\n", false, false), Ids{'\n'});
}

TEST(Tokenizer, EndsByKeyAndByName) {
  TestVocabulary vocabulary;
  const auto ends = [&] {
    const Tokenizer tokenizer(vocabulary.data);
    std::vector<std::string> texts;
    for (int32_t id = 0; id < tokenizer.n_vocab(); id++) {
      if (tokenizer.is_eog(id)) texts.push_back(vocabulary.data.tokens[static_cast<size_t>(id)]);
    }
    return texts;
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(ends(), Texts{});
  vocabulary.data.eos = '\n';
  EXPECT_EQ(ends(), Texts{letters_of("\n")});
  EXPECT_EQ(Tokenizer(vocabulary.data).piece('\n'), "\n");  // an ordinary token still
  vocabulary.data.eos = {};

  const int32_t strike = vocabulary.add("</s>", kNormal);
  EXPECT_EQ(ends(), Texts{});
  EXPECT_EQ(Tokenizer(vocabulary.data).piece(strike), "</s>");
  vocabulary.add("<|im_end|>", kNormal);
  vocabulary.add("<|file_sep|>", kControl);
  const int32_t other_sep = vocabulary.add("<sep>", kControl);
  vocabulary.add("<|end|>", kControl);
  vocabulary.add("</s>", kControl);
  EXPECT_EQ(ends(), (Texts{"<|im_end|>", "<|file_sep|>", "<|end|>", "</s>"}));
  EXPECT_TRUE(Tokenizer(vocabulary.data).is_control(strike + 1));  // though the file calls it normal
  vocabulary.data.fim_sep = other_sep;
  EXPECT_EQ(ends(), (Texts{"<|im_end|>", "<sep>", "<|end|>", "</s>"}));
  vocabulary.add("<|return|>", kControl);
  EXPECT_EQ(ends(), (Texts{"<|im_end|>", "<sep>", "<|end|>", "</s>", "<|return|>"}));
  vocabulary.add("<|call|>", kControl);
  vocabulary.add("<|tool_response>", kControl);
  EXPECT_EQ(ends(), (Texts{"<|im_end|>", "<sep>", "<|return|>", "<|call|>", "<|tool_response>"}));
  vocabulary.data.eot = 9999;  // none
  vocabulary.data.eom = vocabulary.add("<|observation|>", kControl);
  EXPECT_EQ(ends().back(), "<|observation|>");
}

TEST(Tokenizer, RefusesWhatItCannotRead) {
  const auto message = [](const auto& change) -> std::string {
    TestVocabulary vocabulary;
    change(vocabulary.data);
    try {
      Tokenizer tokenizer(vocabulary.data);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kFile);
      return e.what();
    }
    return "accepted";
  };
  EXPECT_EQ(message([](TokenizerData&) {}), "accepted");
  EXPECT_EQ(message([](TokenizerData& d) { d.token_types.clear(); }), "accepted");
  EXPECT_EQ(message([](TokenizerData& d) { d.model = "llama"; }),
            "tokenizer.ggml.model: expected gpt2 (byte-level BPE), found 'llama'");
  EXPECT_EQ(message([](TokenizerData& d) { d.tokens.clear(); }),
            "tokenizer.ggml.tokens: expected at least one token, found none");
  EXPECT_EQ(message([](TokenizerData& d) { d.token_types.pop_back(); }),
            "tokenizer.ggml.token_type: expected 256 entries, one for each token, found 255");
  EXPECT_EQ(message([](TokenizerData& d) { d.token_types[7] = 9; }),
            "tokenizer.ggml.token_type[7]: expected 0 to 6, found 9");
  EXPECT_EQ(message([](TokenizerData& d) { d.merges = {"ab"}; }),
            "tokenizer.ggml.merges[0]: expected two strings and a space between them, found 'ab'");
  EXPECT_EQ(message([](TokenizerData& d) { d.pre = "x"; }).substr(0, 38), "tokenizer.ggml.pre: expected one of de");
}

TEST(Tokenizer, AMegabyteOfOneLetter) {
  TestVocabulary vocabulary;
  for (std::string left = "a"; left.size() < 16; left += left) vocabulary.merge(left, left);
  const Tokenizer tokenizer(vocabulary.data);
  const size_t one = tokenizer.encode(std::string(1 << 20, 'a'), false, false).size();
  const size_t two = tokenizer.encode(std::string(2 << 20, 'a'), false, false).size();
  EXPECT_EQ(one, (1u << 20) / 16);
  EXPECT_EQ(two, 2 * one);
}

}  // namespace
}  // namespace nextn
