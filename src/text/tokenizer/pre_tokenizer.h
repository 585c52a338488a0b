// Cuts text into the pieces that byte-pair encoding works on, by the rules a vocabulary was trained with. Each rule set
// is published as regular expressions (in the .cc, above its scanner); here they are scanners over code points, so that
// time is linear whatever the text and no expression engine has limits of its own.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nextn {

// A text and where its pieces end, while stages cut it further.
struct Pieces;

// What a value of tokenizer.ggml.pre stands for.
struct PreTokenizer {
  using Stage = void (*)(Pieces&);

  std::string_view name;
  std::span<const Stage> stages;  // applied one after another, each to all the pieces of the one before
  bool nfc;                       // the published tokenizer normalises to form C first
  bool ignore_merges;             // a piece that is a token stays whole
  bool add_bos;                   // unless the file says otherwise

  // Where the pieces of `text` end, ascending, the last at text.size(); nothing when it is empty.
  std::vector<size_t> split(std::u32string_view text) const;
};

// Throws Error{kFile} that lists the known names.
const PreTokenizer& find_pre_tokenizer(std::string_view name);

}  // namespace nextn
