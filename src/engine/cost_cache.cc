#include "engine/cost_cache.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/digest.h"

namespace nextn {

namespace {

namespace fs = std::filesystem;

constexpr int kVersion = 8;  // of the file, and of what is measured

fs::path cache_folder() {
  const char* const xdg = std::getenv("XDG_CACHE_HOME");
  if (xdg != nullptr && xdg[0] == '/') return fs::path(xdg) / "nextn";
  const char* const home = std::getenv("HOME");
  return home != nullptr && home[0] == '/' ? fs::path(home) / ".cache" / "nextn" : fs::path();
}

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) return line.substr(std::min(line.size(), line.find(':') + 2));
  }
  return "unknown";
}

// What tells one model file from another, without reading it.
std::string file_identity(const std::string& name) {
  std::error_code error;
  const fs::path path = fs::canonical(name, error);
  const auto written = fs::last_write_time(name, error).time_since_epoch().count();
  return fmt::format("{}, {} bytes, written {}", path.string(), fs::file_size(name, error), written);
}

std::string models_identity(const EngineOptions& o) {
  return (o.model_bytes.empty() ? file_identity(o.model_path)
                                : fmt::format("{}, {} bytes", o.model_path, o.model_bytes.size())) +
         (o.draft_path.empty() ? "" : "; drafts by " + file_identity(o.draft_path));
}

}  // namespace

CostCache::CostCache(const fs::path& folder, std::string key) : key_(std::move(key)) {
  if (!folder.empty()) path_ = folder / fmt::format("costs-{:016x}.json", digest_of(key_.data(), key_.size()));
}

CostCache CostCache::of(const Engine& engine) {
  const EngineOptions& o = engine.options();
  return {cache_folder(), fmt::format("costs {}; {}, {} CPUs; {}; isa {}, threads {}, rows {}, drafts {} of {}, cache "
                                      "{} {}, head cache {} {}, in file {}",
                                      kVersion, cpu_name(), std::thread::hardware_concurrency(), models_identity(o),
                                      engine.isa(), o.n_threads, engine.logit_rows(), o.max_draft, o.draft_vocab,
                                      kv_type_name(o.k_type), kv_type_name(o.v_type), kv_type_name(o.head_k_type),
                                      kv_type_name(o.head_v_type), engine.plan().in_place ? engine.plan().in_file : 0)};
}

std::optional<StepCosts> CostCache::load() const {
  if (path_.empty()) return std::nullopt;
  std::ifstream in(path_);
  const nlohmann::json file = nlohmann::json::parse(in, nullptr, false);
  try {
    if (file.is_discarded() || file.at("key") != key_) return std::nullopt;
    std::vector<double> verify = file.at("verify_ms");
    const auto drafts = [&](const char* name) -> DraftMs { return {file.at(name).at(0), file.at(name).at(1)}; };
    const DraftMs head = drafts("head_draft_ms"), model = drafts("model_draft_ms");
    const auto sane = [](double ms) { return ms > 0 && ms < 1e7; };
    const auto sane_drafts = [&](DraftMs ms) { return sane(ms.first) && sane(ms.next); };
    if (verify.empty() || !std::ranges::all_of(verify, sane) || !sane_drafts(head) || !sane_drafts(model)) {
      return std::nullopt;
    }
    return StepCosts(std::move(verify), head, model);
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

// Written beside its place and renamed into it, so that whoever reads meanwhile has a whole file.
void CostCache::store(const StepCosts& costs) const {
  if (path_.empty()) return;
  std::error_code error;
  fs::create_directories(path_.parent_path(), error);
  const fs::path beside = path_.string() + fmt::format(".{}", getpid());
  const std::span<const double> verify = costs.measured_verify();
  const DraftMs head = costs.measured_drafts(DraftKind::kHead), model = costs.measured_drafts(DraftKind::kModel);
  const nlohmann::ordered_json file = {{"key", key_},
                                       {"verify_ms", std::vector<double>(verify.begin(), verify.end())},
                                       {"head_draft_ms", {head.first, head.next}},
                                       {"model_draft_ms", {model.first, model.next}}};
  std::ofstream out(beside);
  out << file.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  out.close();
  if (out) fs::rename(beside, path_, error);
  if (!out || error) fs::remove(beside, error);
}

}  // namespace nextn
