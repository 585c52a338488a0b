// Filters of lists, dicts and whatever else can be looped over.
#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/jinja/operations.h"
#include "text/jinja/strings.h"

namespace nextn::jinja {

namespace {

// "a.b.0" of an item, as the filters' `attribute` means it.
class AttributePath {
 public:
  AttributePath(Interpreter& interpreter, const Value* path) : interpreter_(interpreter) {
    if (path == nullptr || path->is_none()) return;
    const std::string* text = path->text();
    if (text == nullptr) {
      parts_.push_back(*path);
      return;
    }
    for (size_t begin = 0; begin <= text->size();) {
      const size_t end = std::min(text->find('.', begin), text->size());
      const std::string part = text->substr(begin, end - begin);
      const bool number = !part.empty() && part.size() < 18 && part.find_first_not_of("0123456789") == part.npos;
      parts_.push_back(number ? Value(Integer{std::stoll(part)}) : Value(part));
      begin = end + 1;
    }
  }

  Value operator()(Value item, const Value* otherwise = nullptr) const {
    for (const Value& part : parts_) {
      item = interpreter_.item(item, part);
      if (item.is_undefined() && otherwise != nullptr && !otherwise->is_none()) item = *otherwise;
    }
    return item;
  }

 private:
  Interpreter& interpreter_;
  std::vector<Value> parts_;
};

// What sort, unique, min and max compare: small letters unless case matters.
Value comparable(const Value& value, bool case_sensitive) {
  const std::string* text = value.text();
  return case_sensitive || text == nullptr ? value : Value(lower(*text));
}

// Sorted by key, stable, the other way round if asked. A merge sort: the order may raise, or be none at all.
std::vector<Value> sorted(Interpreter& in, std::vector<Value> values, const std::vector<Value>& keys, bool reverse) {
  std::vector<size_t> order(values.size()), next(values.size());
  for (size_t i = 0; i < order.size(); i++) order[i] = i;
  const auto before = [&](size_t a, size_t b) {
    return compare(keys[reverse ? b : a], keys[reverse ? a : b], "<", in.sandbox()) < 0;
  };
  for (size_t width = 1; width < order.size(); width *= 2) {
    for (size_t begin = 0; begin < order.size(); begin += 2 * width) {
      const size_t middle = std::min(begin + width, order.size()), end = std::min(begin + 2 * width, order.size());
      size_t a = begin, b = middle;
      for (size_t out = begin; out < end; out++)
        next[out] = a < middle && (b >= end || !before(order[b], order[a])) ? order[a++] : order[b++];
    }
    std::swap(order, next);
  }
  std::vector<Value> out;
  for (const size_t i : order) out.push_back(std::move(values[i]));
  return out;
}

Value length_filter(Interpreter&, const Value& input, const Arguments& arguments) {
  Parameters("length", arguments, {});
  const auto n = length(input);
  if (!n) raise("object of type '{}' has no len()", input.type());
  return Value(*n);
}

Value first_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  Parameters("first", arguments, {});
  if (const Sequence* sequence = input.sequence(); sequence != nullptr && sequence->type == SequenceType::kGenerator) {
    if (sequence->next < sequence->values.size()) return sequence->values[sequence->next++];
    return Value::undefined("No first item, sequence was empty.");
  }
  const std::vector<Value> values = in.items(input);
  return values.empty() ? Value::undefined("No first item, sequence was empty.") : values.front();
}

Value last_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  Parameters("last", arguments, {});
  const Sequence* sequence = input.sequence();
  if (sequence != nullptr && sequence->type == SequenceType::kGenerator) raise("'generator' object is not reversible");
  const std::vector<Value> values = in.items(input);
  return values.empty() ? Value::undefined("No last item, sequence was empty.") : values.back();
}

Value list_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  Parameters("list", arguments, {});
  return make_list(in.items(input));
}

