// The global functions: jinja2's range, dict and namespace, and what Hugging Face adds for chat templates.
#include <array>

#include "text/jinja/builtins.h"

namespace nextn::jinja {

namespace {

Value range(Interpreter& interpreter, const Arguments& arguments) {
  const Parameters given("range", arguments, {"start", "stop", "step"}, 1);
  const int64_t first = given.integer(0, 0), second = given.integer(1, 0), step = given.integer(2, 1);
  const int64_t start = given[1] == nullptr ? 0 : first, stop = given[1] == nullptr ? first : second;
  if (step == 0) raise("range() arg 3 must not be zero");
  const Integer distance = step > 0 ? Integer{stop} - start : Integer{start} - stop;
  const Integer width = step > 0 ? Integer{step} : -Integer{step};
  const Integer count = distance <= 0 ? 0 : (distance + width - 1) / width;
  const int64_t most = interpreter.sandbox().range();
  if (count > most) raise("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).", most);
  interpreter.sandbox().bytes(static_cast<uint64_t>(count) * sizeof(Value));
  std::vector<Value> values;
  for (Integer i = 0; i < count; i++) values.emplace_back(Integer{start} + i * step);
  auto out = std::make_shared<Sequence>(SequenceType::kRange, std::move(values));
  out->start = start;
  out->stop = stop;
  out->step = step;
  return Value(SequencePtr(std::move(out)));
}

Value dict(Interpreter& interpreter, const Arguments& arguments) {
  if (arguments.positional.size() > 1) raise("dict expected at most 1 argument, got {}", arguments.positional.size());
  auto out = std::make_shared<Dict>();
  for (const Value& source : arguments.positional) {
    if (const Dict* entries = source.dict()) {
      *out = *entries;
      continue;
    }
    for (const Value& pair : interpreter.items(source)) {
      const std::vector<Value> parts = interpreter.items(pair);
      if (parts.size() != 2) raise("dictionary update sequence element has length {}; 2 is required", parts.size());
      out->set(parts[0], parts[1]);
    }
  }
  for (const auto& [name, value] : arguments.named) out->set(name, value);
  interpreter.sandbox().bytes(out->entries().size() * sizeof(Dict::Entry));
  return Value(DictPtr(std::move(out)));
}

Value make_namespace(Interpreter& interpreter, const Arguments& arguments) {
  return interpreter.make_namespace(arguments);
}

Value raise_exception(Interpreter& interpreter, const Arguments& arguments) {
  const Parameters given("raise_exception", arguments, {"message"}, 1);
  raise("{}", interpreter.text(*given[0]));
}

Value strftime_now(Interpreter& interpreter, const Arguments& arguments) {
  const Parameters given("strftime_now", arguments, {"format"}, 1);
  const std::string& format = given.text(0, {});
  if (format.size() > 256) raise("strftime_now: expected a format of at most 256 bytes, found {}", format.size());
  std::array<char, 4096> out;
  const size_t n = std::strftime(out.data(), out.size(), format.c_str(), &interpreter.now());
  return Value(std::string(out.data(), n));
}

}  // namespace

const Value* find_global(std::string_view name) {
  static const std::array<std::pair<std::string_view, Value>, 5> kGlobals = [] {
    const auto function = [](std::string_view its_name, Function::Run run) {
      return std::pair(its_name, Value(ObjectPtr(std::make_shared<Function>(its_name, run))));
    };
    return std::array{function("range", range), function("dict", dict), function("namespace", make_namespace),
                      function("raise_exception", raise_exception), function("strftime_now", strftime_now)};
  }();
  for (const auto& [known, value] : kGlobals) {
    if (known == name) return &value;
  }
  return nullptr;
}

}  // namespace nextn::jinja
