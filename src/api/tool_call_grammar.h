// The form of an answer that has to be a call: a grammar of what a model may write.
#pragma once

#include <memory>

#include "api/tools.h"
#include "grammar/grammar.h"
#include "text/chat/call_layout.h"

namespace nextn::api {

// Calls of the tools (of use.name alone, where it is given), one or, with use.parallel, several, as the layout writes
// them; after layout.after_reasoning, where they follow reasoning. What ReplyParser reads from such a text are these
// calls, with arguments that are valid by the schemas.
//
// Where a model writes parameters one by one, they come in the schema's order, and those that no schema names are not
// allowed. Strings are bare text then; what else may be more than a string or null is JSON.
//
// Throws Error{kRequest} "tools[NAME].parameters.properties.a.not: ..." for a schema that is not supported (see
// grammar/json_schema.h), or a name or key that the layout cannot hold.
std::shared_ptr<const grammar::Grammar> tool_call_grammar(const ToolUse& use, const CallLayout& layout,
                                                          bool after_reasoning);

}  // namespace nextn::api