Value items_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  Parameters("items", arguments, {});
  if (input.is_undefined()) return make_generator({});
  if (!input.is_dict()) raise("Can only get item pairs from a mapping.");
  in.sandbox().bytes(input.dict()->entries().size() * 2 * sizeof(Value));
  std::vector<Value> pairs;
  for (const auto& [key, value] : input.dict()->entries()) pairs.push_back(make_tuple({key, value}));
  return make_generator(std::move(pairs));
}

Value join_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  const Parameters given("join", arguments, {"d", "attribute"});
  const std::string between = given[0] == nullptr ? "" : in.text(*given[0]);
  const AttributePath path(in, given[1]);
  std::string out;
  bool first = true;
  for (const Value& value : in.items(input)) {
    if (!first) {
      in.sandbox().bytes(between.size());
      out += between;
    }
    first = false;
    out += in.text(path(value));
  }
  return Value(std::move(out));
}

Value reverse_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  Parameters("reverse", arguments, {});
  if (input.is_text()) return slice(input, Value(), Value(), Value(-1), in.sandbox());
  if (!is_iterable(input)) raise("argument must be iterable");
  std::vector<Value> values = in.items(input);
  std::ranges::reverse(values);
  return make_generator(std::move(values));
}

Value map_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  std::vector<Value> out;
  const bool by_attribute = arguments.positional.empty() && std::ranges::any_of(arguments.named, [](const auto& one) {
                              return one.first == "attribute";
                            });
  if (by_attribute) {
    const Parameters given("map", arguments, {"attribute", "default"});
    const AttributePath path(in, given[0]);
    for (const Value& value : in.items(input)) out.push_back(path(value, given[1]));
    return make_generator(std::move(out));
  }
  if (arguments.positional.empty()) raise("map requires a filter argument");
  const std::string name = in.text(arguments.positional[0]);
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin());
  for (const Value& value : in.items(input)) out.push_back(in.filter(name, value, rest));
  return make_generator(std::move(out));
}

Value chosen(Interpreter& in, const Value& input, const Arguments& arguments, bool by_attribute, bool keep) {
  if (!input.truth()) return make_generator({});
  Arguments rest = arguments;
  if (by_attribute && rest.positional.empty()) raise("Missing parameter for attribute name");
  const Value attribute = by_attribute ? rest.positional[0] : Value();
  if (by_attribute) rest.positional.erase(rest.positional.begin());
  const AttributePath path(in, &attribute);
  std::optional<std::string> test;
  if (!rest.positional.empty()) {
    test = in.text(rest.positional[0]);
    rest.positional.erase(rest.positional.begin());
  }
  std::vector<Value> out;
  for (const Value& value : in.items(input)) {
    const Value subject = path(value);
    if ((test ? in.test(*test, subject, rest) : subject.truth()) == keep) out.push_back(value);
  }
  return make_generator(std::move(out));
}

Value select_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  return chosen(in, input, arguments, false, true);
}

Value reject_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  return chosen(in, input, arguments, false, false);
}

Value selectattr_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  return chosen(in, input, arguments, true, true);
}

Value rejectattr_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  return chosen(in, input, arguments, true, false);
}

Value sort_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  const Parameters given("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  // "a,b": by the first attribute, then by the second.
  std::vector<AttributePath> paths;
  const std::string* text = given[2] == nullptr ? nullptr : given[2]->text();
  if (text == nullptr) {
    paths.emplace_back(in, given[2]);
  } else {
    for (size_t begin = 0; begin <= text->size();) {
      const size_t end = std::min(text->find(',', begin), text->size());
      const Value part(text->substr(begin, end - begin));
      paths.emplace_back(in, &part);
      begin = end + 1;
    }
  }
  std::vector<Value> values = in.items(input), keys;
  for (const Value& value : values) {
    std::vector<Value> key;
    for (const AttributePath& path : paths) key.push_back(comparable(path(value), given.flag(1, false)));
    keys.push_back(make_list(std::move(key)));
  }
  return make_list(sorted(in, std::move(values), keys, given.flag(0, false)));
}

