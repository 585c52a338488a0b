// Everything that is in memory because a model is: weights, sequences, the thread that steps. Made when the server
// loads or wakes up, and gone, all of it, when it sleeps.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "api/generation_request.h"
#include "app/serve/server_options.h"
#include "app/serve/slot_files.h"
#include "engine/scheduler.h"

namespace nextn {

class LoadedModel {
 public:
  // Loads it, learns what its steps cost, where `costs` does not tell, and begins to serve. `created` is when clients
  // are told it was. Throws Error for a model that cannot be loaded.
  LoadedModel(const ServerOptions& options, int64_t created, const std::optional<StepCosts>& costs);
  ~LoadedModel();  // cancels what is left

  Engine& engine() noexcept { return engine_; }
  const api::ServedModel& served() const noexcept { return served_; }
  Scheduler& scheduler() noexcept { return *scheduler_; }
  SlotFiles* slot_files() noexcept { return slot_files_ ? &*slot_files_ : nullptr; }  // where slots have a folder

  // Takes no more requests, gives those it has some time to end, cancels the others and waits for its threads.
  void end(std::chrono::seconds limit);

 private:
  Engine engine_;
  ChatTemplate chat_template_;
  api::ServedModel served_;
  std::optional<Scheduler> scheduler_;
  std::optional<SlotFiles> slot_files_;
  std::thread thread_;  // of the engine
};

}  // namespace nextn
