// Writes what trunk and head compute for a prompt, row by row, as .npy files: for comparing engines number by number.
#pragma once

#include <span>
#include <string>

#include "engine/engine.h"

namespace nextn {

// PREFIX.logits.npy (T, V), PREFIX.hidden.npy (T, D; after the output norm) and, with a head, PREFIX.mtp_logits.npy,
// PREFIX.mtp_hidden.npy (row p is the pair of token p and the hidden state of p - 1, row 0 has one of zeros) and
// PREFIX.draft.txt: the greedy token after the prompt and three recursive drafts. float32. Throws Error{kSystem} when a
// file cannot be written, Error{kRequest} for a prompt that does not fit.
void dump_logits(Engine& engine, std::span<const int32_t> prompt, const std::string& prefix);

}  // namespace nextn
