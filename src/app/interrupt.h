// Ctrl-C: the first one asks for an end at the next cycle, so that what is done is still reported; the second one ends
// the program.
#pragma once

#include <atomic>

namespace nextn {

// Watches for Ctrl-C from now on; gives what it sets.
const std::atomic<bool>& watch_for_interrupt() noexcept;
// Ctrl-C ends the program again, and what it has set is forgotten.
void stop_watching_for_interrupt() noexcept;

}  // namespace nextn
