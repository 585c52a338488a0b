#include "engine/logits_dump.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "draft/mtp_drafter.h"
#include "ops/elementwise.h"

namespace nextn {

namespace {

constexpr int kDumpedDrafts = 3;

// A (rows, cols) float32 array in NumPy's format, version 1.0, written row by row.
class NpyFile {
 public:
  NpyFile(const std::string& path, int64_t rows, int64_t cols)
      : path_(path), file_(std::fopen(path.c_str(), "wb"), std::fclose) {
    if (!file_) fail(ErrorCode::kSystem, "{}: cannot write: {}", path_, std::strerror(errno));
    std::string header = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, cols);
    header.resize((header.size() + 10 + 1 + 63) / 64 * 64 - 10 - 1, ' ');
    header += '\n';
    const uint8_t start[] = {0x93,
                             'N',
                             'U',
                             'M',
                             'P',
                             'Y',
                             1,
                             0,
                             static_cast<uint8_t>(header.size()),
                             static_cast<uint8_t>(header.size() >> 8)};
    put(start, sizeof start);
    put(header.data(), header.size());
  }

  void add(const TensorView& rows) {
    for (int64_t r = 0; r < rows.rows; r++) put(rows.row(r), static_cast<size_t>(rows.cols) * sizeof(float));
  }

  void close() {
    if (std::fflush(file_.get()) != 0) fail(ErrorCode::kSystem, "{}: cannot write: {}", path_, std::strerror(errno));
  }

 private:
  void put(const void* bytes, size_t n) {
    if (std::fwrite(bytes, 1, n, file_.get()) != n)
      fail(ErrorCode::kSystem, "{}: cannot write: {}", path_, std::strerror(errno));
  }

  std::string path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

// Logits of every row, as many at a time as the engine has room for.
template <class Head>
void add_logits(Engine& engine, NpyFile& file, const TensorView& hidden, const Head& head) {
  const int64_t at_once = 1 + engine.options().max_draft;
  for (int64_t r = 0; r < hidden.rows; r += at_once) {
    const int64_t n = std::min(at_once, hidden.rows - r);
    const TensorView logits = engine.logits(n);
    head(logits, hidden.rows_from(r, n));
    file.add(logits);
  }
}

}  // namespace

void dump_logits(Engine& engine, std::span<const int32_t> prompt, const std::string& prefix) {
  Model& model = engine.model();
  Ctx& ctx = engine.ctx();
  const int64_t T = static_cast<int64_t>(prompt.size()), V = model.info().n_vocab, D = model.info().n_embd;
  engine.check_prompt(prompt, model.info().has_head ? kDumpedDrafts : 0);
  SequenceState state(engine.state_shape());
  NpyFile logits(prefix + ".logits.npy", T, V), hiddens(prefix + ".hidden.npy", T, D);
  const auto trunk_head = [&](const TensorView& out, const TensorView& h) { model.logits(ctx, out, h); };
  Buffer shifted(T + 1, D);  // row p: the hidden state of p - 1
  const int64_t at_once = engine.options().row_limit;
  for (int64_t at = 0; at < T; at += at_once) {
    const int n = static_cast<int>(std::min(at_once, T - at));
    const SequenceRows rows = {&state, prompt.data() + at, n, 0};
    const TensorView hidden = model.forward(ctx, {&rows, 1});
    std::memcpy(shifted.rows(T + 1).row(at + 1), hidden.data, static_cast<size_t>(n * D) * sizeof(float));
    hiddens.add(hidden);
    add_logits(engine, logits, hidden, trunk_head);
  }
  int64_t next;
  const TensorView last = engine.logits(1);
  model.logits(ctx, last, shifted.rows(T + 1).rows_from(T, 1));
  ops::argmax(ctx, &next, last);
  if (next < 0) fail(ErrorCode::kRequest, "logits: expected numbers, found a NaN at position {}", T);
  logits.close();
  hiddens.close();
  if (!model.info().has_head) return;

  HeadState head(engine.state_shape(), engine.options().head_k_type, engine.options().head_v_type, 1);
  NpyFile mtp_logits(prefix + ".mtp_logits.npy", T, V), mtp_hiddens(prefix + ".mtp_hidden.npy", T, D);
  const auto mtp_head = [&](const TensorView& out, const TensorView& h) { model.head_logits(ctx, out, h); };
  for (int64_t at = 0; at < T; at += at_once) {
    const int n = static_cast<int>(std::min(at_once, T - at));
    const HeadRows rows = {&head, prompt.data() + at, shifted.rows(T + 1).row(at), at, n};
    const TensorView hidden = model.head_forward(ctx, {&rows, 1}, HeadOutput::kAll);
    mtp_hiddens.add(hidden);
    add_logits(engine, mtp_logits, hidden, mtp_head);
  }
  mtp_logits.close();
  mtp_hiddens.close();

  head.consume(1);
  head.extend(static_cast<int>(T) - 1);
  head.push_hidden(shifted.rows(T + 1).row(T));
  std::vector<int32_t> text(prompt.begin(), prompt.end());
  text.push_back(static_cast<int32_t>(next));
  DraftHead whole(model.head_lm_weight(), kDraftVocabFull, 1, 0);
  MtpDrafter drafter(model, head, whole, 0, 0);
  const std::string path = prefix + ".draft.txt";
  std::FILE* const file = std::fopen(path.c_str(), "w");
  if (file == nullptr) fail(ErrorCode::kSystem, "{}: cannot write: {}", path, std::strerror(errno));
  fmt::print(file, "{}", next);
  drafter.begin(text);
  int n = 0;
  for (Draft draft; n < kDumpedDrafts && drafter.next(ctx, &draft); n++) {
    fmt::print(file, ",{}", draft.token);
  }
  fmt::print(file, "\n");
  if (std::fclose(file) != 0) fail(ErrorCode::kSystem, "{}: cannot write: {}", path, std::strerror(errno));
}

}  // namespace nextn
