// A conversation in the terminal: nextn run without a prompt.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "engine/session.h"
#include "text/chat/chat_template.h"

namespace nextn {

struct TerminalChat {
  Engine& engine;
  Session& session;
  const ChatTemplate& chat_template;
  nlohmann::ordered_json variables;  // for the template
  std::string system_prompt;         // empty: none
  GenerateParams params;
};

// Reads turns and answers them until the input ends or the user says /exit. What goes wrong with one turn is said, and
// the conversation goes on without it.
void chat_in_terminal(TerminalChat chat);

}  // namespace nextn
