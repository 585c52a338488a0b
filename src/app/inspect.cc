// nextn inspect: what is in a GGUF file and whether its MTP head is usable, for a reader or (--json) as one object.
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/demo_model.h"
#include "app/inspect_report.h"
#include "app/output.h"
#include "base/error.h"
#include "quant/decode.h"

namespace nextn {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxShown = 200;  // characters of a name

// ------------------------------------------------------------------------------------------------ JSON

Json to_json(const std::optional<int64_t>& n) {
  return n ? Json(*n) : Json(nullptr);
}

Json to_json(const std::vector<TensorGroup>& groups, bool with_roles) {
  Json out = Json::array();
  for (const TensorGroup& g : groups) {
    Json one;
    if (with_roles) one["role"] = tensor_role_name(g.role);
    one["type"] = dtype_info(g.type).name;
    one["tensors"] = g.n_tensors;
    one["parameters"] = g.n_parameters;
    one["bytes"] = g.n_bytes;
    one["bits_per_weight"] = g.bits_per_weight();
    if (!with_roles) one["computed_as"] = can_decode(g.type) ? Json(dtype_info(g.type).name) : Json(nullptr);
    out.push_back(std::move(one));
  }
  return out;
}

Json to_json(const TokenizerReport& t) {
  Json special = Json::object(), ends = Json::array();
  for (const SpecialToken& s : t.special) special[s.name] = {{"id", s.id}, {"text", s.text}};
  for (const SpecialToken& s : t.ends) ends.push_back({{"id", s.id}, {"text", s.text}});
  return {{"model", t.model},   {"pre", t.pre},       {"tokens", t.n_tokens},        {"merges", t.n_merges},
          {"special", special}, {"end_tokens", ends}, {"usable", t.refused.empty()}, {"reason", t.refused}};
}

Json to_json(const HeadReport& h) {
  return {{"verdict", head_kind_name(h.kind)}, {"reason", h.reason},
          {"block", to_json(h.block)},         {"bytes", h.n_bytes},
          {"parameters", h.n_parameters},      {"own_embedding", h.own_embedding},
          {"own_lm_head", h.own_lm_head}};
}

Json to_json(const InspectReport& r) {
  const ArchitectureNumbers& n = r.numbers;
  Json sampling = Json::object();
  for (const auto& [key, value] : r.sampling) sampling[key] = value;
  return {
      {"file", {{"path", r.path}, {"version", r.version}, {"parts", r.n_parts}, {"bytes", r.n_bytes}}},
      {"model",
       {{"architecture", r.architecture},
        {"name", r.name},
        {"file_type", r.file_type},
        {"n_layers", r.n_trunk_layers()},
        {"n_mtp_layers", n.n_mtp.value_or(0)},
        {"n_delta_net_layers", r.n_delta_layers},
        {"n_attention_layers", r.n_attention_layers},
        {"n_embd", to_json(n.n_embd)},
        {"n_ff", to_json(n.n_ff)},
        {"n_heads", to_json(n.n_heads)},
        {"n_kv_heads", to_json(n.n_kv_heads)},
        {"head_dim", to_json(n.head_dim)},
        {"n_experts", to_json(n.n_experts)},
        {"n_experts_used", to_json(n.n_experts_used)},
        {"n_ff_expert", to_json(n.n_ff_expert)},
        {"n_ctx_train", to_json(n.n_ctx_train)},
        {"n_tensors", r.n_tensors},
        {"parameters", r.n_parameters},
        {"tied", r.tied}}},
      {"tensors", to_json(r.groups, true)},
      {"types", to_json(r.by_type, false)},
      {"tokenizer", to_json(r.tokenizer)},
      {"chat_template", {{"present", r.chat_template_bytes.has_value()}, {"bytes", r.chat_template_bytes.value_or(0)}}},
      {"sampling", sampling},
      {"mtp_head", to_json(r.head)},
      {"problems", r.problems}};
}

// ------------------------------------------------------------------------------------------------ text

// "12.3 MiB", "27.4 B".
std::string scaled(uint64_t n, double step, std::initializer_list<const char*> units) {
  double v = static_cast<double>(n);
  auto unit = units.begin();
  while (v >= 0.9995 * step && unit + 1 != units.end()) {
    v /= step;
    unit++;
  }
  return fmt::format("{:.{}f} {}", v, unit == units.begin() ? 0 : 1, *unit);
}

std::string bytes_text(uint64_t n) {
  return scaled(n, 1024, {"B", "KiB", "MiB", "GiB"});
}

std::string parameters_text(uint64_t n) {
  return n < 1000 ? fmt::format("{}", n) : scaled(n, 1000, {"", "K", "M", "B"});
}

// A text of lines "label   what is to be said".
class Page {
 public:
  template <class... Args>
  void line(std::string_view label, fmt::format_string<Args...> format, Args&&... args) {
    text_ += fmt::format("{:<15}{}\n", label, fmt::format(format, std::forward<Args>(args)...));
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string quoted(const std::string& name) {
  return fmt::format("\"{}\"", printable(name, kMaxShown));
}

// "eos 2045 "<|im_end|>", padding 3", or "none".
std::string tokens_text(const std::vector<SpecialToken>& tokens) {
  std::string out;
  for (const SpecialToken& t : tokens) {
    out += fmt::format("{}{}{}{}", out.empty() ? "" : ", ", t.name, t.name.empty() ? "" : " ", t.id);
    if (!t.text.empty()) out += " " + quoted(t.text);
  }
  return out.empty() ? "none" : out;
}

void print_model(Page& page, const InspectReport& r) {
  const ArchitectureNumbers& n = r.numbers;
  page.line("file", "{}", printable(r.path, 10 * kMaxShown));
  page.line("", "GGUF version {}, {}{}", r.version, bytes_text(r.n_bytes),
            r.n_parts > 1 ? fmt::format(" in {} parts", r.n_parts) : "");
  page.line("architecture", "{}", r.architecture.empty() ? "not given" : printable(r.architecture, kMaxShown));
  if (!r.name.empty()) page.line("name", "{}", printable(r.name, kMaxShown));
  if (!r.file_type.empty()) page.line("made as", "{}", r.file_type);

  std::string kinds;
  if (r.n_delta_layers > 0)
    kinds = fmt::format(" ({} delta net, {} attention)", r.n_delta_layers, r.n_attention_layers);
  if (n.n_blocks) {
    page.line("layers", "{}{}{}", r.n_trunk_layers(), kinds,
              n.n_mtp.value_or(0) > 0 ? fmt::format(" + {} MTP", *n.n_mtp) : "");
  }
  if (n.n_embd) page.line("width", "{}{}", *n.n_embd, n.n_ff ? fmt::format(", FFN {}", *n.n_ff) : "");
  if (n.n_heads && n.head_dim)
    page.line("heads", "{} of {}, {} with keys and values", *n.n_heads, *n.head_dim, *n.n_kv_heads);
  if (n.n_experts) {
    page.line("experts", "{}, {} used{}", *n.n_experts, n.n_experts_used.value_or(0),
              n.n_ff_expert ? fmt::format(", FFN {}", *n.n_ff_expert) : "");
  }
  if (n.n_ctx_train) page.line("context", "{} tokens", *n.n_ctx_train);
  page.line("parameters", "{} in {} tensors", parameters_text(r.n_parameters), r.n_tensors);
}

const char* role_title(TensorRole role, bool tied) {
  constexpr const char* kTitles[kNumTensorRoles] = {"embedding", "LM head",           "attention", "delta net", "FFN",
                                                    "experts",   "norms and vectors", "MTP head",  "other"};
  return role == TensorRole::kEmbedding && tied ? "embedding, tied LM head" : kTitles[static_cast<size_t>(role)];
}

std::string tensor_table(const InspectReport& r) {
  std::string out = fmt::format("\n{:<25}{:<8}{:>8}{:>12}{:>13}{:>13}\n", "role", "type", "tensors", "parameters",
                                "size", "bits/weight");
  const auto row = [&](const char* title, std::string_view type, const TensorGroup& g) {
    out += fmt::format("{:<25}{:<8}{:>8}{:>12}{:>13}{:>13.2f}\n", title, type, g.n_tensors,
                       parameters_text(g.n_parameters), bytes_text(g.n_bytes), g.bits_per_weight());
  };
  TensorGroup sum{};
  for (const TensorGroup& g : r.groups) {
    row(role_title(g.role, r.tied), dtype_info(g.type).name, g);
    sum.n_tensors += g.n_tensors;
    sum.n_parameters += g.n_parameters;
    sum.n_bytes += g.n_bytes;
  }
  row("all", "", sum);
  return out + "\n";
}

void print_types(Page& page, const InspectReport& r) {
  const char* label = "types";
  for (const TensorGroup& g : r.by_type) {
    page.line(label, "{:<8}{:>10}{}", dtype_info(g.type).name, bytes_text(g.n_bytes),
              can_decode(g.type) ? "" : "   not supported");
    label = "";
  }
}

void print_tokenizer(Page& page, const InspectReport& r) {
  const TokenizerReport& t = r.tokenizer;
  page.line("tokenizer", "{}{}, {} tokens, {} merge{}", t.model.empty() ? "none" : printable(t.model, kMaxShown),
            t.pre.empty() ? "" : " (" + printable(t.pre, kMaxShown) + ")", t.n_tokens, t.n_merges,
            t.n_merges == 1 ? "" : "s");
  page.line("special tokens", "{}", tokens_text(t.special));
  if (t.refused.empty()) page.line("end tokens", "{}", tokens_text(t.ends));
  page.line("chat template", "{}", r.chat_template_bytes ? fmt::format("yes, {} bytes", *r.chat_template_bytes) : "no");
  std::string sampling;
  for (const auto& [key, value] : r.sampling)
    sampling += fmt::format("{}{} {}", sampling.empty() ? "" : ", ", printable(key, kMaxShown), value);
  if (!sampling.empty()) page.line("sampling", "{}", sampling);
}

// "blk.24, 12.3 MiB; embedding and LM head shared with the trunk".
std::string head_text(const HeadReport& h) {
  const char* tables = h.own_embedding && h.own_lm_head ? "its own embedding and LM head"
                       : h.own_embedding                ? "its own embedding, LM head shared with the trunk"
                       : h.own_lm_head                  ? "embedding shared with the trunk, its own LM head"
                                                        : "embedding and LM head shared with the trunk";
  return fmt::format("blk.{}, {}; {}", h.block.value_or(0), bytes_text(h.n_bytes), tables);
}

std::string verdict_text(const HeadReport& h) {
  const std::string reason = printable(h.reason);
  switch (h.kind) {
    case HeadKind::kUsable:
      return fmt::format("usable ({})", head_text(h));
    case HeadKind::kAbsent:
      return "absent";
    case HeadKind::kIncomplete:
      return "incomplete: " + reason;
    case HeadKind::kWithoutTrunk:
      return fmt::format("without a trunk: the file holds the head (blk.{}, {}) and no model{}", h.block.value_or(0),
                         bytes_text(h.n_bytes), reason.empty() ? "" : "; incomplete: " + reason);
    case HeadKind::kNotRun:
      return fmt::format("{}: {}",
                         h.block ? fmt::format("present (blk.{}, {}), not usable", *h.block, bytes_text(h.n_bytes))
                                 : std::string("none found"),
                         reason);
  }
  return "";
}

std::string to_text(const InspectReport& r) {
  Page model, rest;
  print_model(model, r);
  print_types(rest, r);
  print_tokenizer(rest, r);
  std::string out = model.text() + tensor_table(r) + rest.text() + "\n";
  for (const std::string& problem : r.problems) out += "nextn cannot run this file: " + printable(problem) + "\n";
  return out + "MTP head: " + verdict_text(r.head) + "\n";
}

}  // namespace

int inspect_main(int argc, char** argv) {
  CLI::App app("Says what is in a GGUF file, and whether its MTP head is usable.", "nextn inspect");
  std::string path;
  bool json = false;
  app.add_option("FILE,-m,--model", path, "GGUF file (default: the built-in demo model)");
  app.add_flag("--json", json, "print one JSON object");
  int status = 0;
  if (!parse_flags(app, argc, argv, &status)) return status;

  const gguf::File file =
      app.count("FILE") > 0 ? gguf::File::open(path) : gguf::File::from_memory("demo model", demo_model());
  const InspectReport report = inspect(file);
  write_stdout(json ? to_json(report).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n" : to_text(report));
  return 0;
}

}  // namespace nextn
