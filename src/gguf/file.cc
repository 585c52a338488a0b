// Opening: one file, or the parts of a split one. access.cc has the typed metadata.
#include "gguf/file.h"

#include <utility>

#include "gguf/cursor.h"
#include "gguf/parse.h"

namespace nextn::gguf {

namespace {

constexpr std::string_view kSplitNo = "split.no", kSplitCount = "split.count", kSplitTensors = "split.tensors.count";

// The value of a split key of one part. Throws when it has another type; an absent one gives `absent` or throws.
template <class T>
T split_value(const std::string& path, const Value* value, std::string_view key, std::optional<T> absent = {}) {
  if (value == nullptr && absent) return *absent;
  if (value == nullptr || value->type != kTypeOf<T>) {
    fail(ErrorCode::kFile, "{}: {}: expected {}, found {}", path, key, value_type_name(kTypeOf<T>),
         value == nullptr ? "no such key" : value->type_text());
  }
  return value->get<T>();
}

const Value* find_in(const std::vector<Entry>& metadata, std::string_view key) {
  for (const Entry& entry : metadata) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

std::string part_suffix(int part, int n_parts) {
  return fmt::format("-{:05}-of-{:05}.gguf", part + 1, n_parts);
}

}  // namespace

File File::open(const std::string& path) {
  File file;
  file.add_part(MappedFile(path));
  const auto n_parts = split_value<uint16_t>(path, file.find(kSplitCount), kSplitCount, 1);
  if (n_parts > 1) file.add_other_parts(n_parts);
  return file;
}

File File::from_memory(std::string name, std::span<const uint8_t> bytes) {
  File file;
  file.add_part(MappedFile(std::move(name), bytes));
  const auto n_parts = split_value<uint16_t>(file.path(), file.find(kSplitCount), kSplitCount, 1);
  if (n_parts > 1) {
    fail(ErrorCode::kFile, "{}: split.count: expected a whole model, found one part of {}", file.path(), n_parts);
  }
  return file;
}

// The first part brings the metadata, every part its tensors.
void File::add_part(MappedFile map) {
  const int part = n_parts();
  Parsed parsed = parse(map, part);
  if (part == 0) {
    version_ = parsed.version;
    metadata_ = std::move(parsed.metadata);
    for (size_t i = 0; i < metadata_.size(); i++) keys_.emplace(metadata_[i].key, i);
  } else {
    const auto no = split_value<uint16_t>(map.path(), find_in(parsed.metadata, kSplitNo), kSplitNo);
    if (no != part) fail(ErrorCode::kFile, "{}: split.no: expected {}, found {}", map.path(), part, no);
    const auto expected = find(kSplitCount)->get<uint16_t>();
    const auto n = split_value<uint16_t>(map.path(), find_in(parsed.metadata, kSplitCount), kSplitCount, expected);
    if (n != expected) fail(ErrorCode::kFile, "{}: split.count: expected {}, found {}", map.path(), expected, n);
  }
  for (const TensorInfo& t : parsed.tensors) {
    const auto [at, is_new] = names_.emplace(t.name, tensors_.size());
    if (!is_new) {
      fail(ErrorCode::kFile, "{}: {}: expected one tensor of this name, found another in {}", map.path(), Shown{t.name},
           path(tensors_[at->second].part));
    }
    tensors_.push_back(t);
  }
  parts_.push_back(std::move(map));
}

void File::add_other_parts(uint16_t n_parts) {
  const auto no = split_value<uint16_t>(path(), find(kSplitNo), kSplitNo);
  if (no != 0) {
    fail(ErrorCode::kFile, "{}: split.no: expected 0 (the first part is the one to open), found {}", path(), no);
  }
  const auto n_tensors = split_value<int32_t>(path(), find(kSplitTensors), kSplitTensors);
  const std::string first_path = path(), suffix = part_suffix(0, n_parts);
  if (!first_path.ends_with(suffix)) {
    fail(ErrorCode::kFile, "{}: split.count: expected a file name that ends in {}, found another", first_path, suffix);
  }
  const std::string prefix = first_path.substr(0, first_path.size() - suffix.size());
  for (int part = 1; part < n_parts; part++) add_part(MappedFile(prefix + part_suffix(part, n_parts)));

  if (std::cmp_not_equal(tensors_.size(), n_tensors)) {
    fail(ErrorCode::kFile, "{}: split.tensors.count: expected {} tensors in all parts, found {}", path(), n_tensors,
         tensors_.size());
  }
}

uint64_t File::n_bytes() const noexcept {
  uint64_t n = 0;
  for (const MappedFile& part : parts_) n += part.bytes().size();
  return n;
}

const Value* File::find(std::string_view key) const noexcept {
  const auto it = keys_.find(key);
  return it == keys_.end() ? nullptr : &metadata_[it->second].value;
}

const TensorInfo* File::tensor(std::string_view name) const noexcept {
  const auto it = names_.find(name);
  return it == names_.end() ? nullptr : &tensors_[it->second];
}

}  // namespace nextn::gguf
