#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "text/jinja/strings.h"
#include "text/tokenizer/unicode.h"

namespace nextn::jinja {

namespace {

std::string tagged(char kind, std::string_view text) {
  std::string out(1, kind);
  return out.append(text);
}

// Equal for values that are equal as keys: 1, 1.0 and True are one key in Python. None for what has no hash.
std::optional<std::string> hash_key(const Value& value) {
  if (const std::string* text = value.text()) return tagged('s', *text);
  if (const auto integer = value.integer()) return tagged('n', integer_text(*integer));
  if (const double* number = value.floating()) {
    const bool whole = std::trunc(*number) == *number && std::fabs(*number) < 1e38;
    return tagged('n', whole ? integer_text(static_cast<Integer>(*number)) : float_text(*number));
  }
  if (value.is_none()) return "0";
  if (value.is_undefined()) return "u";
  if (const Sequence* sequence = value.sequence(); sequence != nullptr && sequence->type == SequenceType::kTuple) {
    std::string key = "t";
    for (const Value& item : sequence->values) {
      const auto part = hash_key(item);
      if (!part) return std::nullopt;
      key += std::to_string(part->size()) + ":" + *part;
    }
    return key;
  }
  if (const Object* object = value.object<Object>())
    return tagged('o', std::to_string(reinterpret_cast<uintptr_t>(object)));
  return std::nullopt;
}

std::string_view type_name(SequenceType type) {
  switch (type) {
    case SequenceType::kList:
      return "list";
    case SequenceType::kTuple:
      return "tuple";
    case SequenceType::kKeys:
      return "dict_keys";
    case SequenceType::kValues:
      return "dict_values";
    case SequenceType::kItems:
      return "dict_items";
    case SequenceType::kRange:
      return "range";
    case SequenceType::kGenerator:
      return "generator";
  }
  return "";
}

int checked_depth(int depth) {
  if (depth > kMaxValueDepth) raise("expected values nested at most {} deep, found more", kMaxValueDepth);
  return depth;
}

Value convert(const nlohmann::ordered_json& json, int depth) {
  using Type = nlohmann::ordered_json::value_t;
  checked_depth(depth);
  switch (json.type()) {
    case Type::boolean:
      return Value(json.get<bool>());
    case Type::number_integer:
      return Value(Integer{json.get<int64_t>()});
    case Type::number_unsigned:
      return Value(Integer{json.get<uint64_t>()});
    case Type::number_float:
      return Value(json.get<double>());
    case Type::string:
      return Value(json.get_ref<const std::string&>());
    case Type::array: {
      std::vector<Value> values;
      values.reserve(json.size());
      for (const auto& item : json) values.push_back(convert(item, depth + 1));
      return make_list(std::move(values));
    }
    case Type::object: {
      auto dict = std::make_shared<Dict>();
      for (const auto& [key, item] : json.items()) dict->set(key, convert(item, depth + 1));
      return Value(DictPtr(std::move(dict)));
    }
    default:
      return Value();
  }
}

template <class T>
int order(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

// None where one of them is no number or not a number.
std::optional<int> order_numbers(const Value& a, const Value& b) {
  const auto i = a.integer(), j = b.integer();
  if (i && j) return order(*i, *j);
  const double x = i ? static_cast<double>(*i) : *a.floating(), y = j ? static_cast<double>(*j) : *b.floating();
  if (std::isnan(x) || std::isnan(y)) return std::nullopt;
  return order(x, y);
}

}  // namespace

Value Value::undefined(std::string message) {
  Value value;
  value.data_ = Undefined{std::make_shared<const std::string>(std::move(message))};
  return value;
}

std::optional<Integer> Value::integer() const noexcept {
  if (const auto* integer = std::get_if<Integer>(&data_)) return *integer;
  if (const bool* value = boolean()) return Integer{*value};
  return std::nullopt;
}

const std::string* Value::text() const noexcept {
  const Text* text = std::get_if<Text>(&data_);
  return text == nullptr ? nullptr : text->bytes.get();
}

bool Value::is_safe() const noexcept {
  const Text* text = std::get_if<Text>(&data_);
  return text != nullptr && text->safe;
}

const Sequence* Value::sequence() const noexcept {
  const auto* sequence = std::get_if<SequencePtr>(&data_);
  return sequence == nullptr ? nullptr : sequence->get();
}

const Dict* Value::dict() const noexcept {
  const auto* dict = std::get_if<DictPtr>(&data_);
  return dict == nullptr ? nullptr : dict->get();
}

bool Value::truth() const noexcept {
  if (is_undefined() || is_none()) return false;
  if (const auto value = integer()) return *value != 0;
  if (const double* number = floating()) return *number != 0;
  if (const std::string* bytes = text()) return !bytes->empty();
  if (const Dict* entries = dict()) return !entries->entries().empty();
  if (const Sequence* items = sequence()) return items->type == SequenceType::kGenerator || !items->values.empty();
  return true;
}

int Value::depth() const noexcept {
  if (const Sequence* items = sequence()) return items->depth;
  if (const Dict* entries = dict()) return entries->depth();
  if (const Object* other = object<Object>()) return other->depth();
  return 0;
}

std::string Value::type() const {
  if (is_undefined()) return "Undefined";
  if (is_none()) return "NoneType";
  if (boolean() != nullptr) return "bool";
  if (integer()) return "int";
  if (floating() != nullptr) return "float";
  if (is_text()) return is_safe() ? "Markup" : "str";
  if (is_dict()) return "dict";
  if (const Sequence* items = sequence()) return std::string(type_name(items->type));
  const std::string name = object<Object>()->type();
  return name.substr(name.rfind('.') + 1);
}

std::string Value::described() const {
  if (is_none()) return "None";
  if (const Object* other = object<Object>()) return other->type() + " object";
  return (is_undefined() ? "jinja2.runtime." : is_safe() ? "markupsafe." : "") + type() + " object";
}

bool Value::is_same(const Value& other) const {
  if (data_.index() != other.data_.index()) return false;
  if (const bool* a = boolean()) return *a == *other.boolean();
  if (const auto a = integer()) return *a == *other.integer();
  if (const double* a = floating()) return *a == *other.floating();
  if (const std::string* a = text()) return *a == *other.text();
  if (const auto* a = std::get_if<SequencePtr>(&data_)) return *a == std::get<SequencePtr>(other.data_);
  if (const auto* a = std::get_if<DictPtr>(&data_)) return *a == std::get<DictPtr>(other.data_);
  if (const auto* a = std::get_if<ObjectPtr>(&data_)) return *a == std::get<ObjectPtr>(other.data_);
  if (is_undefined()) return &undefined_message() == &other.undefined_message();
  return true;
}

Sequence::Sequence(SequenceType kind, std::vector<Value> items) : type(kind), values(std::move(items)), depth(1) {
  for (const Value& value : values) depth = std::max(depth, value.depth() + 1);
  checked_depth(depth);
}

void Dict::set(const Value& key, Value value) {
  auto hash = hash_key(key);
  if (!hash) raise("unhashable type: '{}'", key.type());
  depth_ = checked_depth(std::max({depth_, value.depth() + 1, key.depth() + 1}));
  const auto [place, added] = index_.try_emplace(std::move(*hash), entries_.size());
  if (added) {
    entries_.emplace_back(key, std::move(value));
  } else {
    entries_[place->second].second = std::move(value);
  }
}

const Value* Dict::find(const Value& key) const {
  const auto hash = hash_key(key);
  if (!hash) return nullptr;
  const auto place = index_.find(*hash);
  return place == index_.end() ? nullptr : &entries_[place->second].second;
}

std::string Object::representation() const {
  return fmt::format("<{} object>", type());
}

Value make_list(std::vector<Value> values) {
  return Value(std::make_shared<const Sequence>(SequenceType::kList, std::move(values)));
}

Value make_tuple(std::vector<Value> values) {
  return Value(std::make_shared<const Sequence>(SequenceType::kTuple, std::move(values)));
}

Value make_generator(std::vector<Value> values) {
  return Value(std::make_shared<const Sequence>(SequenceType::kGenerator, std::move(values)));
}

nlohmann::ordered_json parse_json(std::string_view text) {
  using Json = nlohmann::ordered_json;
  bool too_deep = false;
  const auto within = [&](int depth, Json::parse_event_t, Json&) {
    too_deep |= depth > kMaxValueDepth;
    return depth <= kMaxValueDepth;
  };
  Json json = Json::parse(text, within, false);
  if (too_deep) raise("expected values nested at most {} deep, found more", kMaxValueDepth);
  return json;
}

Value from_json(const nlohmann::ordered_json& json) {
  return convert(json, 0);
}

bool equal(const Value& a, const Value& b, Sandbox& sandbox) {
  sandbox.steps();
  if (a.is_number() && b.is_number()) return order_numbers(a, b) == 0;
  if (const std::string *x = a.text(), *y = b.text(); x != nullptr && y != nullptr) return *x == *y;
  if (a.is_undefined() || a.is_none()) return a.is_undefined() == b.is_undefined() && a.is_none() == b.is_none();
  if (const Sequence *x = a.sequence(), *y = b.sequence(); x != nullptr && y != nullptr) {
    if (x == y) return true;
    if (x->type == SequenceType::kGenerator || x->type != y->type || x->values.size() != y->values.size()) return false;
    for (size_t i = 0; i < x->values.size(); i++) {
      if (!equal(x->values[i], y->values[i], sandbox)) return false;
    }
    return true;
  }
  if (const Dict *x = a.dict(), *y = b.dict(); x != nullptr && y != nullptr) {
    if (x->entries().size() != y->entries().size()) return false;
    for (const auto& [key, value] : x->entries()) {
      const Value* other = y->find(key);
      if (other == nullptr || !equal(value, *other, sandbox)) return false;
    }
    return true;
  }
  return a.object<Object>() != nullptr && a.object<Object>() == b.object<Object>();
}

int compare(const Value& a, const Value& b, std::string_view op, Sandbox& sandbox) {
  sandbox.steps();
  if (a.is_undefined() || b.is_undefined()) raise("{}", (a.is_undefined() ? a : b).undefined_message());
  if (a.is_number() && b.is_number()) return order_numbers(a, b).value_or(1);
  if (const std::string *x = a.text(), *y = b.text(); x != nullptr && y != nullptr) return x->compare(*y);
  const Sequence *x = a.sequence(), *y = b.sequence();
  if (x != nullptr && y != nullptr && x->type == y->type && x->type <= SequenceType::kTuple) {
    for (size_t i = 0; i < std::min(x->values.size(), y->values.size()); i++) {
      if (!equal(x->values[i], y->values[i], sandbox)) return compare(x->values[i], y->values[i], op, sandbox);
    }
    return order(x->values.size(), y->values.size());
  }
  raise("'{}' not supported between instances of '{}' and '{}'", op, a.type(), b.type());
}

bool contains(const Value& container, const Value& item, Sandbox& sandbox) {
  if (const std::string* text = container.text()) {
    const std::string* part = item.text();
    if (part == nullptr) raise("'in <string>' requires string as left operand, not {}", item.type());
    sandbox.steps(1 + text->size() / 64);
    return find_text(*text, *part) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) {
    if (!hash_key(item)) raise("unhashable type: '{}'", item.type());
    return dict->find(item) != nullptr;
  }
  if (const Sequence* sequence = container.sequence()) {
    for (size_t i = sequence->next; i < sequence->values.size(); i++) {
      if (sequence->type == SequenceType::kGenerator) sequence->next = i + 1;
      if (equal(sequence->values[i], item, sandbox)) return true;
    }
    return false;
  }
  if (container.is_undefined()) return false;
  raise("argument of type '{}' is not iterable", container.type());
}

bool is_iterable(const Value& value) noexcept {
  return value.is_text() || value.is_dict() || value.sequence() != nullptr || value.is_undefined();
}

std::vector<Value> iterate(const Value& value, Sandbox& sandbox) {
  std::vector<Value> items;
  if (const Sequence* sequence = value.sequence()) {
    sandbox.bytes(sequence->values.size() * sizeof(Value));
    items.assign(sequence->values.begin() + static_cast<ptrdiff_t>(sequence->next), sequence->values.end());
    if (sequence->type == SequenceType::kGenerator) sequence->next = sequence->values.size();
  } else if (const Dict* dict = value.dict()) {
    sandbox.bytes(dict->entries().size() * sizeof(Value));
    for (const auto& [key, unused] : dict->entries()) items.push_back(key);
  } else if (const std::string* text = value.text()) {
    sandbox.bytes(text->size() * 2 * sizeof(Value));
    for (const std::string_view character : characters(*text))
      items.emplace_back(std::string(character), value.is_safe());
  } else if (!value.is_undefined()) {
    raise("'{}' object is not iterable", value.type());
  }
  return items;
}

std::optional<size_t> length(const Value& value) {
  if (value.is_undefined()) return 0;
  if (const std::string* text = value.text()) return from_utf8(*text).size();
  if (const Dict* dict = value.dict()) return dict->entries().size();
  const Sequence* sequence = value.sequence();
  if (sequence == nullptr || sequence->type == SequenceType::kGenerator) return std::nullopt;
  return sequence->values.size();
}

}  // namespace nextn::jinja