Value dictsort_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  const Parameters given("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = given.text(1, "key");
  if (by != "key" && by != "value") raise("You can only sort by either \"key\" or \"value\"");
  if (input.is_undefined()) raise("{}", input.undefined_message());
  if (!input.is_dict()) raise("'{}' object has no attribute 'items'", input.type());
  std::vector<Value> pairs, keys;
  in.sandbox().bytes(input.dict()->entries().size() * 4 * sizeof(Value));
  for (const auto& [key, value] : input.dict()->entries()) {
    pairs.push_back(make_tuple({key, value}));
    keys.push_back(comparable(by == "key" ? key : value, given.flag(0, false)));
  }
  return make_list(sorted(in, std::move(pairs), keys, given.flag(2, false)));
}

Value unique_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  const Parameters given("unique", arguments, {"case_sensitive", "attribute"});
  const AttributePath path(in, given[1]);
  std::vector<Value> out;
  Dict seen;
  for (const Value& value : in.items(input)) {
    const Value key = comparable(path(value), given.flag(0, false));
    if (seen.find(key) != nullptr) continue;
    seen.set(key, Value());
    out.push_back(value);
  }
  return make_generator(std::move(out));
}

Value extreme(Interpreter& in, const Value& input, const Parameters& given, bool largest) {
  const AttributePath path(in, given[1]);
  std::optional<std::pair<Value, Value>> best;  // key and value
  for (const Value& value : in.items(input)) {
    Value key = comparable(path(value), given.flag(0, false));
    const bool better = !best || (largest ? compare(key, best->first, ">", in.sandbox()) > 0
                                          : compare(key, best->first, "<", in.sandbox()) < 0);
    if (better) best = {std::move(key), value};
  }
  return best ? best->second : Value::undefined("No aggregated item, sequence was empty.");
}

Value min_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  return extreme(in, input, Parameters("min", arguments, {"case_sensitive", "attribute"}), false);
}

Value max_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  return extreme(in, input, Parameters("max", arguments, {"case_sensitive", "attribute"}), true);
}

Value sum_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  const Parameters given("sum", arguments, {"attribute", "start"});
  const AttributePath path(in, given[0]);
  Value total = given[1] == nullptr ? Value(0) : *given[1];
  if (total.is_text()) raise("sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& value : in.items(input)) total = apply(BinaryOp::kAdd, total, path(value), in.sandbox());
  return total;
}

Value attr_filter(Interpreter& in, const Value& input, const Arguments& arguments) {
  const Parameters given("attr", arguments, {"name"}, 1);
  // Attributes alone, not the keys of a dict.
  const std::string name = in.text(*given[0]);
  if (input.is_dict() && find_method(input, name) == nullptr)
    return Value::undefined("'dict object' has no attribute " + python_quoted(name));
  return in.attribute(input, name);
}

}  // namespace

FilterRun find_sequence_filter(std::string_view name) {
  static constexpr std::pair<std::string_view, FilterRun> kFilters[] = {
      {"attr", attr_filter},
      {"count", length_filter},
      {"dictsort", dictsort_filter},
      {"first", first_filter},
      {"items", items_filter},
      {"join", join_filter},
      {"last", last_filter},
      {"length", length_filter},
      {"list", list_filter},
      {"map", map_filter},
      {"max", max_filter},
      {"min", min_filter},
      {"reject", reject_filter},
      {"rejectattr", rejectattr_filter},
      {"reverse", reverse_filter},
      {"select", select_filter},
      {"selectattr", selectattr_filter},
      {"sort", sort_filter},
      {"sum", sum_filter},
      {"unique", unique_filter},
  };
  for (const auto& [known, run] : kFilters) {
    if (known == name) return run;
  }
  return nullptr;
}

}  // namespace nextn::jinja
