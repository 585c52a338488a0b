// libFuzzer: whatever a session's file says, with the checksum that belongs to it, it is refused with an Error or the
// session can go on with it. An input is a list of changes to a file that is right.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "engine/digest.h"
#include "engine/session_file.h"

namespace {

using namespace nextn;

void expect(bool condition) {
  if (!condition) __builtin_trap();
}

EngineOptions options() {
  EngineOptions o;
  o.model_path = NEXTN_DEMO_MODEL;
  o.n_threads = 1;
  o.n_ctx = 64;
  o.row_limit = 16;
  o.n_checkpoints = 2;
  return o;
}

// An engine with a session, and a file of another one.
struct Subject {
  Subject() : engine(options()), session(engine), fd(memfd_create("session", MFD_CLOEXEC)) {
    expect(fd >= 0);
    Session saved(engine);
    GenerateParams params;
    params.n_predict = 4;
    saved.generate(std::vector<int32_t>{300, 301, 302, 303, 304, 305, 306, 307, 308, 309, 310, 311}, params);
    saved.make_canonical();
    char name[] = "/tmp/session-fuzz-XXXXXX";
    close(mkstemp(name));
    save_session(saved, name);
    std::ifstream in(name, std::ios::binary);
    file.assign(std::istreambuf_iterator<char>(in), {});
    unlink(name);
  }

  // Gives whether it was taken.
  bool restore(const std::vector<char>& bytes) {
    expect(ftruncate(fd, 0) == 0 && pwrite(fd, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    try {
      restore_session(session, "/proc/self/fd/" + std::to_string(fd));
      return true;
    } catch (const Error& e) {
      expect(e.code() == ErrorCode::kRequest);
      return false;
    }
  }

  Engine engine;
  Session session;
  int fd;
  std::vector<char> file;
};

// Reads numbers from the input; zeros when it is over.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool over() const { return size_ == 0; }
  template <class T>
  T take() {
    T value = {};
    const size_t n = std::min(size_, sizeof value);
    std::memcpy(&value, data_, n);
    data_ += n;
    size_ -= n;
    return value;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Subject subject;
  std::vector<char> bytes = subject.file;
  Input in(data, size);
  while (!in.over() && !bytes.empty()) {
    const uint8_t kind = in.take<uint8_t>();
    const size_t at = kind & 1 ? in.take<uint32_t>() % bytes.size() : in.take<uint8_t>() % bytes.size();
    if (kind & 2) {
      bytes.resize(kind & 4 ? at : bytes.size() + in.take<uint8_t>());
    } else {
      const uint64_t value = in.take<uint64_t>();
      std::memcpy(bytes.data() + at, &value, std::min(bytes.size() - at, size_t{1} << (kind >> 2 & 3)));
    }
  }
  if (bytes.size() >= sizeof(uint64_t)) {
    const uint64_t digest = digest_of(bytes.data(), bytes.size() - sizeof digest);
    std::memcpy(bytes.data() + bytes.size() - sizeof digest, &digest, sizeof digest);
  }
  if (!subject.restore(bytes)) return 0;
  std::vector<int32_t> next(subject.session.text().begin(), subject.session.text().end());
  next.push_back(300);
  GenerateParams params;
  params.n_predict = 2;
  try {
    subject.session.generate(next, params);
  } catch (const Error& e) {
    expect(e.code() == ErrorCode::kRequest);  // of a state that is none
  }
  return 0;
}
