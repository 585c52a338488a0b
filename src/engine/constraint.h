// A grammar that a text keeps to, token by token: which tokens may come next, the end among them.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "grammar/matcher.h"

namespace nextn {

class Engine;

class Constraint {
 public:
  // Binds from the beginning, or, where `after` is some text, from the token on that ends it. ends: end tokens end the
  // text where the grammar lets it end. The engine outlives it.
  Constraint(Engine& engine, std::shared_ptr<const grammar::Grammar> grammar, std::string after, bool ends);

  // Bits of the tokens that may come next, until the next call of it; empty: all.
  std::span<const uint32_t> allowed();
  void accept(int32_t token);                                               // one of them
  bool complete() const noexcept { return binds_ && matcher_.must_end(); }  // nothing but an end may follow

 private:
  const Engine& engine_;
  grammar::Matcher matcher_;
  std::string after_, seen_;
  bool ends_, binds_;
  std::vector<int32_t> end_tokens_;
  std::vector<uint32_t> bits_;
};

}  // namespace nextn
