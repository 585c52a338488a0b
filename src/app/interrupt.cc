#include "app/interrupt.h"

#include <csignal>

namespace nextn {

namespace {

std::atomic<bool> interrupted{false};

void on_interrupt(int) {
  interrupted.store(true);
  std::signal(SIGINT, SIG_DFL);
}

}  // namespace

const std::atomic<bool>& watch_for_interrupt() noexcept {
  std::signal(SIGINT, on_interrupt);
  return interrupted;
}

void stop_watching_for_interrupt() noexcept {
  std::signal(SIGINT, SIG_DFL);
  interrupted.store(false);
}

}  // namespace nextn
