// Qwen3.5 / 3.6, dense (qwen35) or with experts (qwen35moe), and Qwen3-Next (qwen3next, with experts): gated delta nets
// with a gated attention layer every fourth, and the MTP head behind them.
#pragma once

#include <vector>

#include "model/decoder.h"
#include "model/qwen35_config.h"
#include "ops/delta_net.h"

namespace nextn {

class Qwen35 final : public Decoder {
 public:
  explicit Qwen35(const gguf::File& file) : Qwen35(file, Qwen35Config::read(file)) {}

  StateShape state_shape() const override;
  void prepare(int64_t row_limit) override;

 private:
  struct DeltaNet {
    Weight attn_qkv, attn_gate, ssm_out;
    Weight ssm_beta, ssm_alpha, ssm_ba;  // (Hv, D) each, or, qwen3next, both as (2 * Hv, D)
    TensorView ssm_conv1d;               // (K, C), oldest tap first
    const float *ssm_a = nullptr, *ssm_dt = nullptr, *ssm_norm = nullptr;  // (Hv), (Hv), (Dv); ssm_a is -exp(A_log)
  };

  Qwen35(const gguf::File& file, Qwen35Config config)
      : Decoder(file, std::move(config.decoder)),
        delta_(config.delta),
        conv_taps_(config.conv_taps),
        delta_nets_(cfg_.kinds.size()) {}

  void bind_block(Block& block, int il, const std::string& b, WeightRole role) override;
  void add_buffers() override;
  void mix(Ctx& ctx, int il, std::span<const SequenceRows> sequences, const TensorView& h,
           const TensorView& x) noexcept override;
  void delta_net(Ctx& ctx, const DeltaNet& l, std::span<const ops::DeltaRun> runs, const TensorView& h,
                 const TensorView& x) noexcept;

  const ops::DeltaShape delta_;
  const int conv_taps_;
  std::vector<DeltaNet> delta_nets_;  // by layer; empty where a layer is attention

  // Buffers of a step.
  Buffer mixed_, conv_;      // (R, C): raw projections, convolved q k v
  Buffer z_, beta_, decay_;  // (R, Hv * Dv), (R, Hv)
  Buffer ba_;                // (R, 2 * Hv), qwen3next
  Buffer recalled_;          // (R, Hv * Dv): what the delta net reads out
  std::vector<ops::DeltaRun> delta_runs_;
};

}  // namespace nextn
