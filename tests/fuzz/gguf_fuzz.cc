// libFuzzer: any bytes are a GGUF file or an Error. Touches every value and the first and last byte of every tensor.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>

#include "base/error.h"
#include "gguf/file.h"

namespace {

using nextn::gguf::File;
using nextn::gguf::TensorInfo;
using nextn::gguf::Value;
using nextn::gguf::ValueType;

uint64_t touched = 0;  // keeps the reads alive

template <class Fn>
void attempt(const Fn& fn) {
  try {
    touched += fn();
  } catch (const nextn::Error&) {
  }
}

void touch(const Value& value) {
  for (const std::string_view text : value.text) {
    for (const char c : text) touched += static_cast<uint8_t>(c);
  }
  for (const uint8_t byte : value.data) touched += byte;
  touched += value.type_text().size();
}

void access(const File& file, std::string_view key) {
  const Value& value = *file.find(key);
  attempt([&] { return file.u32(key); });
  attempt([&] { return file.boolean(key); });
  attempt([&] { return file.f32(key) > 0; });
  attempt([&] { return file.string(key).size(); });
  attempt([&] { return file.strings(key).size(); });
  attempt([&] { return file.u32s(key).size(); });
  attempt([&] { return file.i32s(key).size(); });
  attempt([&] { return file.f32s(key).size(); });
  attempt([&] { return file.bools(key).size(); });
  attempt([&] { return file.u32_or_array(key, value.is_array() ? value.count : 4).size(); });
  attempt([&] { return file.f32_or_array(key, 3).size(); });
}

void touch(const File& file, const TensorInfo& t) {
  if (file.tensor(t.name) != &t) __builtin_trap();
  if (t.n_bytes != 0) touched += t.data[0] + t.data[t.n_bytes - 1];
  touched += t.shape_text().size();
  if (file.map_of(t) != nullptr) __builtin_trap();  // it is bytes in memory
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const File file = File::from_memory("fuzz", {data, size});
    for (const auto& [key, value] : file.metadata()) {
      touch(value);
      access(file, key);
    }
    for (const TensorInfo& t : file.tensors()) touch(file, t);
  } catch (const nextn::Error&) {
  }
  return 0;
}
