#include "gguf/parse.h"

#include <bit>
#include <unordered_set>

#include "gguf/cursor.h"

namespace nextn::gguf {

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint64_t kMinEntryBytes = 13;   // a key's length, a type, a value of one byte
constexpr uint64_t kMinTensorBytes = 24;  // a name's length, n_dims, a type, an offset
constexpr uint64_t kMaxArrayCount = uint64_t{1} << 30;
constexpr size_t kMaxNameBytes = 63;
constexpr uint32_t kMaxDims = 4;

uint32_t read_version(Cursor& in) {
  const auto magic = in.take(4, "the magic");
  if (std::memcmp(magic.data(), "GGUF", 4) != 0) {
    fail(ErrorCode::kFile, "{}: byte 0: expected the magic \"GGUF\", found \"{}\"", in.path(),
         Shown{{reinterpret_cast<const char*>(magic.data()), 4}});
  }
  const auto version = in.read<uint32_t>("the version");
  if (version != 0 && (version & 0xffff) == 0) {
    fail(ErrorCode::kFile, "{}: version: expected a little-endian file, found a big-endian one", in.path());
  }
  if (version != 2 && version != 3) {
    fail(ErrorCode::kFile, "{}: version: expected 2 or 3, found {}", in.path(), version);
  }
  return version;
}

// `left`: the bytes that all the records share. A negative count is a huge one.
void check_count(const Cursor& in, const char* what, int64_t count, uint64_t min_bytes, uint64_t left) {
  if (static_cast<uint64_t>(count) > left / min_bytes) {
    fail(ErrorCode::kFile, "{}: {}: expected 0 to {} ({} bytes are left, {} the least for one), found {}", in.path(),
         what, left / min_bytes, left, min_bytes, count);
  }
}

ValueType checked_type(const Cursor& in, std::string_view key, uint32_t id) {
  if (id >= kNumValueTypes) {
    fail(ErrorCode::kFile, "{}: {}: expected a value type of 0 to {}, found {}", in.path(), Shown{key},
         kNumValueTypes - 1, id);
  }
  return static_cast<ValueType>(id);
}

void read_array(Cursor& in, std::string_view key, Value& value) {
  value.element = checked_type(in, key, in.read<uint32_t>("the element type of {}", Shown{key}));
  if (value.element == ValueType::kArray) {
    fail(ErrorCode::kFile, "{}: {}: expected an array of scalars or strings, found an array of arrays", in.path(),
         Shown{key});
  }
  value.count = in.read<uint64_t>("the element count of {}", Shown{key});
  const bool strings = value.element == ValueType::kString;
  const uint64_t element_bytes = strings ? 8 : value_type_bytes(value.element);
  if (value.count > kMaxArrayCount) {
    fail(ErrorCode::kFile, "{}: {}: expected at most {} elements, found {}", in.path(), Shown{key}, kMaxArrayCount,
         value.count);
  }
  if (value.count > in.left() / element_bytes) {
    fail(ErrorCode::kFile, "{}: {}: expected at least {} bytes for {} elements, found {}", in.path(), Shown{key},
         value.count * element_bytes, value.count, in.left());
  }
  if (!strings) {
    value.data = in.take(value.count * element_bytes, "the elements of {}", Shown{key});
    return;
  }
  for (uint64_t i = 0; i < value.count; i++) value.text.push_back(in.string("element {} of {}", i, Shown{key}));
}

Entry read_entry(Cursor& in, int64_t index) {
  Entry entry;
  entry.key = in.string("key {}", index);
  if (entry.key.empty()) fail(ErrorCode::kFile, "{}: key {}: expected a name, found an empty one", in.path(), index);

  Value& value = entry.value;
  value.type = checked_type(in, entry.key, in.read<uint32_t>("the value type of {}", Shown{entry.key}));
  value.element = value.type;
  switch (value.type) {
    case ValueType::kArray:
      read_array(in, entry.key, value);
      break;
    case ValueType::kString:
      value.text.push_back(in.string("the value of {}", Shown{entry.key}));
      break;
    default:
      value.data = in.take(value_type_bytes(value.type), "the value of {}", Shown{entry.key});
      break;
  }
  return entry;
}

uint64_t read_alignment(const Cursor& in, const std::vector<Entry>& metadata) {
  for (const Entry& entry : metadata) {
    if (entry.key != "general.alignment") continue;
    if (entry.value.type != ValueType::kU32) {
      fail(ErrorCode::kFile, "{}: general.alignment: expected u32, found {}", in.path(), entry.value.type_text());
    }
    const auto alignment = entry.value.get<uint32_t>();
    if (!std::has_single_bit(alignment)) {
      fail(ErrorCode::kFile, "{}: general.alignment: expected a power of two, found {}", in.path(), alignment);
    }
    return alignment;
  }
  return 32;
}

[[noreturn]] void fail_overflow(const Cursor& in, const TensorInfo& t) {
  fail(ErrorCode::kFile, "{}: {}: expected a size below 2^63, found {} of {}", in.path(), Shown{t.name}, t.shape_text(),
       dtype_info(t.type).name);
}

// The size of the data in bytes.
uint64_t tensor_bytes(const Cursor& in, const TensorInfo& t) {
  const DTypeInfo& type = dtype_info(t.type);
  int64_t n_values = 1, n_bytes = 0;
  for (const int64_t n : t.shape) {
    if (__builtin_mul_overflow(n_values, n, &n_values)) fail_overflow(in, t);
  }
  if (t.shape[0] % type.block_values != 0) {
    fail(ErrorCode::kFile, "{}: {}: expected rows of a multiple of {} values for {}, found {}", in.path(),
         Shown{t.name}, type.block_values, type.name, t.shape[0]);
  }
  if (__builtin_mul_overflow(n_values / type.block_values, int64_t{type.block_bytes}, &n_bytes)) fail_overflow(in, t);
  return static_cast<uint64_t>(n_bytes);
}

// All but `data` and `part`; file_offset is still relative to the data section.
TensorInfo read_tensor(Cursor& in, int64_t index) {
  TensorInfo t;
  t.name = in.string("the name of tensor {}", index);
  if (t.name.size() > kMaxNameBytes) {
    fail(ErrorCode::kFile, "{}: tensor {}: expected a name of at most {} bytes, found {}", in.path(), index,
         kMaxNameBytes, t.name.size());
  }
  const auto n_dims = in.read<uint32_t>("the number of dimensions of {}", Shown{t.name});
  if (n_dims > kMaxDims) {
    fail(ErrorCode::kFile, "{}: {}: expected at most {} dimensions, found {}", in.path(), Shown{t.name}, kMaxDims,
         n_dims);
  }
  t.n_dims = static_cast<int>(n_dims);
  for (uint32_t i = 0; i < n_dims; i++) {
    t.shape[i] = in.read<int64_t>("dimension {} of {}", i, Shown{t.name});
    if (t.shape[i] < 0) {
      fail(ErrorCode::kFile, "{}: {}: expected dimension {} to be 0 or more, found {}", in.path(), Shown{t.name}, i,
           t.shape[i]);
    }
  }
  const auto type_id = in.read<uint32_t>("the type of {}", Shown{t.name});
  const auto type = dtype_from_id(type_id);
  if (!type)
    fail(ErrorCode::kFile, "{}: {}: expected a known tensor type, found {}", in.path(), Shown{t.name}, type_id);
  t.type = *type;
  t.n_bytes = tensor_bytes(in, t);
  t.file_offset = in.read<uint64_t>("the offset of {}", Shown{t.name});
  return t;
}

// Rounds up to a multiple of a power of two. n is a position in a file and alignment at most 2^31, so the sum fits.
uint64_t pad(uint64_t n, uint64_t alignment) {
  return (n + alignment - 1) & ~(alignment - 1);
}

// Tensors lie one after the other in the order of their records, each padded to the alignment; only the padding after
// the last may be missing.
void place_tensors(const Cursor& in, const MappedFile& map, uint64_t alignment, std::vector<TensorInfo>& tensors) {
  const uint64_t section = pad(in.position(), alignment), size = map.bytes().size();
  uint64_t next = 0;
  for (TensorInfo& t : tensors) {
    if (t.file_offset != next) {
      fail(ErrorCode::kFile, "{}: {}: expected offset {}, found {}", in.path(), Shown{t.name}, next, t.file_offset);
    }
    t.file_offset = section + next;
    const uint64_t left = t.file_offset < size ? size - t.file_offset : 0;
    if (t.file_offset > size || t.n_bytes > left) {
      fail(ErrorCode::kFile, "{}: {}: expected {} bytes at byte {}, found {} (the file has {} bytes)", in.path(),
           Shown{t.name}, t.n_bytes, t.file_offset, left, size);
    }
    t.data = map.bytes().data() + t.file_offset;
    next = pad(next + t.n_bytes, alignment);
  }
}

}  // namespace

