// For the tests of gguf/: bytes written field by field, so that any of them can be wrong; the exact text of an error; a
// directory that goes away.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "gguf/value.h"

namespace nextn::gguf {

using Bytes = std::vector<uint8_t>;

class Raw {
 public:
  template <class T>
  Raw& put(T v) {
    const auto* p = reinterpret_cast<const uint8_t*>(&v);
    for (size_t i = 0; i < sizeof v; i++) bytes_.push_back(p[i]);
    return *this;
  }
  Raw& u8(uint8_t v) { return put(v); }
  Raw& u32(uint32_t v) { return put(v); }
  Raw& u64(uint64_t v) { return put(v); }
  Raw& i64(int64_t v) { return put(v); }
  Raw& text(std::string_view s) {
    for (const char c : s) put(c);
    return *this;
  }
  Raw& string(std::string_view s) { return u64(s.size()).text(s); }
  Raw& zeros(size_t n) {
    bytes_.resize(bytes_.size() + n);
    return *this;
  }

  Raw& head(int64_t n_tensors, int64_t n_keys) { return text("GGUF").u32(3).i64(n_tensors).i64(n_keys); }
  Raw& key(std::string_view name, ValueType type) { return string(name).u32(static_cast<uint32_t>(type)); }
  Raw& array(std::string_view name, uint32_t element, uint64_t count) {
    return key(name, ValueType::kArray).u32(element).u64(count);
  }
  Raw& tensor(std::string_view name, const std::vector<int64_t>& shape, uint32_t type, uint64_t offset) {
    string(name).u32(static_cast<uint32_t>(shape.size()));
    for (const int64_t n : shape) i64(n);
    return u32(type).u64(offset);
  }
  Raw& pad(size_t alignment = 32) { return zeros((alignment - bytes_.size() % alignment) % alignment); }

  operator Bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "gguf_test_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string path(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, const Bytes& bytes) const {
    std::ofstream(path(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

template <class Fn>
void expect_error(const Fn& fn, ErrorCode code, const std::string& message) {
  try {
    fn();
    ADD_FAILURE() << "no error, expected: " << message;
  } catch (const Error& e) {
    EXPECT_EQ(e.what(), message);
    EXPECT_EQ(e.code(), code);
  }
}

#define EXPECT_ERROR(expression, code, message)                          \
  do {                                                                   \
    SCOPED_TRACE(#expression);                                           \
    expect_error([&] { (void)(expression); }, ErrorCode::code, message); \
  } while (false)

}  // namespace nextn::gguf
