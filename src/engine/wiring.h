// How the MTP head of a file is wired, found out by measuring: what makes its first choice agree best with the trunk's.
// A head that is wired wrongly writes the same text, only slower, so nothing else would say so.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace nextn {

// One way to make the head's input for what follows token p. As built: all of them at their defaults.
struct HeadWiring {
  bool hidden_first = false;  // eh_proj reads [hidden, embedding]; else [embedding, hidden]
  bool before_norm = false;   // the trunk's hidden state before its output norm; else after it
  int token = 0;              // the token beside it is that of position p + token
  int hidden = -1;            // and the hidden state that of p + hidden

  std::string describe() const;
};

struct WiringReport {
  struct Row {
    std::string wiring;
    double agreement;  // share of the positions
  };
  int n_positions = 0;
  std::vector<Row> first_drafts;   // the one that is built first
  std::vector<Row> second_drafts;  // by what the head is fed back: after its norm, which is built, and before it
  std::string better;              // the wiring that agrees better than what is built, beyond chance; or none
};

// Lets the engine's model, which has a head, write a text, and runs it through trunk and head. Throws Error{kUsage}
// where the context is too short. on_row: after every one.
WiringReport check_wiring(Engine& engine, const std::function<void(const WiringReport::Row&)>& on_row = {});

}  // namespace nextn
