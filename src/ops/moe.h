// A mixture of experts: for each row a router chooses some of E small FFNs, and what they give is summed by its shares.
//
// The rows of a step are grouped by expert, so that each expert's weights are read once for all of its rows, however
// many there are, and not at all where there are none. A row's outputs are added in ascending order of the experts, the
// shared expert last, whatever other rows there are: its bits do not depend on them (D11).
#pragma once

#include <span>

#include "ops/ctx.h"
#include "ops/weight.h"
#include "tensor/buffer.h"
#include "tensor/tensor_view.h"

namespace nextn::ops {

constexpr int kMaxExperts = 1024;

// What the router's scores become; the numbers are those of expert_gating_func.
enum class Gating : uint8_t {
  kSoftmax = 1,          // over all experts
  kSigmoid = 2,          // each by itself
  kSoftmaxOfChosen = 3,  // over those that are chosen, by their scores
};

struct MoeShape {
  int n_experts = 0;  // 0: no mixture
  int n_used = 0;     // of them for each row
  int64_t n_embd = 0;
  int64_t n_ff = 0;         // of an expert
  int64_t n_ff_shared = 0;  // of the shared expert; 0: none
  Gating gating = Gating::kSoftmax;
  bool normalise = false;  // shares of a row add up to one
  float scale = 1;         // times this

  // What a thread needs to bring rows together that do not stand together.
  size_t gathered_bytes() const noexcept;
};

// Fields carry the tensors' names. D: model width, F and Fs: widths of an expert and of the shared one.
struct MoeWeights {
  Weight ffn_gate_inp;                  // (E, D): the router
  const float* exp_probs_b = nullptr;   // (E), or none: counts for the choice alone
  Weight ffn_gate_exps, ffn_up_exps;    // E times (F, D); or
  Weight ffn_gate_up_exps;              // 2 E times (F, D): each expert's gate, then its up
  Weight ffn_down_exps;                 // E times (D, F)
  Weight ffn_gate_shexp, ffn_up_shexp;  // (Fs, D), or no shared expert
  Weight ffn_down_shexp;                // (D, Fs)
  Weight ffn_gate_inp_shexp;            // (1, D), or none: the shared expert counts in full
};

// Which experts compute which rows of a step: pairs of a row and an expert, in ascending order of experts, then rows.
class Routing {
 public:
  Routing() = default;
  Routing(int64_t row_limit, const MoeShape& shape);  // throws Error{kSystem}
  static size_t size_bytes(int64_t row_limit, const MoeShape& shape) noexcept;

  struct Group {
    int expert;
    int first, n;  // its pairs
  };
  std::span<const Group> groups() const noexcept { return {groups_.as<Group>(), static_cast<size_t>(n_groups_)}; }
  const int32_t* rows() const noexcept { return rows_.as<int32_t>(); }  // by pair
  const float* shares() const noexcept { return shares_.as<float>(); }  // by pair

  // scores (R, E), which it uses up: the router's. bias (E) or nothing.
  void route(Ctx& ctx, const TensorView& scores, const float* bias, const MoeShape& shape) noexcept;

 private:
  AlignedBuffer chosen_, weights_;  // (R, n_used): of each row, the likeliest first
  AlignedBuffer groups_, rows_, shares_;
  int n_groups_ = 0;
};

// What a step writes into.
class MoeBuffers {
 public:
  MoeBuffers() = default;
  MoeBuffers(int64_t row_limit, const MoeShape& shape, int widest_block = kSuperBlock);  // throws Error{kSystem}
  static size_t size_bytes(int64_t row_limit, const MoeShape& shape) noexcept;

 private:
  friend void moe_ffn(Ctx&, const TensorView&, const TensorView&, const TensorView&, const MoeWeights&, const MoeShape&,
                      MoeBuffers&) noexcept;

  // Rows of an FFN: silu(gate) up, and that in 8 bits.
  struct Inner {
    Buffer gate, up;  // (rows, F)
    ActBuffer act;
  };
  Buffer scores_, shared_gate_;  // (R, E), (R, 1)
  Routing routing_;
  Inner routed_, shared_;  // by pair; by row
};

// x += sum over the chosen experts e of share_e * down_e (silu(gate_e h) * up_e h), and the shared expert, by
// sigmoid(ffn_gate_inp_shexp h) where it has a gate. h (R, D) as an op whose name ends in _q8 has left it; y (R, D) is
// room.
void moe_ffn(Ctx& ctx, const TensorView& x, const TensorView& y, const TensorView& h, const MoeWeights& w,
             const MoeShape& shape, MoeBuffers& buffers) noexcept;

}  // namespace nextn::ops
