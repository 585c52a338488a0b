// The sketch of a weight matrix (kernels/sketch.h): made once from its tiles, then asked which of them may hold the
// largest outputs.
#pragma once

#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "ops/ctx.h"
#include "ops/weight.h"

namespace nextn::ops {

class Sketch {
 public:
  Sketch() = default;
  // Takes the memory for a sketch of w, whose width sketchable() accepts. Throws Error{kSystem} when it is not to be
  // had. max_rows: of a look.
  explicit Sketch(const Weight& w, int max_rows = 1);
  // Reads all of w, once, before the first look.
  void draw(Ctx& ctx, const Weight& w) noexcept;

  static bool sketchable(const Weight& w) noexcept { return w.k % kSketchInputs == 0; }
  // What a sketch of w takes, room for a query and for estimates included.
  static size_t size_bytes(const Weight& w, int max_rows = 1) noexcept;

  // Estimates the outputs of w for the rows of x (R, k): best (R, n_estimates()) gets in place t of a row the largest
  // one of w's tile t, for the first n_tiles tiles and for those of the sketch tiles in `more`, four of w's each:
  // 4i .. 4i + 3 for an i in `more`. Estimates are on a scale of their own, which differs from row to row. Of a row
  // that is not finite, finite[r] is false and its estimates stay as they were.
  void first_look(Ctx& ctx, float* best, const TensorView& x, int64_t n_tiles, std::span<const int32_t> more,
                  bool* finite) noexcept;

  // Floats that `best` needs.
  int64_t n_estimates() const noexcept { return 4 * n_tiles_; }

 private:
  void measure_columns(Ctx& ctx, const Weight& w, float* mean) noexcept;

  int64_t k_ = 0, n_tiles_ = 0;         // n_tiles_: of the sketch
  AlignedBuffer signs_, scale_, size_;  // bytes; (rows), (k) floats
  AlignedBuffer columns_;               // their means and inverse sizes, until it is drawn
  AlignedBuffer tables_, scales_;       // room for the queries of a look
  std::vector<SketchArgs> looks_;       // one a row
};

}  // namespace nextn::ops
