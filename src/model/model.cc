#include "model/model.h"

#include "base/error.h"
#include "model/glm4moe.h"
#include "model/llama.h"
#include "model/qwen35.h"

namespace nextn {

namespace {

struct Architecture {
  std::string_view name;
  std::unique_ptr<Model> (*make)(const gguf::File& file);
};

template <class M>
std::unique_ptr<Model> make(const gguf::File& file) {
  return std::make_unique<M>(file);
}

constexpr Architecture kArchitectures[] = {
    {"qwen35", make<Qwen35>}, {"qwen35moe", make<Qwen35>}, {"qwen3next", make<Qwen35>}, {"glm4moe", make<Glm4Moe>},
    {"qwen3", make<Llama>},   {"qwen2", make<Llama>},      {"llama", make<Llama>}};

std::unique_ptr<Model> make_model(const gguf::File& file) {
  const std::string_view name = file.string("general.architecture");
  std::string known;
  for (const Architecture& a : kArchitectures) {
    if (a.name == name) return a.make(file);
    known += known.empty() ? "" : ", ";
    known += a.name;
  }
  fail(ErrorCode::kUnsupported, "{}: general.architecture: expected one of {}, found {}", file.path(), known, name);
}

}  // namespace

HeadVerdict inspect_head(const gguf::File& file) {
  return make_model(file)->inspect_head();
}

std::unique_ptr<Model> bind_model(const gguf::File& file, bool with_head) {
  std::unique_ptr<Model> model = make_model(file);
  model->bind(with_head);
  return model;
}

}  // namespace nextn
