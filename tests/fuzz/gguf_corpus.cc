// Writes the seeds of gguf_fuzz: gguf_corpus DIR. Small whole files, each with another part of the format.
#include <fmt/core.h>

#include <fstream>
#include <string>
#include <vector>

#include "gguf/writer.h"

namespace {

using nextn::DType;
using nextn::gguf::Writer;
using Bytes = std::vector<uint8_t>;

std::string directory;

void save(const std::string& name, const Bytes& bytes) {
  std::ofstream(directory + "/" + name, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

void save(const std::string& name, const Writer& w, size_t n_tensors = 0) {
  std::vector<Bytes> data;
  for (size_t i = 0; i < n_tensors; i++) data.emplace_back(w.tensor_bytes(i), static_cast<uint8_t>(i + 1));
  save(name, w.bytes(data));
}

void metadata() {
  save("empty", Writer());

  Writer scalars;
  scalars.add("u8", uint8_t{1});
  scalars.add("i8", int8_t{-1});
  scalars.add("u16", uint16_t{2});
  scalars.add("i16", int16_t{-2});
  scalars.add("u32", uint32_t{3});
  scalars.add("i32", int32_t{-3});
  scalars.add("f32", 0.5f);
  scalars.add("bool", true);
  scalars.add("u64", uint64_t{4});
  scalars.add("i64", int64_t{-4});
  scalars.add("f64", 0.25);
  scalars.add("string", "text");
  save("scalars", scalars);

  Writer arrays;
  arrays.add_array<uint8_t>("u8", {1, 2});
  arrays.add_array<uint32_t>("u32", {1, 2, 3, 4});
  arrays.add_array<int32_t>("i32", {1, -2, 3});
  arrays.add_array<float>("f32", {1, 2, 3});
  arrays.add_array<bool>("bool", {true, false});
  arrays.add_array<double>("f64", {1});
  arrays.add_array<std::string_view>("strings", {"a", "", "long string"});
  arrays.add_array<int32_t>("none", {});
  save("arrays", arrays);

  Writer model;
  model.add("general.architecture", "qwen35");
  model.add("qwen35.block_count", uint32_t{3});
  model.add("qwen35.attention.head_count_kv", uint32_t{2});
  model.add_array<bool>("qwen35.attention.recurrent_layers", {true, true, false});
  model.add_array<std::string_view>("tokenizer.ggml.tokens", {"<s>", "\xff", "the"});
  model.add_array<int32_t>("tokenizer.ggml.token_type", {3, 6, 1});
  model.add_tensor("token_embd.weight", std::vector<int64_t>{32, 3}, DType::kQ8_0);
  model.add_tensor("output_norm.weight", std::vector<int64_t>{32}, DType::kF32);
  save("model", model, 2);

  Writer split;
  split.add("split.no", uint16_t{0});
  split.add("split.count", uint16_t{2});
  split.add("split.tensors.count", int32_t{5});
  save("split", split);
}

void tensors() {
  Writer types;
  size_t n = 0;
  for (uint32_t id = 0; id < 64; id++) {
    const auto type = nextn::dtype_from_id(id);
    if (!type || nextn::dtype_info(*type).block_bytes > 120) continue;
    types.add_tensor(fmt::format("t{}", id), std::vector<int64_t>{nextn::dtype_info(*type).block_values}, *type);
    n++;
  }
  save("types", types, n);

  Writer shapes;
  shapes.add_tensor("scalar", {}, DType::kF32);
  shapes.add_tensor("1", std::vector<int64_t>{5}, DType::kF32);
  shapes.add_tensor("2", std::vector<int64_t>{2, 3}, DType::kF16);
  shapes.add_tensor("3", std::vector<int64_t>{2, 3, 2}, DType::kI8);
  shapes.add_tensor("4", std::vector<int64_t>{1, 2, 1, 2}, DType::kI16);
  shapes.add_tensor("none", std::vector<int64_t>{0, 3}, DType::kF32);
  shapes.add_tensor("last", std::vector<int64_t>{1}, DType::kF64);
  save("shapes", shapes, 7);

  for (const uint32_t alignment : {1u, 8u, 512u}) {
    Writer aligned(alignment);
    aligned.add_tensor("a", std::vector<int64_t>{3}, DType::kI8);
    aligned.add_tensor("b", std::vector<int64_t>{2}, DType::kF32);
    save(fmt::format("aligned-{}", alignment), aligned, 2);
  }

  Writer big;
  big.add_tensor(std::string(63, 'n'), std::vector<int64_t>{256, 2}, DType::kQ4_K);
  save("k-quant", big, 1);
  Bytes header = big.header();
  save("no-data", header);
  header.resize(60);
  save("cut", header);
  header = big.header();
  header[4] = 2;
  header.resize(header.size() + 288);
  save("version-2", header);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  directory = argv[1];
  metadata();
  tensors();
  return 0;
}
