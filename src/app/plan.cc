// nextn plan: what a model would take of memory, part by part, and whether it fits, before anything is taken.
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/output.h"
#include "base/error.h"
#include "engine/draft_model.h"
#include "engine/plan.h"

namespace nextn {

namespace {

std::string mib(uint64_t bytes) {
  return fmt::format("{:>10.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

nlohmann::ordered_json to_json(const MemoryPlan& plan) {
  nlohmann::ordered_json parts;
  for (const MemoryPart& part : plan.parts) parts[part.name] = part.bytes;
  return {{"parts", parts},
          {"total", plan.total},
          {"in_file", plan.in_file},
          {"available", plan.budget},
          {"limited_by", plan.limited_by},
          {"n_ctx", plan.n_ctx},
          {"mode", plan.in_place ? "in_place" : "repacked"},
          {"fits", plan.problem.empty()},
          {"note", plan.note},
          {"problem", plan.problem}};
}

void print(const MemoryPlan& plan) {
  std::string text;
  for (const MemoryPart& part : plan.parts) {
    if (part.bytes > 0) text += fmt::format("{:<20}{}\n", part.name, mib(part.bytes));
  }
  text += fmt::format("{:<20}{}   for a context of {}\n", "total", mib(plan.total), plan.n_ctx);
  text += fmt::format("{:<20}{}   {}\n", "available", mib(plan.budget),
                      plan.limited_by == "--memory-limit" ? plan.limited_by : plan.limited_by + ", 10 % stays free");
  if (plan.in_file > 0) {
    text += fmt::format("{:<20}{}   not in the total: read from the file, {}\n", "left in the file", mib(plan.in_file),
                        plan.in_place ? "packed at every use (slow)" : "the rows that occur");
  }
  text += plan.problem.empty() ? "fits" : "does not fit: " + printable(plan.problem);
  if (!plan.note.empty()) text += ": " + printable(plan.note);
  write_stdout(text + "\n");
}

}  // namespace

int plan_main(int argc, char** argv) {
  CLI::App app("What a model takes of memory, part by part, and whether it fits.", "nextn plan");
  ModelFlags flags;
  bool json = false;
  flags.add_to(app);
  flags.add_server_flags_to(app, 1, 0);
  app.add_option("file", flags.model, "the GGUF file, the same as -m");
  app.add_flag("--json", json, "print one JSON object");
  int status = 0;
  if (!parse_flags(app, argc, argv, &status)) return status;

  const EngineOptions options = flags.engine_options();
  const gguf::File file = open_model_file(options);
  const std::unique_ptr<Model> model = bind_model(options, file, inspect_head(file));
  const std::unique_ptr<DraftModel> draft = open_draft_model(options, file);
  const MemoryPlan plan = make_plan(options, file, *model, draft.get(), available_memory());
  if (json) {
    write_stdout(to_json(plan).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } else {
    print(plan);
  }
  return plan.problem.empty() ? 0 : 1;
}

}  // namespace nextn
