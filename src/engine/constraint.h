// A grammar that a text keeps to, token by token: which tokens may come next, the end among them. Where nothing but a
// user-defined token's text may follow (<tool_call>), it is that token, as models were trained, not its letters.
// Control tokens have no text here and are not offered: a grammar that asks for one's text gets it in letters.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "draft/draft_filter.h"
#include "grammar/matcher.h"

namespace nextn {

class Engine;

class Constraint final : public DraftFilter {
 public:
  // Binds from the beginning, or, where `after` is some text, from the token on that ends it. ends: end tokens end the
  // text where the grammar lets it end, and not before it binds. The engine outlives it.
  Constraint(Engine& engine, std::shared_ptr<const grammar::Grammar> grammar, std::string after, bool ends);

  // Bits of the tokens that may come next, until the next call of it; empty: all.
  std::span<const uint32_t> allowed();
  void accept(int32_t token);                                                  // one of them
  bool complete() const noexcept { return binds_ && matcher_.must_end(); }     // nothing but an end may follow
  std::string forced() { return binds_ ? matcher_.forced() : std::string(); }  // text that must follow

  // A draft goes ahead of the text. It ends, and the text's own is where it was, before the text goes on.
  void begin_draft() noexcept override;
  std::span<const uint32_t> allowed_in_draft() noexcept override { return allowed(); }
  bool take_draft(int32_t token) noexcept override;
  void end_draft() noexcept;

 private:
  // Tokens that stand for their text as a whole, by the byte that they begin with.
  struct Markers {
    int32_t place;  // of that byte, in the trie
    std::vector<int32_t> ids;
  };
  void forbid_ends();
  void prefer_markers();
  bool must_be_marker(int32_t token);  // another token than this, whose text begins with the same byte
  bool is_allowed(int32_t token) const { return bits_[static_cast<size_t>(token / 32)] >> (token % 32) & 1; }

  const Engine& engine_;
  const std::shared_ptr<const grammar::TokenTrie> trie_;
  grammar::Matcher matcher_;
  std::string after_, seen_;
  bool ends_, binds_;
  std::vector<int32_t> end_tokens_;
  std::vector<Markers> markers_;
  std::vector<uint32_t> bits_, before_;
  // where a draft is under way, of the text
  bool drafts_ = false, bound_ = false;
  std::string seen_of_text_;
  grammar::Matcher::Checkpoint mark_ = {};
  bool ended_ = false;  // nothing may follow in the draft
};

}  // namespace nextn
