// For the tests of whole tiny models: where the build put them, a model file that can be edited, and everything a model
// computes for a prompt.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/logits_dump.h"
#include "gguf/file.h"
#include "gguf/test_bytes.h"
#include "gguf/writer.h"

namespace nextn {

using gguf::Bytes;
using gguf::expect_error;
using gguf::TempDir;

constexpr const char* kName = "m.gguf";  // of a file in memory

inline std::string model_path(const std::string& name) {
  return std::string(NEXTN_TEST_MODELS) + "/" + name + ".gguf";
}

inline std::vector<int32_t> random_tokens(uint32_t seed, size_t n) {
  std::mt19937 rng(seed);
  std::vector<int32_t> tokens(n);
  for (int32_t& t : tokens) t = static_cast<int32_t>(rng() % 2048);
  return tokens;
}

struct TestTensor {
  std::string name;
  std::vector<int64_t> shape;  // fastest axis first
  DType type;
  std::shared_ptr<const Bytes> data;

  int64_t n_values() const {
    int64_t n = 1;
    for (const int64_t d : shape) n *= d;
    return n;
  }
  int64_t n_rows() const { return n_values() / shape[0]; }
  size_t n_bytes() const {
    return static_cast<size_t>(n_values()) / dtype_info(type).block_values * dtype_info(type).block_bytes;
  }
  // Makes the data as long as shape and type say, cut or with zeros.
  void resize() {
    Bytes bytes = *data;
    bytes.resize(n_bytes());
    data = std::make_shared<const Bytes>(std::move(bytes));
  }
};

// A model file taken apart; copies are cheap.
class TestModel {
 public:
  explicit TestModel(const std::string& name) : source_(new gguf::File(gguf::File::open(model_path(name)))) {
    for (const gguf::Entry& e : source_->metadata()) {
      keys_.push_back({std::string(e.key), [&e](gguf::Writer& w) { w.add(e.key, e.value); }});
    }
    std::erase_if(keys_, [](const Key& k) { return k.name == "general.alignment"; });  // the writer's own
    for (const gguf::TensorInfo& t : source_->tensors()) {
      tensors.push_back({std::string(t.name),
                         {t.shape.begin(), t.shape.begin() + t.n_dims},
                         t.type,
                         std::make_shared<const Bytes>(t.data, t.data + t.n_bytes)});
    }
  }

  template <class T>
  TestModel& set(const std::string& key, T value) {
    return put(key, [key, value](gguf::Writer& w) { w.add(key, value); });
  }
  template <class T>
  TestModel& set_array(const std::string& key, std::vector<T> values) {
    return put(key, [key, values](gguf::Writer& w) { w.add_array(key, values); });
  }
  TestModel& remove_key(const std::string& key) {
    EXPECT_EQ(std::erase_if(keys_, [&](const Key& k) { return k.name == key; }), 1u) << key;
    return *this;
  }

  TestTensor& tensor(const std::string& name) {
    for (TestTensor& t : tensors) {
      if (t.name == name) return t;
    }
    throw std::out_of_range(name);
  }
  TestModel& remove(const std::string& name) {
    EXPECT_EQ(std::erase_if(tensors, [&](const TestTensor& t) { return t.name == name; }), 1u) << name;
    return *this;
  }
  // One more tensor, with the contents of another.
  TestModel& add_copy(const std::string& name, const std::string& of) {
    TestTensor t = tensor(of);
    t.name = name;
    tensors.push_back(t);
    return *this;
  }

  Bytes bytes() const {
    gguf::Writer writer;
    for (const Key& k : keys_) k.write(writer);
    for (const TestTensor& t : tensors) writer.add_tensor(t.name, t.shape, t.type);
    Bytes out = writer.header();
    for (const TestTensor& t : tensors) {
      NEXTN_CHECK(t.data->size() == t.n_bytes());
      out.insert(out.end(), t.data->begin(), t.data->end());
      out.resize(writer.padded(out.size()));
    }
    return out;
  }

  std::vector<TestTensor> tensors;

 private:
  struct Key {
    std::string name;
    std::function<void(gguf::Writer&)> write;
  };

  TestModel& put(const std::string& key, std::function<void(gguf::Writer&)> write) {
    for (Key& k : keys_) {
      if (k.name != key) continue;
      k.write = std::move(write);
      return *this;
    }
    keys_.push_back({key, std::move(write)});
    return *this;
  }

  std::shared_ptr<const gguf::File> source_;
  std::vector<Key> keys_;
};

inline EngineOptions small_options() {
  EngineOptions o;
  o.n_threads = 1;
  o.n_ctx = 512;
  return o;
}

inline EngineOptions open_options(const std::string& name) {
  EngineOptions o = small_options();
  o.model_path = model_path(name);
  return o;
}

// The bytes outlive the engine.
inline EngineOptions memory_options(const Bytes& bytes) {
  EngineOptions o = small_options();
  o.model_path = kName;
  o.model_bytes = bytes;
  return o;
}

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The files of dump_logits, byte for byte; empty where there is none.
struct Dump {
  std::string logits, hidden, mtp_logits, mtp_hidden, draft;

  bool operator==(const Dump&) const = default;
};

inline Dump dump(Engine& engine, std::span<const int32_t> tokens) {
  const TempDir dir;
  dump_logits(engine, tokens, dir.path("d"));
  return {read_file(dir.path("d.logits.npy")), read_file(dir.path("d.hidden.npy")),
          read_file(dir.path("d.mtp_logits.npy")), read_file(dir.path("d.mtp_hidden.npy")),
          read_file(dir.path("d.draft.txt"))};
}

inline Dump dump(const EngineOptions& options, std::span<const int32_t> tokens) {
  Engine engine(options);
  return dump(engine, tokens);
}

inline Dump dump(const TestModel& model, std::span<const int32_t> tokens) {
  const Bytes bytes = model.bytes();
  return dump(memory_options(bytes), tokens);
}

// One by one, because a difference says where to look. Never prints the files.
inline void expect_same(const Dump& a, const Dump& b) {
  EXPECT_TRUE(a.hidden == b.hidden) << "hidden differs";
  EXPECT_TRUE(a.logits == b.logits) << "logits differ";
  EXPECT_TRUE(a.mtp_hidden == b.mtp_hidden) << "mtp_hidden differs";
  EXPECT_TRUE(a.mtp_logits == b.mtp_logits) << "mtp_logits differ";
  EXPECT_EQ(a.draft, b.draft);
}

// The values of a float32 array in NumPy's format, version 1.0.
inline std::vector<float> npy_values(const std::string& file) {
  NEXTN_CHECK(file.size() > 10 && file.find("'<f4'") != std::string::npos);
  const size_t start = 10 + static_cast<uint8_t>(file[8]) + 256 * static_cast<size_t>(static_cast<uint8_t>(file[9]));
  std::vector<float> values((file.size() - start) / sizeof(float));
  std::memcpy(values.data(), file.data() + start, values.size() * sizeof(float));
  return values;
}

}  // namespace nextn
