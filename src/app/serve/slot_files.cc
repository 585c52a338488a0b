#include "app/serve/slot_files.h"

#include <algorithm>

#include "app/output.h"
#include "base/clock.h"
#include "engine/session_file.h"

namespace nextn {

namespace {

constexpr size_t kMaxName = 200;  // of a file system's 255: a file on its way has a longer one

// Hidden names are not for clients: "." and "..", and files on their way.
void check_name(std::string_view name) {
  const bool plain =
      !name.empty() && name.size() <= kMaxName && name.front() != '.' && std::ranges::all_of(name, [](char c) {
        return static_cast<unsigned char>(c) >= ' ' && c != '/' && c != '\\' && c != 0x7f;
      });
  if (!plain) {
    fail(ErrorCode::kRequest, "filename: expected a plain name of at most {} bytes without a folder, found '{}'",
         kMaxName, printable(name, kMaxName));
  }
}

}  // namespace

SlotFiles::SlotFiles(Scheduler& scheduler, const std::string& folder)
    : scheduler_(scheduler), folder_(folder), thread_([this] { run(); }) {}

SlotFiles::~SlotFiles() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  work_.notify_one();
  thread_.join();
}

void SlotFiles::save(int slot, const std::string& name, Done done) {
  check_name(name);
  use(slot, name, save_session, std::move(done));
}

void SlotFiles::restore(int slot, const std::string& name, Done done) {
  check_name(name);
  use(slot, name, restore_session, std::move(done));
}

void SlotFiles::erase(int slot, Done done) {
  scheduler_.hold(slot, [this, slot, done = std::move(done)](Session& session) {
    const Clock::time_point start = Clock::now();
    const int64_t n_tokens = session.length();
    session.clear();
    scheduler_.release(slot);
    done({n_tokens, 0, ms_since(start), {}});
  });
}

void SlotFiles::use(int slot, const std::string& name, std::function<uint64_t(Session&, const std::string&)> use,
                    Done done) {
  const auto on_thread = [this, slot, path = folder_ + "/" + name, use = std::move(use),
                          done = std::move(done)](Session& session) {
    const Clock::time_point start = Clock::now();
    Result result;
    try {
      result.n_bytes = use(session, path);
      result.n_tokens = session.length();
    } catch (const Error& e) {
      result.error = e;
    } catch (const std::exception& e) {
      result.error = Error(ErrorCode::kSystem, e.what());
    }
    scheduler_.release(slot);
    result.ms = ms_since(start);
    done(result);
  };
  scheduler_.hold(slot, [this, on_thread](Session& session) {
    const std::lock_guard lock(mutex_);
    queue_.push_back([on_thread, &session] { on_thread(session); });
    work_.notify_one();
  });
}

void SlotFiles::run() {
  for (;;) {
    std::function<void()> next;
    {
      std::unique_lock lock(mutex_);
      work_.wait(lock, [&] { return ending_ || !queue_.empty(); });
      if (queue_.empty()) return;
      next = std::move(queue_.front());
      queue_.pop_front();
    }
    next();
  }
}

}  // namespace nextn
