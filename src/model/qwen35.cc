#include "model/qwen35.h"

#include <algorithm>
#include <cstring>

#include "ops/elementwise.h"
#include "ops/matmul.h"

namespace nextn {

// ------------------------------------------------------------------------------------------------ loading

void Qwen35::bind_block(WeightLoader& loader, Layer& l, int block, WeightRole role) {
  const std::string b = "blk." + std::to_string(block) + ".";
  const int64_t D = cfg_.n_embd, F = cfg_.n_ff, Dh = cfg_.head_dim, Hv = cfg_.n_value_heads;
  loader.vector(l.attn_norm, b + "attn_norm.weight", D, role);
  loader.vector(l.post_attention_norm, b + "post_attention_norm.weight", D, role);
  if (l.kind == LayerKind::kAttention) {
    loader.matrix(l.attn_q, b + "attn_q.weight", D, 2 * cfg_.attention_width(), role);
    loader.matrix(l.attn_k, b + "attn_k.weight", D, cfg_.n_kv_heads * Dh, role);
    loader.matrix(l.attn_v, b + "attn_v.weight", D, cfg_.n_kv_heads * Dh, role);
    loader.matrix(l.attn_output, b + "attn_output.weight", cfg_.attention_width(), D, role);
    loader.vector(l.attn_q_norm, b + "attn_q_norm.weight", Dh, role);
    loader.vector(l.attn_k_norm, b + "attn_k_norm.weight", Dh, role);
  } else {
    loader.matrix(l.attn_qkv, b + "attn_qkv.weight", D, cfg_.conv_channels(), role);
    loader.matrix(l.attn_gate, b + "attn_gate.weight", D, cfg_.value_width(), role);
    loader.taps(l.ssm_conv1d, b + "ssm_conv1d.weight", cfg_.conv_taps, cfg_.conv_channels(), role);
    loader.vector(l.ssm_dt, b + "ssm_dt.bias", Hv, role);
    loader.vector(l.ssm_a, b + "ssm_a", Hv, role);
    loader.matrix(l.ssm_beta, b + "ssm_beta.weight", D, Hv, role);
    loader.matrix(l.ssm_alpha, b + "ssm_alpha.weight", D, Hv, role);
    loader.vector(l.ssm_norm, b + "ssm_norm.weight", cfg_.value_dim, role);
    loader.matrix(l.ssm_out, b + "ssm_out.weight", cfg_.value_width(), D, role);
  }
  loader.matrix(l.ffn_gate, b + "ffn_gate.weight", D, F, role);
  loader.matrix(l.ffn_up, b + "ffn_up.weight", D, F, role);
  loader.matrix(l.ffn_down, b + "ffn_down.weight", F, D, role);
}

void Qwen35::bind_trunk(WeightLoader& loader) {
  const int64_t D = cfg_.n_embd, V = cfg_.n_vocab;
  if (cfg_.n_mtp > 0 && !loader.has_any("blk.0.")) {
    fail(ErrorCode::kFile, "{}: expected a model, found an MTP head (blk.{}) without its trunk", loader.path(),
         cfg_.n_layers);
  }
  info_.tied = !loader.has("output.weight");
  if (info_.tied) {
    loader.matrix(output_, "token_embd.weight", D, V, WeightRole::kLmHead);
  } else {
    loader.table(token_embd_, "token_embd.weight", D, V, WeightRole::kEmbedding);
    loader.matrix(output_, "output.weight", D, V, WeightRole::kLmHead);
  }
  loader.vector(output_norm_, "output_norm.weight", D, WeightRole::kTrunk);
  layers_.resize(static_cast<size_t>(cfg_.n_layers));
  for (int i = 0; i < cfg_.n_layers; i++) {
    Layer& l = layers_[static_cast<size_t>(i)];
    l.kind = cfg_.kinds[static_cast<size_t>(i)];
    bind_block(loader, l, i, WeightRole::kTrunk);
  }
}

void Qwen35::bind_head(WeightLoader& loader) {
  const std::string b = "blk." + std::to_string(cfg_.n_layers) + ".";
  const int64_t D = cfg_.n_embd, V = cfg_.n_vocab;
  head_.block.kind = LayerKind::kAttention;
  loader.matrix(head_.eh_proj, b + "nextn.eh_proj.weight", 2 * D, D, WeightRole::kMtpHead);
  loader.vector(head_.enorm, b + "nextn.enorm.weight", D, WeightRole::kMtpHead);
  loader.vector(head_.hnorm, b + "nextn.hnorm.weight", D, WeightRole::kMtpHead);
  bind_block(loader, head_.block, cfg_.n_layers, WeightRole::kMtpHead);
  // The optional three fall back to the trunk's.
  if (loader.has(b + "nextn.shared_head_norm.weight")) {
    loader.vector(head_.shared_head_norm, b + "nextn.shared_head_norm.weight", D, WeightRole::kMtpHead);
  }
  if (loader.has(b + "nextn.embed_tokens.weight")) {
    loader.table(head_.embed_tokens, b + "nextn.embed_tokens.weight", D, V, WeightRole::kMtpHead);
  }
  if (loader.has(b + "nextn.shared_head_head.weight")) {
    loader.matrix(head_.shared_head_head, b + "nextn.shared_head_head.weight", D, V, WeightRole::kMtpHead);
  }
}

Qwen35::Qwen35(const gguf::File& file, bool with_head) : Qwen35(file) {
  bind_trunk(weights_);
  if (with_head) bind_head(weights_);
  info_.architecture = "qwen35";
  info_.n_vocab = cfg_.n_vocab;
  info_.n_embd = cfg_.n_embd;
  info_.n_layers = cfg_.n_layers;
  info_.n_ctx_train = cfg_.n_ctx_train;
  info_.widest_input = std::max({2 * cfg_.n_embd, cfg_.n_ff, cfg_.attention_width(), cfg_.value_width()});
  info_.has_head = with_head;
}

void Qwen35::share_weights() noexcept {
  if (info_.tied) token_embd_ = {.tied = output_, .rows = {}, .n_vocab = cfg_.n_vocab, .n_embd = cfg_.n_embd};
  if (!info_.has_head) return;
  if (head_.shared_head_norm == nullptr) head_.shared_head_norm = output_norm_;
  if (head_.embed_tokens.n_vocab == 0) head_.embed_tokens = token_embd_;
  if (!head_.shared_head_head) head_.shared_head_head = output_;
}

HeadVerdict Qwen35::inspect_head(const gguf::File& file) {
  Qwen35 model(file);
  if (model.cfg_.n_mtp == 0) return {HeadVerdict::Kind::kAbsent, ""};
  try {
    model.bind_head(model.weights_);
  } catch (const Error& e) {
    return {HeadVerdict::Kind::kIncomplete, e.what()};
  }
  return {HeadVerdict::Kind::kUsable, ""};
}

StateShape Qwen35::state_shape() const {
  StateShape s;
  s.layers = cfg_.kinds;
  s.n_embd = cfg_.n_embd;
  s.n_kv_heads = cfg_.n_kv_heads;
  s.head_dim = cfg_.head_dim;
  s.n_key_heads = cfg_.n_key_heads;
  s.n_value_heads = cfg_.n_value_heads;
  s.key_dim = cfg_.key_dim;
  s.value_dim = cfg_.value_dim;
  s.conv_channels = cfg_.conv_channels();
  s.conv_taps = cfg_.conv_taps;
  return s;
}

std::vector<Qwen35::SizedBuffer> Qwen35::buffers() const {
  const int64_t D = cfg_.n_embd, kv = static_cast<int64_t>(cfg_.n_kv_heads) * cfg_.head_dim,
                n_pairs = static_cast<int64_t>(cfg_.rope_freq.size());
  std::vector<SizedBuffer> all = {{&Buffers::x, D},
                                  {&Buffers::h, D},
                                  {&Buffers::y, D},
                                  {&Buffers::qg, 2 * cfg_.attention_width()},
                                  {&Buffers::k, kv},
                                  {&Buffers::v, kv},
                                  {&Buffers::mixed, cfg_.conv_channels()},
                                  {&Buffers::conv, cfg_.conv_channels()},
                                  {&Buffers::z, cfg_.value_width()},
                                  {&Buffers::beta, cfg_.n_value_heads},
                                  {&Buffers::decay, cfg_.n_value_heads},
                                  {&Buffers::attended, cfg_.attention_width()},
                                  {&Buffers::recalled, cfg_.value_width()},
                                  {&Buffers::gate, cfg_.n_ff},
                                  {&Buffers::up, cfg_.n_ff},
                                  {&Buffers::cos, n_pairs},
                                  {&Buffers::sin, n_pairs},
                                  {&Buffers::hidden, D}};
  if (info_.has_head) {
    all.push_back({&Buffers::pair, 2 * D});
    all.push_back({&Buffers::head_hidden, D});
  }
  return all;
}

void Qwen35::prepare(int64_t row_limit) {
  for (const SizedBuffer& b : buffers()) b_.*b.buffer = Buffer(row_limit, b.cols);
  const size_t R = static_cast<size_t>(row_limit);
  tokens_.resize(R);
  positions_.resize(R);
  attention_rows_.resize(R);
  delta_runs_.resize(R);
}

size_t Qwen35::buffer_bytes(int64_t row_limit) const noexcept {
  size_t bytes = 0;
  for (const SizedBuffer& b : buffers()) bytes += static_cast<size_t>(row_limit * b.cols) * sizeof(float);
  return bytes;
}

// ------------------------------------------------------------------------------------------------ trunk

TensorView Qwen35::forward(Ctx& ctx, std::span<const SequenceRows> sequences, int n_layers) noexcept {
  int64_t R = 0;
  for (const SequenceRows& s : sequences) {
    s.state->begin_step(s.n_sure, s.n_draft);
    for (int i = 0; i < s.n_sure + s.n_draft; i++, R++) {
      tokens_[static_cast<size_t>(R)] = s.tokens[i];
      positions_[static_cast<size_t>(R)] = s.state->length() + i;
      attention_rows_[static_cast<size_t>(R)].skip_store = ctx.fault == Fault::kKv && i == 0 && s.n_draft > 0;
    }
  }
  begin_rows(ctx, R);

  const TensorView x = b_.x.rows(R), hidden = b_.hidden.rows(R);
  ops::embed(ctx, x, token_embd_, tokens_.data());
  for (int il = 0; il < n_layers; il++) {
    enter_layer(sequences, il);
    layer(ctx, layers_[static_cast<size_t>(il)], x);
  }
  ops::rms_norm(ctx, hidden, x, output_norm_, cfg_.norm_eps);
  for (const SequenceRows& s : sequences) s.state->end_step();
  return hidden;
}

// x (R, D), updated in place: the rows of one step, possibly of several sequences.
void Qwen35::layer(Ctx& ctx, const Layer& l, const TensorView& x) noexcept {
  const TensorView h = b_.h.rows(x.rows);
  ops::rms_norm_q8(ctx, h, x, l.attn_norm, cfg_.norm_eps);
  if (l.kind == LayerKind::kDeltaNet) {
    delta_net(ctx, l, h, x);
  } else {
    attention(ctx, l, h, x);
  }
  ops::rms_norm_q8(ctx, h, x, l.post_attention_norm, cfg_.norm_eps);
  dense_ffn(ctx, l, h, x);
}

// Gated attention: x += attn_output (softmax(q k^T / sqrt(Dh)) v * sigmoid(gate)), q and k normed by head and rotated.
void Qwen35::attention(Ctx& ctx, const Layer& l, const TensorView& h, const TensorView& x) noexcept {
  const TensorView qg = b_.qg.rows(h.rows), k = b_.k.rows(h.rows), v = b_.v.rows(h.rows);
  ops::matmul_q8(ctx, h, {{qg, l.attn_q}, {k, l.attn_k}, {v, l.attn_v}});
  norm_rope_store(ctx, query_heads(l, qg), l, k, v);
  attend(ctx, l, qg, x);
}

ops::Heads Qwen35::query_heads(const Layer& l, const TensorView& qg) const noexcept {
  return {qg, cfg_.n_heads, 2 * cfg_.head_dim, l.attn_q_norm};
}

void Qwen35::norm_rope_store(Ctx& ctx, const ops::Heads& q, const Layer& l, const TensorView& k,
                             const TensorView& v) noexcept {
  ops::norm_rope_store(ctx, q, {k, cfg_.n_kv_heads, cfg_.head_dim, l.attn_k_norm}, v, cfg_.head_dim, cfg_.norm_eps,
                       b_.cos.rows(k.rows), b_.sin.rows(k.rows), {attention_rows_.data(), static_cast<size_t>(k.rows)});
}

void Qwen35::attend(Ctx& ctx, const Layer& l, const TensorView& qg, const TensorView& x) noexcept {
  const TensorView o = b_.attended.rows(qg.rows), y = b_.y.rows(qg.rows);
  ops::gated_attend_q8(ctx, o, qg, cfg_.n_heads, cfg_.n_kv_heads, cfg_.head_dim, cfg_.attention_scale,
                       {attention_rows_.data(), static_cast<size_t>(qg.rows)});
  ops::matmul_q8(ctx, o, {{y, l.attn_output, x}});
}

// Gated delta net: q, k, v through a short convolution, the delta rule, a norm gated by z; x += ssm_out of that.
void Qwen35::delta_net(Ctx& ctx, const Layer& l, const TensorView& h, const TensorView& x) noexcept {
  const int64_t R = h.rows;
  const TensorView mixed = b_.mixed.rows(R), u = b_.conv.rows(R), z = b_.z.rows(R), beta = b_.beta.rows(R),
                   decay = b_.decay.rows(R), o = b_.recalled.rows(R), y = b_.y.rows(R);
  const ops::DeltaShape shape = {cfg_.n_key_heads, cfg_.n_value_heads, cfg_.key_dim, cfg_.value_dim};
  const std::span<const ops::DeltaRun> runs(delta_runs_.data(), n_runs_);
  ops::matmul_q8(ctx, h, {{mixed, l.attn_qkv}, {z, l.attn_gate}, {beta, l.ssm_beta}, {decay, l.ssm_alpha}});
  ops::conv_and_gates(ctx, u, beta, decay, mixed, l.ssm_conv1d, l.ssm_a, l.ssm_dt, shape, cfg_.norm_eps, runs);
  ops::delta_net_q8(ctx, o, u, beta, decay, z, l.ssm_norm, shape, cfg_.norm_eps, runs);
  ops::matmul_q8(ctx, o, {{y, l.ssm_out, x}});
}

// x += ffn_down (silu(ffn_gate h) * ffn_up h)
void Qwen35::dense_ffn(Ctx& ctx, const Layer& l, const TensorView& h, const TensorView& x) noexcept {
  const TensorView gate = b_.gate.rows(h.rows), up = b_.up.rows(h.rows), y = b_.y.rows(h.rows);
  ops::matmul_q8(ctx, h, {{gate, l.ffn_gate}, {up, l.ffn_up}});
  ops::swiglu_q8(ctx, gate, gate, up);
  ops::matmul_q8(ctx, gate, {{y, l.ffn_down, x}});
}

void Qwen35::logits(Ctx& ctx, const TensorView& out, const TensorView& hidden, const TensorView& max) noexcept {
  ops::matmul(ctx, hidden, {{out, output_, {}, max}});
}

// The positions' angles, which all layers share.
void Qwen35::begin_rows(Ctx& ctx, int64_t n) noexcept {
  NEXTN_CHECK(n <= b_.x.row_limit());
  for (int64_t r = 0; r < n; r++) attention_rows_[static_cast<size_t>(r)].position = positions_[static_cast<size_t>(r)];
  ops::rope_angles(ctx, b_.cos.rows(n), b_.sin.rows(n), cfg_.rope_freq, positions_.data());
}

// Points the rows at what their sequences remember of layer il.
void Qwen35::enter_layer(std::span<const SequenceRows> sequences, int il) noexcept {
  int r = 0;
  n_runs_ = 0;
  for (const SequenceRows& s : sequences) {
    const int n = s.n_sure + s.n_draft;
    if (cfg_.kinds[static_cast<size_t>(il)] == LayerKind::kDeltaNet) {
      delta_runs_[n_runs_++] = {r, s.n_sure, s.n_draft, s.state->length(), s.state->delta(il), s.state->conv(il)};
    } else {
      const KvView kv = s.state->kv(il);
      for (int i = 0; i < n; i++) attention_rows_[static_cast<size_t>(r + i)].cache = kv;
    }
    r += n;
  }
}

// ------------------------------------------------------------------------------------------------ MTP head

// arXiv:2412.19437, sec. 2.2, as Qwen3.5 has it:
//
//   c = [enorm(embedding of token p) ; hnorm(hidden of p - 1)]     r = eh_proj c
//   r += gated attention(attn_norm(r))     r += ffn(post_attention_norm(r))     h' = shared_head_norm(r)
//
// The trunk's hidden state is the one after its output norm; h' is what the head's logits read and what a further draft
// takes for the hidden state. The block is an attention layer like the trunk's, with keys and values of its own.
TensorView Qwen35::head_forward(Ctx& ctx, std::span<const HeadRows> sequences, HeadOutput output) noexcept {
  const int64_t D = cfg_.n_embd;
  const Layer& l = head_.block;
  int64_t R = 0;
  for (const HeadRows& s : sequences) {
    const KvView kv = s.state->kv();
    for (int i = 0; i < s.n; i++, R++) {
      tokens_[static_cast<size_t>(R)] = s.tokens[i];
      positions_[static_cast<size_t>(R)] = s.position + i;
      attention_rows_[static_cast<size_t>(R)] = {.position = s.position + i, .cache = kv};
    }
  }
  begin_rows(ctx, R);

  TensorView x = b_.x.rows(R), h = b_.h.rows(R);
  const TensorView pair = b_.pair.rows(R), k = b_.k.rows(R), v = b_.v.rows(R);
  ops::embed(ctx, x, head_.embed_tokens, tokens_.data());
  ops::rms_norm(ctx, pair.columns(0, D), x, head_.enorm, cfg_.norm_eps);
  int64_t first = 0;
  for (const HeadRows& s : sequences) {
    const TensorView hidden(const_cast<float*>(s.hidden), s.n, D);  // only read
    ops::rms_norm(ctx, pair.rows_from(first, s.n).columns(D, D), hidden, head_.hnorm, cfg_.norm_eps);
    first += s.n;
  }
  ops::matmul(ctx, pair, {{x, head_.eh_proj}});
  ops::rms_norm_q8(ctx, h, x, l.attn_norm, cfg_.norm_eps);
  ops::matmul_q8(ctx, h, {{k, l.attn_k}, {v, l.attn_v}});
  norm_rope_store(ctx, {}, l, k, v);
  if (output == HeadOutput::kNone) return {};

  if (output == HeadOutput::kLast) R = keep_last_rows(sequences);
  x = b_.x.rows(R);
  h = b_.h.rows(R);
  const TensorView qg = b_.qg.rows(R), hidden = b_.head_hidden.rows(R);
  ops::matmul(ctx, h, {{qg, l.attn_q}});
  ops::norm_and_rope(ctx, query_heads(l, qg), cfg_.head_dim, cfg_.norm_eps, b_.cos.rows(R), b_.sin.rows(R));
  attend(ctx, l, qg, x);
  ops::rms_norm_q8(ctx, h, x, l.post_attention_norm, cfg_.norm_eps);
  dense_ffn(ctx, l, h, x);
  ops::rms_norm(ctx, hidden, x, head_.shared_head_norm, cfg_.norm_eps);
  return hidden;
}

// Moves each sequence's last row of x, h and the angles to the front; gives the number of sequences.
int64_t Qwen35::keep_last_rows(std::span<const HeadRows> sequences) noexcept {
  int64_t to = 0, from = -1;
  for (const HeadRows& s : sequences) {
    from += s.n;
    for (Buffer* b : {&b_.x, &b_.h, &b_.cos, &b_.sin}) {
      const TensorView rows = b->rows(from + 1);
      if (from != to) std::memcpy(rows.row(to), rows.row(from), static_cast<size_t>(rows.cols) * sizeof(float));
    }
    attention_rows_[static_cast<size_t>(to)] = attention_rows_[static_cast<size_t>(from)];
    to++;
  }
  return to;
}

void Qwen35::head_logits(Ctx& ctx, const TensorView& out, const TensorView& hidden) noexcept {
  ops::matmul(ctx, hidden, {{out, head_.shared_head_head}});
}

}  // namespace nextn
