// Measures what steps of this model cost on this machine, so that the draft controller need not guess: a second or two,
// once; what was measured is kept in the user's cache directory (cost_cache.h).
#pragma once

#include "engine/session.h"

namespace nextn {

// Puts the engine's costs in order: from the cache, or by measuring steps of 1 .. 1 + max_draft rows and drafts. The
// session is cleared. Gives the milliseconds it took. Does nothing for an engine without drafts.
double calibrate(Engine& engine, Session& session);

}  // namespace nextn
