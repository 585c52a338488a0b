#include "text/tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "text/tokenizer/deepseek_letters.h"
#include "text/tokenizer/unicode.h"

namespace nextn {

struct Pieces {
  std::u32string_view text;
  std::vector<CharClass> classes;  // of every code point
  std::vector<size_t> ends;        // of every piece
};

namespace {

// One piece, as a scanner sees it: nothing before `at` was left over, and nothing at `end` or after it exists.
struct Piece {
  const Pieces& all;
  size_t end;

  char32_t point(size_t i) const { return i < end ? all.text[i] : 0; }
  bool is(size_t i, CharClass c) const { return i < end && all.classes[i] == c; }
  bool is_letter(size_t i) const { return is(i, CharClass::kLetter); }
  bool is_mark(size_t i) const { return is(i, CharClass::kMark); }
  bool is_number(size_t i) const { return is(i, CharClass::kNumber); }
  bool is_space(size_t i) const { return is(i, CharClass::kSpace); }
  bool is_newline(size_t i) const { return point(i) == '\r' || point(i) == '\n'; }

  // The end of the run of code points that fulfil `predicate(i)`, from i = `at` on; `at` itself when there is none.
  template <class Predicate>
  size_t run(size_t at, const Predicate& predicate) const {
    while (at < end && predicate(at)) at++;
    return at;
  }
};

// Cuts every piece at the matches of a pattern; what lies between two matches is a piece too. match(piece, at) returns
// where a match that starts at `at` ends, or `at` for none.
template <class Match>
void cut(Pieces& pieces, const Match& match) {
  std::vector<size_t> ends;
  size_t at = 0;
  for (const size_t end : pieces.ends) {
    const Piece piece{pieces, end};
    size_t gap = at;
    while (at < end) {
      const size_t next = match(piece, at);
      if (next == at) {
        at++;
        continue;
      }
      if (gap < at) ends.push_back(at);
      ends.push_back(next);
      gap = at = next;
    }
    if (gap < end) ends.push_back(end);
  }
  pieces.ends = std::move(ends);
}

// 's 't 're 've 'm 'll 'd, as they are or in either case. Case folding makes U+017F (long s) an s.
size_t contraction(const Piece& piece, size_t at, bool any_case) {
  if (piece.point(at) != '\'') return at;
  const auto letter = [&](size_t i) -> char32_t {
    const char32_t c = piece.point(i);
    if (!any_case) return c;
    return c == 0x17f ? U's' : c >= 'A' && c <= 'Z' ? c + 32 : c;
  };
  const char32_t a = letter(at + 1), b = letter(at + 2);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return at + 2;
  if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return at + 3;
  return at;
}

// \s+(?!\S)|\s+: a run of white space, less its last character when something follows that may want it.
size_t white_space(const Piece& piece, size_t at) {
  const size_t end = piece.run(at, [&](size_t i) { return piece.is_space(i); });
  return end < piece.end && end - at > 1 ? end - 1 : end;
}

// GPT-2:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t match_gpt2(const Piece& piece, size_t at) {
  if (const size_t end = contraction(piece, at, false); end > at) return end;
  const size_t start = piece.point(at) == ' ' ? at + 1 : at;
  const auto is_other = [&](size_t i) { return !piece.is_letter(i) && !piece.is_number(i) && !piece.is_space(i); };
  if (piece.is_letter(start)) return piece.run(start, [&](size_t i) { return piece.is_letter(i); });
  if (piece.is_number(start)) return piece.run(start, [&](size_t i) { return piece.is_number(i); });
  if (const size_t end = piece.run(start, is_other); end > start) return end;
  return white_space(piece, at);
}

// Qwen2, Qwen3.5, and Llama 3 with GLM-4, which differ in how many numbers stand together and in where marks belong:
//   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//   Llama 3: \p{N}{1,3} for \p{N};  Qwen3.5: [\p{L}\p{M}]+ for \p{L}+ and [^\s\p{L}\p{M}\p{N}]+ for [^\s\p{L}\p{N}]+
size_t match_word(const Piece& piece, size_t at, size_t max_numbers, bool marks_in_words) {
  if (const size_t end = contraction(piece, at, true); end > at) return end;

  const auto in_word = [&](size_t i) { return piece.is_letter(i) || (marks_in_words && piece.is_mark(i)); };
  const bool may_lead = !piece.is_newline(at) && !piece.is_number(at);
  if (in_word(at) || (may_lead && at + 1 < piece.end && in_word(at + 1))) return piece.run(at + 1, in_word);

  if (piece.is_number(at)) {
    return piece.run(at, [&](size_t i) { return i < at + max_numbers && piece.is_number(i); });
  }

  const auto is_other = [&](size_t i) { return !in_word(i) && !piece.is_number(i) && !piece.is_space(i); };
  const size_t start = piece.point(at) == ' ' ? at + 1 : at;
  if (const size_t end = piece.run(start, is_other); end > start) {
    return piece.run(end, [&](size_t i) { return piece.is_newline(i); });
  }

  size_t after_newline = at;  // of the last newline in the run of white space
  piece.run(at, [&](size_t i) {
    if (piece.is_newline(i)) after_newline = i + 1;
    return piece.is_space(i);
  });
  return after_newline > at ? after_newline : white_space(piece, at);
}

void cut_gpt2(Pieces& pieces) {
  cut(pieces, match_gpt2);
}

void cut_qwen2(Pieces& pieces) {
  cut(pieces, [](const Piece& piece, size_t at) { return match_word(piece, at, 1, false); });
}

void cut_qwen35(Pieces& pieces) {
  cut(pieces, [](const Piece& piece, size_t at) { return match_word(piece, at, 1, true); });
}

void cut_llama3(Pieces& pieces) {
  cut(pieces, [](const Piece& piece, size_t at) { return match_word(piece, at, 3, false); });
}

// DeepSeek-LLM, six expressions one after another:
//   [\r\n]   \s?[kDeepseekLetters]+   \s?[!-/:-~！-／：-～‘-‟　-。]+   \s+$   [一-龥ࠀ-一가-퟿]+ \p{N}+
bool in(const Piece& piece, size_t i, std::span<const CodeRange> ranges) {
  const char32_t c = piece.point(i);
  const auto range = std::lower_bound(ranges.begin(), ranges.end(), c,
                                      [](const CodeRange& r, char32_t point) { return r.last < point; });
  return i < piece.end && range != ranges.end() && range->first <= c;
}

// \s?[ranges]+
size_t match_spaced_run(const Piece& piece, size_t at, std::span<const CodeRange> ranges) {
  const auto in_ranges = [&](size_t i) { return in(piece, i, ranges); };
  if (piece.is_space(at) && at + 1 < piece.end && in_ranges(at + 1)) return piece.run(at + 1, in_ranges);
  return piece.run(at, in_ranges);
}

void cut_newlines(Pieces& pieces) {
  cut(pieces, [](const Piece& piece, size_t at) { return piece.is_newline(at) ? at + 1 : at; });
}

void cut_deepseek_letters(Pieces& pieces) {
  cut(pieces, [](const Piece& piece, size_t at) { return match_spaced_run(piece, at, kDeepseekLetters); });
}

void cut_deepseek_punctuation(Pieces& pieces) {
  static constexpr CodeRange kPunctuation[] = {{'!', '/'},       {':', '~'},       {0x2018, 0x201f},
                                               {0x3000, 0x3002}, {0xff01, 0xff0f}, {0xff1a, 0xff5e}};
  cut(pieces, [](const Piece& piece, size_t at) { return match_spaced_run(piece, at, kPunctuation); });
}

// \s+$, from the back: tried at every space from the front it would be quadratic.
void cut_trailing_space(Pieces& pieces) {
  std::vector<size_t> ends;
  size_t begin = 0;
  for (const size_t end : pieces.ends) {
    size_t start = end;
    while (start > begin && pieces.classes[start - 1] == CharClass::kSpace) start--;
    if (start > begin && start < end) ends.push_back(start);
    ends.push_back(end);
    begin = end;
  }
  pieces.ends = std::move(ends);
}

void cut_deepseek_cjk(Pieces& pieces) {
  static constexpr CodeRange kCjk[] = {{0x0800, 0x9fa5}, {0xac00, 0xd7ff}};
  cut(pieces,
      [](const Piece& piece, size_t at) { return piece.run(at, [&](size_t i) { return in(piece, i, kCjk); }); });
}

void cut_numbers(Pieces& pieces) {
  cut(pieces,
      [](const Piece& piece, size_t at) { return piece.run(at, [&](size_t i) { return piece.is_number(i); }); });
}

// A file that names no pre-tokenizer gets what llama.cpp gives it:
//   [\p{P}\$\+<=>\^~\|]+   GPT-2's   \p{N}+   [0-9][0-9][0-9]
void cut_default_punctuation(Pieces& pieces) {
  cut(pieces, [](const Piece& piece, size_t at) {
    return piece.run(at, [&](size_t i) {
      static constexpr std::u32string_view kSymbols = U"$+<=>^~|";
      return piece.is(i, CharClass::kPunctuation) || kSymbols.find(piece.point(i)) != kSymbols.npos;
    });
  });
}

void cut_digit_triples(Pieces& pieces) {
  cut(pieces, [](const Piece& piece, size_t at) {
    const auto is_digit = [&](size_t i) { return i < at + 3 && piece.point(i) >= '0' && piece.point(i) <= '9'; };
    const size_t end = piece.run(at, is_digit);
    return end == at + 3 ? end : at;
  });
}

constexpr PreTokenizer::Stage kDefault[] = {cut_default_punctuation, cut_gpt2, cut_numbers, cut_digit_triples};
constexpr PreTokenizer::Stage kGpt2[] = {cut_gpt2};
constexpr PreTokenizer::Stage kQwen2[] = {cut_qwen2};
constexpr PreTokenizer::Stage kQwen35[] = {cut_qwen35};
constexpr PreTokenizer::Stage kLlama3[] = {cut_llama3};
constexpr PreTokenizer::Stage kDeepseekLlm[] = {cut_newlines,       cut_deepseek_letters, cut_deepseek_punctuation,
                                                cut_trailing_space, cut_deepseek_cjk,     cut_numbers};

constexpr PreTokenizer kPreTokenizers[] = {
    // name, stages, nfc, ignore_merges, add_bos
    {"default", kDefault, false, false, false},
    {"gpt-2", kGpt2, false, false, false},
    {"qwen2", kQwen2, true, false, false},
    {"deepseek-r1-qwen", kQwen2, true, false, false},
    {"qwen35", kQwen35, true, false, false},
    {"glm4", kLlama3, false, false, false},
    {"chatglm-bpe", kLlama3, false, false, false},
    {"llama-bpe", kLlama3, false, true, true},
    {"llama3", kLlama3, false, true, true},
    {"llama-v3", kLlama3, false, true, true},
    {"deepseek-llm", kDeepseekLlm, false, false, false},
};

}  // namespace

std::vector<size_t> PreTokenizer::split(std::u32string_view text) const {
  Pieces pieces{text, {}, {}};
  if (text.empty()) return {};
  pieces.classes.resize(text.size());
  std::transform(text.begin(), text.end(), pieces.classes.begin(), char_class);
  pieces.ends = {text.size()};
  for (const Stage stage : stages) stage(pieces);
  return std::move(pieces.ends);
}

const PreTokenizer& find_pre_tokenizer(std::string_view name) {
  std::string known;
  for (const PreTokenizer& candidate : kPreTokenizers) {
    if (candidate.name == name) return candidate;
    known += known.empty() ? "" : ", ";
    known += candidate.name;
  }
  fail(ErrorCode::kFile, "tokenizer.ggml.pre: expected one of {}, found '{}'", known, name);
}

}  // namespace nextn
