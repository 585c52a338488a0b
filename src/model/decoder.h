// The transformer that every architecture here is: x += mix(norm(x)), x += ffn(norm(x)), layer by layer, then an output
// norm and an LM head, and behind them the MTP head, a block of the same kind. What a step of it needs is here once:
// rows, buffers, attention, FFNs, the head. An architecture reads its keys, binds its blocks, and says what its
// layers do where that is not attention.
#pragma once

#include <string>
#include <vector>

#include "model/decoder_config.h"
#include "model/model.h"
#include "ops/attention.h"
#include "tensor/buffer.h"

namespace nextn {

class Decoder : public Model {
 public:
  void bind(bool with_head) override;
  HeadVerdict inspect_head() override;

  const ModelInfo& info() const noexcept override { return info_; }
  StateShape state_shape() const override;
  void prepare(int64_t row_limit) override;
  size_t buffer_bytes(int64_t row_limit) const noexcept override;
  using Model::forward;
  TensorView forward(Ctx& ctx, std::span<const SequenceRows> sequences, LayerRange layers) noexcept override;
  void logits(Ctx& ctx, const TensorView& out, const TensorView& hidden, const TensorView& max) noexcept override;
  TensorView head_forward(Ctx& ctx, std::span<const HeadRows> sequences, HeadOutput output) noexcept override;
  void head_logits(Ctx& ctx, const TensorView& out, const TensorView& hidden) noexcept override;
  TensorView residual(int64_t n) noexcept override { return b_.x.rows(n); }
  const Weight& head_lm_weight() const noexcept override {
    return head_.shared_head_head.n_out > 0 ? head_.shared_head_head : output_;
  }

 protected:
  // Fields carry the tensors' names. Matrices are (outputs, inputs). D: model width, F: FFN width, H heads of Dh.
  struct Block {
    const float* attn_norm = nullptr;  // (D)
    const float* ffn_norm = nullptr;   // (D); post_attention_norm in files of qwen35 and glm4moe
    // Attention, unless the layer mixes otherwise. Gated: head h of attn_q gives Dh queries, then Dh gates.
    Weight attn_q, attn_k, attn_v, attn_output;
    const float *attn_q_bias = nullptr, *attn_k_bias = nullptr,
                *attn_v_bias = nullptr;                          // (H * Dh), (Hkv * Dh); or none
    const float *attn_q_norm = nullptr, *attn_k_norm = nullptr;  // (Dh); or none
    const float* attn_output_bias = nullptr;                     // (D); or none
    Weight ffn_gate, ffn_up, ffn_down;                           // or
    ops::MoeWeights moe;
    const float *ffn_gate_bias = nullptr, *ffn_up_bias = nullptr, *ffn_down_bias = nullptr;  // (F), (F), (D); or none
  };

  Decoder(const gguf::File& file, DecoderConfig config) : Model(file), cfg_(std::move(config)) {}

  // Binds block `il`, whose tensors' names begin with `b`; n_layers is the MTP head's.
  virtual void bind_block(Block& block, int il, const std::string& b, WeightRole role) = 0;
  // Parts of it. Biases and norms of queries and keys come all together or not at all.
  enum class Presence : uint8_t { kAbsent, kOptional, kRequired };
  void bind_attention(Block& block, const std::string& b, WeightRole role, Presence biases, Presence qk_norms);
  void bind_dense_ffn(Block& block, const std::string& b, WeightRole role);
  // The router, the experts and the shared expert, without what only some architectures have.
  void bind_experts(Block& block, const std::string& b, WeightRole role);

  // x += what layer il of the trunk adds for its FFN to see; h is attn_norm(x).
  virtual void mix(Ctx& ctx, int il, std::span<const SequenceRows> sequences, const TensorView& h,
                   const TensorView& x) noexcept;

  // A buffer of a step, `cols` wide: prepare() sizes it. Called by bind().
  void add_buffer(Buffer& buffer, int64_t cols) { buffers_.push_back({&buffer, cols}); }
  virtual void add_buffers() {}
  // y (R, D): what a block adds, before it is added.
  TensorView added(int64_t n_rows) noexcept { return b_.y.rows(n_rows); }

  const DecoderConfig cfg_;

 private:
  struct NextnHead {
    Block block;
    Weight eh_proj;                                                               // (D, 2D)
    const float *enorm = nullptr, *hnorm = nullptr, *shared_head_norm = nullptr;  // (D)
    EmbeddingTable embed_tokens;
    Weight shared_head_head;  // none: the trunk's
  };
  // What a step writes into; R rows at most.
  struct Buffers {
    Buffer x, h, y;            // (R, D): residual stream, normed, what a block adds
    Buffer q, k, v;            // (R, H * Dh), twice that with gates; (R, Hkv * Dh)
    Buffer attended;           // (R, H * Dh)
    Buffer gate, up;           // (R, F)
    Buffer cos, sin;           // (R, n_rot / 2)
    Buffer hidden;             // (R, D) after the output norm
    Buffer pair, head_hidden;  // (R, 2D), (R, D): the head's input and what it gives
  };
  struct SizedBuffer {
    Buffer* buffer;
    int64_t cols;
  };

  void share_weights() noexcept override;
  void bind_trunk();
  void bind_head(bool share);
  void list_buffers();

  void attention(Ctx& ctx, const Block& l, const TensorView& h, const TensorView& x) noexcept;
  void ffn(Ctx& ctx, const Block& l, const TensorView& h, const TensorView& x) noexcept;
  ops::Heads query_heads(const Block& l, const TensorView& q) const noexcept;
  void norm_rope_store(Ctx& ctx, const ops::Heads& q, const Block& l, const TensorView& k,
                       const TensorView& v) noexcept;
  void attend(Ctx& ctx, const Block& l, const TensorView& q, const TensorView& x) noexcept;
  int64_t keep_last_rows(std::span<const HeadRows> sequences) noexcept;
  void begin_rows(Ctx& ctx, int64_t n) noexcept;

  ModelInfo info_{};
  std::vector<Block> blocks_;  // of the trunk
  NextnHead head_;
  EmbeddingTable token_embd_;
  Weight output_;
  const float* output_norm_ = nullptr;

  Buffers b_;
  std::vector<SizedBuffer> buffers_;
  ops::MoeBuffers moe_;
  // The rows of the running step: where each stands and which caches it reads. Sized once, never beyond row_limit.
  std::vector<int32_t> tokens_;
  std::vector<int64_t> positions_;
  std::vector<ops::AttentionRow> attention_rows_;
};

}  // namespace nextn
