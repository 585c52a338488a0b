// What is handed down to every op of a step: the kernel table, the threads, room for quantised activations.
#pragma once

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"

namespace nextn {

// Something broken on purpose, so that `nextn selftest --inject` can prove that it would notice.
enum class Fault : uint8_t {
  kNone,
  kReplay,  // accepted drafts are not replayed into the delta-net state
  kKv,      // a step with drafts does not overwrite the KV entry of its first row
  kOrder,   // a norm over several rows at once adds its squares in another order
};

// Activation rows in 8 bits, filled by ops::matmul.
class ActBuffer {
 public:
  ActBuffer() = default;
  ActBuffer(int64_t row_limit, int64_t k_limit)
      : q_(static_cast<size_t>(row_limit * k_limit)),
        scale_(static_cast<size_t>(row_limit * k_limit / kActBlock) * sizeof(float)),
        sum_(static_cast<size_t>(row_limit * k_limit / 16) * sizeof(int32_t)) {}

  size_t size_bytes() const noexcept { return q_.size() + scale_.size() + sum_.size(); }
  // Row r of rows that are k wide.
  int8_t* q(int64_t r, int64_t k) noexcept { return q_.as<int8_t>() + r * k; }
  float* scale(int64_t r, int64_t k) noexcept { return scale_.as<float>() + r * (k / kActBlock); }
  int32_t* sum(int64_t r, int64_t k) noexcept { return sum_.as<int32_t>() + r * (k / 16); }

 private:
  AlignedBuffer q_, scale_, sum_;
};

class StepProfile;

struct Ctx {
  const KernelTable& kernels;
  ThreadPool& pool;
  ActBuffer act;
  Fault fault = Fault::kNone;
  StepProfile* profile = nullptr;  // takes the time of every op, when set
};

}  // namespace nextn
