// What is handed down to every op of a step: the kernel table, the threads, room for quantised activations.
#pragma once

#include <atomic>
#include <memory>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "quant/blocks.h"
#include "tensor/tensor_view.h"

namespace nextn {

// Something broken on purpose, so that `nextn selftest --inject` can prove that it would notice; kPair for --wiring.
enum class Fault : uint8_t {
  kNone,
  kReplay,  // accepted drafts are not replayed into the delta-net state
  kKv,      // a step with drafts does not overwrite the KV entry of its first row
  kOrder,   // a norm over several rows at once adds its squares in another order
  kPair,    // the head's input is [hidden, embedding]
};

// Activation rows in 8 bits: those of one matrix at a time. Rows whose width is a multiple of widest_block, 32 or 256,
// have blocks of that size, all others of 32: what the formats of superblocks read is a multiple of 256 wide.
class ActBuffer {
 public:
  ActBuffer() = default;
  ActBuffer(int64_t row_limit, int64_t k_limit, int widest_block = kSuperBlock)
      : widest_block_(widest_block),
        q_(static_cast<size_t>(row_limit * k_limit)),
        scale_(static_cast<size_t>(row_limit * k_limit / kActBlock) * sizeof(float)),
        sum_(static_cast<size_t>(row_limit * k_limit / 16) * sizeof(int16_t)) {}

  // What a buffer for these takes.
  static size_t size_bytes(int64_t row_limit, int64_t k_limit) noexcept {
    return static_cast<size_t>(row_limit * k_limit + row_limit * k_limit / kActBlock * 4 +
                               row_limit * k_limit / 16 * 2);
  }
  size_t size_bytes() const noexcept { return q_.size() + scale_.size() + sum_.size(); }
  const float* source = nullptr;  // the rows that are held
  int block(int64_t k) const noexcept { return k % widest_block_ == 0 ? widest_block_ : kActBlock; }
  // Row r of rows that are k wide.
  int8_t* q(int64_t r, int64_t k) noexcept { return q_.as<int8_t>() + r * k; }
  float* scale(int64_t r, int64_t k) noexcept { return scale_.as<float>() + r * (k / kActBlock); }
  int16_t* sum(int64_t r, int64_t k) noexcept { return sum_.as<int16_t>() + r * (k / 16); }

 private:
  int widest_block_ = kSuperBlock;
  AlignedBuffer q_, scale_, sum_;
};

class StepProfile;

// Experts that steps of at most `most_rows` rows have used, layer by layer.
struct ExpertCount {
  int64_t most_rows = 0;
  int64_t layers = 0, rows = 0;   // a step counts once for each of its layers with experts
  int64_t touched = 0;            // experts that some row of the step had
  int64_t chosen = 0, again = 0;  // by rows that have one before them in the step; and of these, those that it had too
};

// Room for the work of one thread at a time: a slot for each thread that may be at it.
class Slots {
 public:
  Slots() = default;
  Slots(int n_slots, size_t slot_bytes)  // throws Error{kSystem}
      : n_(n_slots),
        slot_bytes_((slot_bytes + 63) / 64 * 64),
        bytes_(size_bytes(n_slots, slot_bytes)),
        taken_(std::make_unique<std::atomic_flag[]>(static_cast<size_t>(n_slots))) {}

  size_t size_bytes() const noexcept { return bytes_.size(); }
  static size_t size_bytes(int n_slots, size_t slot_bytes) noexcept {
    return static_cast<size_t>(n_slots) * ((slot_bytes + 63) / 64 * 64);
  }

  // A slot of slot_bytes until `give`; at most n_slots at a time.
  uint8_t* take() noexcept {
    for (int i = 0;; i = (i + 1) % n_) {
      if (!taken_[static_cast<size_t>(i)].test_and_set(std::memory_order_acquire)) {
        return bytes_.data() + static_cast<size_t>(i) * slot_bytes_;
      }
    }
  }
  void give(const uint8_t* slot) noexcept {
    taken_[static_cast<size_t>(slot - bytes_.data()) / slot_bytes_].clear(std::memory_order_release);
  }

 private:
  int n_ = 0;
  size_t slot_bytes_ = 0;
  AlignedBuffer bytes_;
  std::unique_ptr<std::atomic_flag[]> taken_;
};

struct Ctx {
  const KernelTable& kernels;
  ThreadPool& pool;
  ActBuffer act;
  Fault fault = Fault::kNone;
  StepProfile* profile = nullptr;  // takes the time of every op, when set
  ExpertCount* experts = nullptr;  // counts what routers choose, when set
  Slots tiles = {};                // for weights that are in the file, for good or not packed yet: their largest tile
  Slots rows = {};                 // for a mixture of experts: MoeShape::gathered_bytes()
};

namespace ops {

// Columns [first, first + n) of row r of x, whole blocks of act.block(x.cols), into an activation buffer.
inline void quantize_part(const Ctx& ctx, ActBuffer& act, const TensorView& x, int64_t r, int64_t first,
                          int64_t n) noexcept {
  ctx.kernels.quantize(x.row(r) + first, n, act.block(x.cols), act.q(r, x.cols) + first,
                       act.scale(r, x.cols) + first / kActBlock, act.sum(r, x.cols) + first / 16);
}
inline void quantize_part(Ctx& ctx, const TensorView& x, int64_t r, int64_t first, int64_t n) noexcept {
  quantize_part(ctx, ctx.act, x, r, first, n);
}
// All rows of x.
inline void quantize_rows(Ctx& ctx, const TensorView& x) noexcept {
  ctx.act.source = x.data;
  ctx.pool.run(static_cast<int>(x.rows), [&](int r) { quantize_part(ctx, x, r, 0, x.cols); });
}

}  // namespace ops

}  // namespace nextn
