#include "model/model.h"

#include "base/error.h"
#include "model/qwen35.h"

namespace nextn {

namespace {

struct Architecture {
  std::string_view name;
  HeadVerdict (*inspect_head)(const gguf::File& file);
  std::unique_ptr<Model> (*bind)(const gguf::File& file, bool with_head);
};

template <class M>
constexpr Architecture architecture(std::string_view name) {
  return {name, M::inspect_head, [](const gguf::File& file, bool with_head) -> std::unique_ptr<Model> {
            return std::make_unique<M>(file, with_head);
          }};
}

constexpr Architecture kArchitectures[] = {architecture<Qwen35>("qwen35")};

const Architecture& find_architecture(const gguf::File& file) {
  const std::string_view name = file.string("general.architecture");
  std::string known;
  for (const Architecture& a : kArchitectures) {
    if (a.name == name) return a;
    known += known.empty() ? "" : ", ";
    known += a.name;
  }
  fail(ErrorCode::kUnsupported, "{}: general.architecture: expected one of {}, found {}", file.path(), known, name);
}

}  // namespace

HeadVerdict inspect_head(const gguf::File& file) {
  return find_architecture(file).inspect_head(file);
}

std::unique_ptr<Model> bind_model(const gguf::File& file, bool with_head) {
  return find_architecture(file).bind(file, with_head);
}

}  // namespace nextn