Parsed parse(const MappedFile& map, int part) {
  Cursor in(map.path(), map.bytes());
  Parsed parsed;
  parsed.version = read_version(in);
  const auto n_tensors = in.read<int64_t>("the tensor count");
  const auto n_entries = in.read<int64_t>("the key count");
  check_count(in, "tensor count", n_tensors, kMinTensorBytes, in.left());
  check_count(in, "key count", n_entries, kMinEntryBytes,
              in.left() - static_cast<uint64_t>(n_tensors) * kMinTensorBytes);

  // Nothing is reserved by these counts: a record in memory is larger than the least one in the file.
  std::unordered_set<std::string_view> names;
  for (int64_t i = 0; i < n_entries; i++) {
    parsed.metadata.push_back(read_entry(in, i));
    if (!names.insert(parsed.metadata.back().key).second) {
      fail(ErrorCode::kFile, "{}: {}: expected the key once, found it twice", in.path(),
           Shown{parsed.metadata.back().key});
    }
  }
  const uint64_t alignment = read_alignment(in, parsed.metadata);

  names.clear();
  for (int64_t i = 0; i < n_tensors; i++) {
    parsed.tensors.push_back(read_tensor(in, i));
    parsed.tensors.back().part = part;
    if (!names.insert(parsed.tensors.back().name).second) {
      fail(ErrorCode::kFile, "{}: {}: expected one tensor of this name, found two", in.path(),
           Shown{parsed.tensors.back().name});
    }
  }
  place_tensors(in, map, alignment, parsed.tensors);
  return parsed;
}

}  // namespace nextn::gguf
