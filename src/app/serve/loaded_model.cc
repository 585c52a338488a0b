#include "app/serve/loaded_model.h"

#include <filesystem>

#include "base/clock.h"
#include "engine/calibration.h"
#include "engine/tokenizer_loader.h"

namespace nextn {

std::string model_id(const ServerOptions& options) {
  if (!options.alias.empty()) return options.alias;
  if (!options.engine.model_bytes.empty()) return options.engine.model_path;
  return std::filesystem::path(options.engine.model_path).stem().string();
}

LoadedModel::LoadedModel(const ServerOptions& options, int64_t created, const std::optional<StepCosts>& costs)
    : engine_(options.engine), chat_template_(load_chat_template(engine_.file(), options.chat_template)) {
  served_.id = model_id(options);
  served_.created = created;
  served_.tokenizer = &engine_.tokenizer();
  served_.chat_template = &chat_template_;
  served_.n_ctx = engine_.options().n_ctx;
  served_.defaults = options.defaults;
  served_.defaults.sampling = options.sampling(engine_.file());
  check_sampler_params(served_.defaults.sampling, engine_.tokenizer().n_vocab(), ErrorCode::kUsage);
  served_.template_variables = options.template_variables;
  if (costs) {
    engine_.costs() = *costs;
  } else if (engine_.drafts() && served_.defaults.adaptive) {
    Session session(engine_);
    calibrate(engine_, session);
  }
  scheduler_.emplace(engine_, options.scheduler);
  if (!options.slot_folder.empty()) slot_files_.emplace(*scheduler_, options.slot_folder);
  thread_ = std::thread([this] { scheduler_->run(); });
}

LoadedModel::~LoadedModel() {
  end(std::chrono::seconds(0));
}

void LoadedModel::end(std::chrono::seconds limit) {
  if (!thread_.joinable()) return;
  scheduler_->drain();
  const auto until = Clock::now() + limit;
  while (scheduler_->busy() && Clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  scheduler_->cancel_all();
  thread_.join();
  slot_files_.reset();
}

}  // namespace nextn
