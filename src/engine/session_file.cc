#include "engine/session_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "engine/digest.h"

namespace nextn {

namespace {

constexpr char kMagic[] = {'N', 'E', 'X', 'T', 'N', 'S', 'E', 'S'};
constexpr uint32_t kFormat = 2;
constexpr uint32_t kMaxOriginBytes = 4096;
constexpr size_t kChunk = size_t{1} << 20;  // of what is read and thrown away

struct Header {
  char magic[sizeof kMagic];
  uint32_t format;
  uint32_t origin_bytes;
  uint64_t n_checkpoints, n_tokens;
  uint64_t state_bytes;
  uint64_t checkpoint_bytes;  // of one
};
static_assert(sizeof(Header) == 48);

std::string text_of(const Origin& origin) {
  std::string text;
  for (const auto& [name, value] : origin) text += fmt::format("{}={}\n", name, value);
  return text;
}

uint64_t size_of(const std::vector<std::span<uint8_t>>& pieces) {
  uint64_t size = 0;
  for (const std::span<uint8_t> piece : pieces) size += piece.size();
  return size;
}

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

// A file descriptor that is closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const noexcept { return fd_; }
  bool close() noexcept { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

// ------------------------------------------------------------------------------------------------ writing

// A new file beside `path`, which gets its place when it is whole and is gone when it is not.
class Writer {
 public:
  explicit Writer(const std::string& path)
      : path_(path),
        folder_(std::filesystem::path(path).parent_path().string()),
        beside_(fmt::format("{}/.{}.XXXXXX", folder_.empty() ? "." : folder_, file_name(path))),
        fd_(mkostemp(beside_.data(), O_CLOEXEC)) {
    if (fd_.get() < 0) fail_system();
  }
  ~Writer() {
    if (!in_place_ && fd_made_) unlink(beside_.c_str());
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void put(const void* bytes, size_t n) {
    digest_.add(bytes, n);
    put_raw(bytes, n);
  }
  void put(std::span<const uint8_t> bytes) { put(bytes.data(), bytes.size()); }

  // Its digest, then to the disk and into its place. Gives the bytes written.
  uint64_t finish() {
    const uint64_t digest = digest_.value();
    put_raw(&digest, sizeof digest);
    if (fsync(fd_.get()) != 0 || !fd_.close() || rename(beside_.c_str(), path_.c_str()) != 0) fail_system();
    in_place_ = true;
    const Descriptor folder(open(folder_.empty() ? "." : folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() >= 0) fsync(folder.get());  // the name too; some file systems cannot
    return size_;
  }

 private:
  void put_raw(const void* bytes, size_t n) {
    const uint8_t* from = static_cast<const uint8_t*>(bytes);
    size_ += n;
    while (n > 0) {
      const ssize_t done = write(fd_.get(), from, n);
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) fail_system();
      from += done;
      n -= static_cast<size_t>(done);
    }
  }

  [[noreturn]] void fail_system() const {
    fail(ErrorCode::kSystem, "{}: cannot write: {}", file_name(path_), std::strerror(errno));
  }

  std::string path_, folder_, beside_;
  Descriptor fd_;
  const bool fd_made_ = fd_.get() >= 0;
  bool in_place_ = false;
  uint64_t size_ = 0;
  Digest digest_;
};

// ------------------------------------------------------------------------------------------------ reading

class Reader {
 public:
  explicit Reader(const std::string& path)
      : name_(file_name(path)), fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (fd_.get() < 0 && errno == ENOENT) fail(ErrorCode::kRequest, "{}: expected a saved session, found none", name_);
    struct stat st;
    if (fd_.get() < 0 || fstat(fd_.get(), &st) != 0) fail_system();
    if (!S_ISREG(st.st_mode)) fail(ErrorCode::kRequest, "{}: expected a regular file, found something else", name_);
    size_ = static_cast<uint64_t>(st.st_size);
  }

  const std::string& name() const noexcept { return name_; }
  uint64_t size() const noexcept { return size_; }

  void take(void* bytes, size_t n) {
    take_raw(bytes, n);
    digest_.add(bytes, n);
  }
  template <class T>
  std::vector<T> take_all(size_t n) {
    std::vector<T> all(n);
    take(all.data(), n * sizeof(T));
    return all;
  }
  void skip(uint64_t n) {
    std::vector<uint8_t> chunk(std::min<uint64_t>(n, kChunk));
    for (; n > 0; n -= std::min<uint64_t>(n, chunk.size())) take(chunk.data(), std::min<uint64_t>(n, chunk.size()));
  }
  void check_digest() {
    const uint64_t expected = digest_.value();
    uint64_t found;
    take_raw(&found, sizeof found);
    if (found != expected) {
      fail(ErrorCode::kRequest, "{}: expected checksum {:016x}, found {:016x}", name_, expected, found);
    }
  }

 private:
  void take_raw(void* bytes, size_t n) {
    uint8_t* to = static_cast<uint8_t*>(bytes);
    while (n > 0) {
      const ssize_t done = read(fd_.get(), to, n);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) fail_system();
      if (done == 0) fail(ErrorCode::kRequest, "{}: expected {} more bytes, found its end", name_, n);
      to += done;
      n -= static_cast<size_t>(done);
    }
  }

  [[noreturn]] void fail_system() const {
    fail(ErrorCode::kSystem, "{}: cannot read: {}", name_, std::strerror(errno));
  }

  std::string name_;
  Descriptor fd_;
  uint64_t size_ = 0;
  Digest digest_;
};

// A value that a file claims to have, fit for a message.
std::string shown(std::string_view text) {
  std::string out(text.substr(0, 40));
  std::ranges::replace_if(out, [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

// The lines are those of this session, in its order.
void check_origin(const Reader& file, std::string_view found, const Origin& expected) {
  for (const auto& [name, value] : expected) {
    const std::string_view line = found.substr(0, found.find('\n'));
    const bool named = line.starts_with(name) && line.substr(name.size()).starts_with('=');
    const std::string_view its = named ? line.substr(name.size() + 1) : line;
    if (!named || its != value) {
      fail(ErrorCode::kRequest, "{}: {}: expected {}, found {}", file.name(), name, value, shown(its));
    }
    found.remove_prefix(std::min(found.size(), line.size() + 1));
  }
  if (!found.empty()) fail(ErrorCode::kRequest, "{}: expected no more of its origin, found more", file.name());
}

// Everything that follows has a size that has been checked here, before anything is taken for it.
Header take_header(Reader& file, const Session& session) {
  Header h = {};
  if (file.size() < sizeof h) {
    fail(ErrorCode::kRequest, "{}: expected a saved session, found {} bytes", file.name(), file.size());
  }
  file.take(&h, sizeof h);
  if (std::memcmp(h.magic, kMagic, sizeof kMagic) != 0) {
    fail(ErrorCode::kRequest, "{}: expected a saved session, found another file", file.name());
  }
  if (h.format != kFormat) {
    fail(ErrorCode::kRequest, "{}: expected format {}, found {}", file.name(), kFormat, h.format);
  }
  const uint64_t n_ctx = static_cast<uint64_t>(session.n_ctx());
  if (h.n_tokens > n_ctx) {
    fail(ErrorCode::kRequest, "{}: expected at most {} tokens (-c), found {}", file.name(), n_ctx, h.n_tokens);
  }
  uint64_t left = file.size() - sizeof h;
  const auto take = [&](uint64_t n, uint64_t size) {
    if (size != 0 && n > left / size) {
      fail(ErrorCode::kRequest, "{}: expected a whole file, found one of {} bytes", file.name(), file.size());
    }
    left -= n * size;
  };
  if (h.origin_bytes > kMaxOriginBytes || h.n_checkpoints > h.n_tokens) {
    fail(ErrorCode::kRequest, "{}: expected at most {} bytes of origin and {} checkpoints, found {} and {}",
         file.name(), kMaxOriginBytes, h.n_tokens, h.origin_bytes, h.n_checkpoints);
  }
  take(h.origin_bytes, 1);
  take(h.n_checkpoints, sizeof(int64_t));
  take(h.n_tokens, sizeof(int32_t));
  take(h.state_bytes, 1);
  take(h.n_checkpoints, h.checkpoint_bytes);
  take(sizeof(uint64_t), 1);
  if (left != 0) fail(ErrorCode::kRequest, "{}: expected its end, found {} more bytes", file.name(), left);
  return h;
}

void check_text(const Reader& file, std::span<const int32_t> tokens, std::span<const int64_t> checkpoints,
                int64_t n_vocab) {
  for (const int32_t id : tokens) {
    if (id < 0 || id >= n_vocab) {
      fail(ErrorCode::kRequest, "{}: expected token ids from 0 to {}, found {}", file.name(), n_vocab - 1, id);
    }
  }
  int64_t last = 0;
  for (const int64_t length : checkpoints) {
    if (length <= last || length > std::ssize(tokens)) {
      fail(ErrorCode::kRequest, "{}: expected checkpoints from {} to {} tokens, found one of {}", file.name(), last + 1,
           tokens.size(), length);
    }
    last = length;
  }
}

}  // namespace

uint64_t save_session(Session& session, const std::string& path) {
  const std::string origin = text_of(session.origin());
  const std::vector<int64_t> checkpoints = session.checkpoints().lengths();
  const std::span<const int32_t> tokens = session.text();
  const std::vector<std::span<uint8_t>> pieces = session.pieces();
  Header h = {};
  std::memcpy(h.magic, kMagic, sizeof kMagic);
  h.format = kFormat;
  h.origin_bytes = static_cast<uint32_t>(origin.size());
  h.n_checkpoints = checkpoints.size();
  h.n_tokens = tokens.size();
  h.state_bytes = size_of(pieces);
  h.checkpoint_bytes = session.checkpoints().bytes_of_one();

  Writer file(path);
  file.put(&h, sizeof h);
  file.put(origin.data(), origin.size());
  file.put(checkpoints.data(), checkpoints.size() * sizeof(int64_t));
  file.put(tokens.data(), tokens.size_bytes());
  for (const std::span<uint8_t> piece : pieces) file.put(piece);
  for (const int64_t length : checkpoints) file.put(session.checkpoints().bytes(length));
  return file.finish();
}

uint64_t restore_session(Session& session, const std::string& path) {
  Reader file(path);
  const Header h = take_header(file, session);
  const std::vector<char> origin = file.take_all<char>(h.origin_bytes);
  check_origin(file, {origin.data(), origin.size()}, session.origin());
  const std::vector<int64_t> checkpoints = file.take_all<int64_t>(h.n_checkpoints);
  const std::vector<int32_t> tokens = file.take_all<int32_t>(h.n_tokens);
  check_text(file, tokens, checkpoints, session.n_vocab());
  Checkpoints& kept = session.checkpoints();
  try {
    session.begin_restore(tokens);
    const std::vector<std::span<uint8_t>> pieces = session.pieces();
    if (h.state_bytes != size_of(pieces) || h.checkpoint_bytes != kept.bytes_of_one()) {
      fail(ErrorCode::kRequest, "{}: expected {} bytes of state and {} of a checkpoint, found {} and {}", file.name(),
           size_of(pieces), kept.bytes_of_one(), h.state_bytes, h.checkpoint_bytes);
    }
    for (const std::span<uint8_t> piece : pieces) file.take(piece.data(), piece.size());
    const size_t n_left_out = checkpoints.size() - std::min(checkpoints.size(), static_cast<size_t>(kept.room()));
    file.skip(n_left_out * kept.bytes_of_one());
    for (size_t i = n_left_out; i < checkpoints.size(); i++) {
      const std::span<uint8_t> bytes = kept.add(checkpoints[i]);
      file.take(bytes.data(), bytes.size());
    }
    file.check_digest();
  } catch (...) {
    session.clear();
    throw;
  }
  session.end_restore();
  return file.size();
}

}  // namespace nextn
