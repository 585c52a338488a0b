// Qwen3.5 / 3.6, dense: gated delta nets with a gated attention layer every fourth, and the MTP head behind them.
#pragma once

#include <vector>

#include "model/model.h"
#include "model/qwen35_config.h"
#include "ops/attention.h"
#include "ops/delta_net.h"
#include "tensor/buffer.h"

namespace nextn {

class Qwen35 final : public Model {
 public:
  // Checks and binds; see bind_model.
  Qwen35(const gguf::File& file, bool with_head);

  static HeadVerdict inspect_head(const gguf::File& file);

  const ModelInfo& info() const noexcept override { return info_; }
  StateShape state_shape() const override;
  void prepare(int64_t row_limit) override;
  size_t buffer_bytes(int64_t row_limit) const noexcept override;
  using Model::forward;
  TensorView forward(Ctx& ctx, std::span<const SequenceRows> sequences, int n_layers) noexcept override;
  void logits(Ctx& ctx, const TensorView& out, const TensorView& hidden, const TensorView& max) noexcept override;
  TensorView head_forward(Ctx& ctx, std::span<const HeadRows> sequences, HeadOutput output) noexcept override;
  void head_logits(Ctx& ctx, const TensorView& out, const TensorView& hidden) noexcept override;
  const Weight& head_lm_weight() const noexcept override {
    return head_.shared_head_head.n_out > 0 ? head_.shared_head_head : output_;
  }

 private:
  // Fields carry the tensors' names. Matrices are (outputs, inputs).
  struct Layer {
    LayerKind kind = LayerKind::kAttention;
    const float *attn_norm = nullptr, *post_attention_norm = nullptr;  // (D)
    // gated attention: head h of attn_q gives Dh queries, then Dh gates
    Weight attn_q, attn_k, attn_v, attn_output;
    const float *attn_q_norm = nullptr, *attn_k_norm = nullptr;  // (Dh)
    // gated delta net
    Weight attn_qkv, attn_gate, ssm_beta, ssm_alpha, ssm_out;
    TensorView ssm_conv1d;                                                 // (K, C), oldest tap first
    const float *ssm_a = nullptr, *ssm_dt = nullptr, *ssm_norm = nullptr;  // (Hv), (Hv), (Dv); ssm_a is -exp(A_log)
    Weight ffn_gate, ffn_up, ffn_down;
  };
  struct NextnHead {
    Layer block;
    Weight eh_proj;                                                               // (D, 2D)
    const float *enorm = nullptr, *hnorm = nullptr, *shared_head_norm = nullptr;  // (D)
    EmbeddingTable embed_tokens;
    Weight shared_head_head;
  };
  // What a step writes into; R rows at most.
  struct Buffers {
    Buffer x, h, y;             // (R, D): residual stream, normed, what a block adds
    Buffer qg, k, v;            // (R, H * 2 Dh), (R, Hkv * Dh)
    Buffer mixed, conv;         // (R, C): raw projections, convolved q k v
    Buffer z, beta, decay;      // (R, Hv * Dv), (R, Hv)
    Buffer attended, recalled;  // (R, H * Dh), (R, Hv * Dv): what attention and the delta net read out
    Buffer gate, up;            // (R, F)
    Buffer cos, sin;            // (R, n_rot / 2)
    Buffer hidden;              // (R, D) after the output norm
    Buffer pair, head_hidden;   // (R, 2D), (R, D): the head's input and what it gives
  };

  // A buffer and the width of its rows.
  struct SizedBuffer {
    Buffer Buffers::* buffer;
    int64_t cols;
  };

  explicit Qwen35(const gguf::File& file) : Model(file), cfg_(Qwen35Config::read(file)) {}

  void share_weights() noexcept override;
  std::vector<SizedBuffer> buffers() const;
  void bind_trunk(WeightLoader& loader);
  void bind_head(WeightLoader& loader);
  void bind_block(WeightLoader& loader, Layer& layer, int block, WeightRole role);

  void layer(Ctx& ctx, const Layer& l, const TensorView& x) noexcept;
  void attention(Ctx& ctx, const Layer& l, const TensorView& h, const TensorView& x) noexcept;
  void delta_net(Ctx& ctx, const Layer& l, const TensorView& h, const TensorView& x) noexcept;
  void dense_ffn(Ctx& ctx, const Layer& l, const TensorView& h, const TensorView& x) noexcept;
  ops::Heads query_heads(const Layer& l, const TensorView& qg) const noexcept;
  void norm_rope_store(Ctx& ctx, const ops::Heads& q, const Layer& l, const TensorView& k,
                       const TensorView& v) noexcept;
  void attend(Ctx& ctx, const Layer& l, const TensorView& qg, const TensorView& x) noexcept;
  int64_t keep_last_rows(std::span<const HeadRows> sequences) noexcept;
  void begin_rows(Ctx& ctx, int64_t n) noexcept;
  void enter_layer(std::span<const SequenceRows> sequences, int il) noexcept;

  Qwen35Config cfg_;
  ModelInfo info_{};
  std::vector<Layer> layers_;
  NextnHead head_;
  EmbeddingTable token_embd_;
  Weight output_;
  const float* output_norm_ = nullptr;

  Buffers b_;
  // The rows of the running step: where each stands and which caches it reads. Sized once, never beyond row_limit.
  std::vector<int32_t> tokens_;
  std::vector<int64_t> positions_;
  std::vector<ops::AttentionRow> attention_rows_;
  std::vector<ops::DeltaRun> delta_runs_;
  size_t n_runs_ = 0;
};

}  // namespace nextn
