// Slots of the scheduler as files of one folder. A slot is held while its file is written or read, on a thread of our
// own, one file at a time; the engine goes on with the others.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "engine/scheduler.h"

namespace nextn {

class SlotFiles {
 public:
  struct Result {
    int64_t n_tokens = 0;  // of the slot's text
    uint64_t n_bytes = 0;  // of the file
    double ms = 0;         // while the slot was held
    std::optional<Error> error;
  };
  using Done = std::function<void(const Result&)>;  // on another thread

  SlotFiles(Scheduler& scheduler, const std::string& folder);
  // Waits for what the scheduler has granted; call it when the scheduler runs no more.
  ~SlotFiles();

  // As soon as no request has the slot. From any thread. Throws Error{kRequest} for a slot that is not there and for a
  // name that is not a plain file name, Error{kBusy} when the server is ending.
  void save(int slot, const std::string& name, Done done);
  void restore(int slot, const std::string& name, Done done);  // a slot that cannot be restored may be empty then
  void erase(int slot, Done done);                             // the slot's text, no file

 private:
  void use(int slot, const std::string& name, std::function<uint64_t(Session&, const std::string& path)> use,
           Done done);
  void run();

  Scheduler& scheduler_;
  const std::string folder_;
  std::mutex mutex_;  // of what follows
  std::condition_variable work_;
  std::deque<std::function<void()>> queue_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace nextn
