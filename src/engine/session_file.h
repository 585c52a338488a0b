// A session in a file: its text, the canonical state and the checkpoints, so that it goes on in another process as if
// it had never left.
//
//   header (48 bytes)    magic "NEXTNSES", format, sizes of what follows
//   origin               "name=value\n" of each of Session::origin()'s
//   checkpoint lengths   int64 each, rising
//   tokens               int32 each
//   state                Session::pieces(), one after the other
//   checkpoints          of equal size
//   XXH3 (8 bytes)       of everything before
//
// Numbers are little-endian. Files are written straight from the session's memory and read straight into it: neither
// takes memory of the state's size.
#pragma once

#include <cstdint>
#include <string>

#include "engine/session.h"

namespace nextn {

// Writes a session that is canonical (Session::make_canonical) and gives the bytes of the file: readable by its owner
// alone, beside its place under another name, on the disk, then renamed into its place. Throws Error{kSystem} when it
// cannot be written; then nothing is left of it, and what stood at `path` before stands there still.
uint64_t save_session(Session& session, const std::string& path);

// Puts what the file holds into the session and gives its bytes. Of more checkpoints than the session has room for the
// last ones are kept. Throws Error{kRequest} for a file that is not there, not whole, not of this format, or of another
// origin, naming what was expected and what was found; Error{kSystem} when it cannot be read. The session is then as it
// was, or empty.
uint64_t restore_session(Session& session, const std::string& path);

}  // namespace nextn
