#include "model/decoder.h"

#include <algorithm>
#include <cstring>

#include "ops/elementwise.h"
#include "ops/matmul.h"

namespace nextn {

// ------------------------------------------------------------------------------------------------ loading

void Decoder::bind_attention(Block& l, const std::string& b, WeightRole role, Presence biases, Presence qk_norms) {
  const int64_t D = cfg_.n_embd, Dh = cfg_.attention.head_dim;
  const auto wanted = [&](Presence presence, std::initializer_list<const char*> names) {
    return presence == Presence::kRequired ||
           (presence == Presence::kOptional &&
            std::ranges::any_of(names, [&](const char* name) { return weights_.has(b + name); }));
  };
  weights_.matrix(l.attn_q, b + "attn_q.weight", D, cfg_.query_width(), role);
  weights_.matrix(l.attn_k, b + "attn_k.weight", D, cfg_.kv_width(), role);
  weights_.matrix(l.attn_v, b + "attn_v.weight", D, cfg_.kv_width(), role);
  weights_.matrix(l.attn_output, b + "attn_output.weight", cfg_.attention_width(), D, role);
  if (wanted(biases, {"attn_q.bias", "attn_k.bias", "attn_v.bias"})) {
    weights_.vector(l.attn_q_bias, b + "attn_q.bias", cfg_.query_width(), role);
    weights_.vector(l.attn_k_bias, b + "attn_k.bias", cfg_.kv_width(), role);
    weights_.vector(l.attn_v_bias, b + "attn_v.bias", cfg_.kv_width(), role);
  }
  if (wanted(qk_norms, {"attn_q_norm.weight", "attn_k_norm.weight"})) {
    weights_.vector(l.attn_q_norm, b + "attn_q_norm.weight", Dh, role);
    weights_.vector(l.attn_k_norm, b + "attn_k_norm.weight", Dh, role);
  }
}

void Decoder::bind_dense_ffn(Block& l, const std::string& b, WeightRole role) {
  weights_.matrix(l.ffn_gate, b + "ffn_gate.weight", cfg_.n_embd, cfg_.n_ff, role);
  weights_.matrix(l.ffn_up, b + "ffn_up.weight", cfg_.n_embd, cfg_.n_ff, role);
  weights_.matrix(l.ffn_down, b + "ffn_down.weight", cfg_.n_ff, cfg_.n_embd, role);
}

void Decoder::bind_experts(Block& l, const std::string& b, WeightRole role) {
  const ops::MoeShape& m = cfg_.moe;
  const int64_t D = cfg_.n_embd, E = m.n_experts;
  const WeightRole experts = role == WeightRole::kTrunk ? WeightRole::kExperts : role;
  weights_.matrix(l.moe.ffn_gate_inp, b + "ffn_gate_inp.weight", D, E, role);
  if (weights_.has(b + "ffn_gate_up_exps.weight")) {
    weights_.experts(l.moe.ffn_gate_up_exps, b + "ffn_gate_up_exps.weight", D, m.n_ff, E, 2, experts);
  } else {
    weights_.experts(l.moe.ffn_gate_exps, b + "ffn_gate_exps.weight", D, m.n_ff, E, 1, experts);
    weights_.experts(l.moe.ffn_up_exps, b + "ffn_up_exps.weight", D, m.n_ff, E, 1, experts);
  }
  weights_.experts(l.moe.ffn_down_exps, b + "ffn_down_exps.weight", m.n_ff, D, E, 1, experts);
  if (m.n_ff_shared == 0) return;
  weights_.matrix(l.moe.ffn_gate_shexp, b + "ffn_gate_shexp.weight", D, m.n_ff_shared, role);
  weights_.matrix(l.moe.ffn_up_shexp, b + "ffn_up_shexp.weight", D, m.n_ff_shared, role);
  weights_.matrix(l.moe.ffn_down_shexp, b + "ffn_down_shexp.weight", m.n_ff_shared, D, role);
}

void Decoder::bind_trunk() {
  const int64_t D = cfg_.n_embd, V = cfg_.n_vocab;
  if (cfg_.n_mtp > 0 && !weights_.has_any("blk.0.")) {
    fail(ErrorCode::kFile, "{}: expected a model, found an MTP head (blk.{}) without its trunk", weights_.path(),
         cfg_.n_layers);
  }
  info_.tied = !weights_.has("output.weight");
  if (info_.tied) {
    weights_.matrix(output_, "token_embd.weight", D, V, WeightRole::kLmHead);
  } else {
    weights_.table(token_embd_, "token_embd.weight", D, V, WeightRole::kEmbedding);
    weights_.matrix(output_, "output.weight", D, V, WeightRole::kLmHead);
  }
  weights_.vector(output_norm_, "output_norm.weight", D, WeightRole::kTrunk);
  blocks_.resize(static_cast<size_t>(cfg_.n_layers));
  for (int il = 0; il < cfg_.n_layers; il++) {
    bind_block(blocks_[static_cast<size_t>(il)], il, fmt::format("blk.{}.", il), WeightRole::kTrunk);
  }
}

// share: tables of the head's own that are the trunk's byte for byte, as files of GLM-4.5 have them, are left out, so
// that nothing is held twice.
void Decoder::bind_head(bool share) {
  const std::string b = fmt::format("blk.{}.", cfg_.n_layers);
  const int64_t D = cfg_.n_embd, V = cfg_.n_vocab;
  weights_.matrix(head_.eh_proj, b + "nextn.eh_proj.weight", 2 * D, D, WeightRole::kMtpHead);
  weights_.vector(head_.enorm, b + "nextn.enorm.weight", D, WeightRole::kMtpHead);
  weights_.vector(head_.hnorm, b + "nextn.hnorm.weight", D, WeightRole::kMtpHead);
  bind_block(head_.block, cfg_.n_layers, b, WeightRole::kMtpHead);
  // The optional three fall back to the trunk's.
  if (weights_.has(b + "nextn.shared_head_norm.weight")) {
    weights_.vector(head_.shared_head_norm, b + "nextn.shared_head_norm.weight", D, WeightRole::kMtpHead);
  }
  const auto has_own = [&](const std::string& name, const char* trunk) {
    return weights_.has(name) && !(share && weights_.same_bytes(name, trunk));
  };
  if (const std::string name = b + "nextn.embed_tokens.weight"; has_own(name, "token_embd.weight")) {
    weights_.table(head_.embed_tokens, name, D, V, WeightRole::kMtpHead);
  }
  if (const std::string name = b + "nextn.shared_head_head.weight";
      has_own(name, info_.tied ? "token_embd.weight" : "output.weight")) {
    weights_.matrix(head_.shared_head_head, name, D, V, WeightRole::kMtpHead);
  }
}

void Decoder::bind(bool with_head) {
  bind_trunk();
  if (with_head) bind_head(true);
  info_.architecture = weights_.architecture();
  info_.n_vocab = cfg_.n_vocab;
  info_.n_embd = cfg_.n_embd;
  info_.n_layers = cfg_.n_layers;
  info_.n_ctx_train = cfg_.n_ctx_train;
  info_.has_head = with_head;
  info_.n_experts = cfg_.moe.n_experts;
  info_.n_experts_used = cfg_.moe.n_used;
  const auto has_experts = [](const Block& l) { return l.moe.ffn_gate_inp.n_out > 0; };
  const auto first = std::ranges::find_if(blocks_, has_experts);
  info_.n_leading_dense = first == blocks_.end() ? 0 : static_cast<int>(first - blocks_.begin());
  info_.gathered_bytes = cfg_.moe.gathered_bytes();
  info_.widest_input = weights_.widest_input();
  info_.widest_block = weights_.widest_block();
  list_buffers();
}

void Decoder::share_weights() noexcept {
  if (info_.tied) token_embd_ = {.tied = &output_, .rows = {}, .n_vocab = cfg_.n_vocab, .n_embd = cfg_.n_embd};
  if (!info_.has_head) return;
  if (head_.shared_head_norm == nullptr) head_.shared_head_norm = output_norm_;
  if (head_.embed_tokens.n_vocab == 0) head_.embed_tokens = token_embd_;
}

HeadVerdict Decoder::inspect_head() {
  if (cfg_.n_mtp == 0) return {HeadVerdict::Kind::kAbsent, ""};
  try {
    bind_head(false);
  } catch (const Error& e) {
    return {HeadVerdict::Kind::kIncomplete, e.what()};
  }
  return {HeadVerdict::Kind::kUsable, ""};
}

StateShape Decoder::state_shape() const {
  StateShape s;
  s.layers = cfg_.kinds;
  s.n_embd = cfg_.n_embd;
  s.n_kv_heads = cfg_.attention.n_kv_heads;
  s.head_dim = cfg_.attention.head_dim;
  return s;
}

void Decoder::list_buffers() {
  const int64_t D = cfg_.n_embd, n_pairs = static_cast<int64_t>(cfg_.rope_freq.size());
  buffers_ = {{&b_.x, D},
              {&b_.h, D},
              {&b_.y, D},
              {&b_.q, cfg_.query_width()},
              {&b_.k, cfg_.kv_width()},
              {&b_.v, cfg_.kv_width()},
              {&b_.attended, cfg_.attention_width()},
              {&b_.gate, cfg_.n_ff},
              {&b_.up, cfg_.n_ff},
              {&b_.cos, n_pairs},
              {&b_.sin, n_pairs},
              {&b_.hidden, D}};
  if (info_.has_head) {
    add_buffer(b_.pair, 2 * D);
    add_buffer(b_.head_hidden, D);
  }
  add_buffers();
}

void Decoder::prepare(int64_t row_limit) {
  for (const SizedBuffer& b : buffers_) *b.buffer = Buffer(row_limit, b.cols);
  if (cfg_.moe.n_experts > 0) moe_ = ops::MoeBuffers(row_limit, cfg_.moe, info_.widest_block);
  const size_t R = static_cast<size_t>(row_limit);
  tokens_.resize(R);
  positions_.resize(R);
  attention_rows_.resize(R);
}

size_t Decoder::buffer_bytes(int64_t row_limit) const noexcept {
  size_t bytes = ops::MoeBuffers::size_bytes(row_limit, cfg_.moe);
  for (const SizedBuffer& b : buffers_) bytes += static_cast<size_t>(row_limit * b.cols) * sizeof(float);
  return bytes;
}

// ------------------------------------------------------------------------------------------------ trunk

TensorView Decoder::forward(Ctx& ctx, std::span<const SequenceRows> sequences, LayerRange layers) noexcept {
  int64_t R = 0;
  for (const SequenceRows& s : sequences) {
    s.state->begin_step(s.n_sure, s.n_draft);
    for (int i = 0; i < s.n_sure + s.n_draft; i++, R++) {
      tokens_[static_cast<size_t>(R)] = s.tokens[i];
      positions_[static_cast<size_t>(R)] = s.state->position() + i;
      attention_rows_[static_cast<size_t>(R)].skip_store = ctx.fault == Fault::kKv && i == 0 && s.n_draft > 0;
    }
  }
  begin_rows(ctx, R);

  const TensorView x = b_.x.rows(R), h = b_.h.rows(R), hidden = b_.hidden.rows(R);
  ops::embed(ctx, x, token_embd_, tokens_.data());
  for (int il = layers.first; il < layers.last; il++) {
    const Block& l = blocks_[static_cast<size_t>(il)];
    ops::rms_norm_q8(ctx, h, x, l.attn_norm, cfg_.norm_eps);
    mix(ctx, il, sequences, h, x);
    ops::rms_norm_q8(ctx, h, x, l.ffn_norm, cfg_.norm_eps);
    ffn(ctx, l, h, x);
  }
  ops::rms_norm(ctx, hidden, x, output_norm_, cfg_.norm_eps);
  for (const SequenceRows& s : sequences) s.state->end_step();
  return hidden;
}

// Attention: x += attn_output (softmax(q k^T / sqrt(Dh)) v [* sigmoid(gate)]), q and k normed by head and rotated.
void Decoder::mix(Ctx& ctx, int il, std::span<const SequenceRows> sequences, const TensorView& h,
                  const TensorView& x) noexcept {
  size_t r = 0;
  for (const SequenceRows& s : sequences) {
    const KvView kv = s.state->kv(il);
    for (int i = 0; i < s.n_sure + s.n_draft; i++) attention_rows_[r++].cache = kv;
  }
  attention(ctx, blocks_[static_cast<size_t>(il)], h, x);
}

void Decoder::attention(Ctx& ctx, const Block& l, const TensorView& h, const TensorView& x) noexcept {
  const TensorView q = b_.q.rows(h.rows), k = b_.k.rows(h.rows), v = b_.v.rows(h.rows);
  ops::matmul_q8(ctx, h, {{q, l.attn_q}, {k, l.attn_k}, {v, l.attn_v}});
  norm_rope_store(ctx, query_heads(l, q), l, k, v);
  attend(ctx, l, q, x);
}

ops::Heads Decoder::query_heads(const Block& l, const TensorView& q) const noexcept {
  return {q, cfg_.attention.n_heads, cfg_.attention.query_stride(), l.attn_q_norm, l.attn_q_bias, cfg_.rope_neighbours};
}

void Decoder::norm_rope_store(Ctx& ctx, const ops::Heads& q, const Block& l, const TensorView& k,
                              const TensorView& v) noexcept {
  const int n = cfg_.attention.n_kv_heads, Dh = cfg_.attention.head_dim;
  ops::norm_rope_store(ctx, q, {k, n, Dh, l.attn_k_norm, l.attn_k_bias, cfg_.rope_neighbours},
                       {v, n, Dh, nullptr, l.attn_v_bias}, Dh, cfg_.norm_eps, b_.cos.rows(k.rows), b_.sin.rows(k.rows),
                       {attention_rows_.data(), static_cast<size_t>(k.rows)});
}

void Decoder::attend(Ctx& ctx, const Block& l, const TensorView& q, const TensorView& x) noexcept {
  const TensorView o = b_.attended.rows(q.rows), y = b_.y.rows(q.rows);
  ops::attend_q8(ctx, o, q, cfg_.attention, {attention_rows_.data(), static_cast<size_t>(q.rows)});
  ops::matmul_q8(ctx, o, {{y, l.attn_output, x}});
  if (l.attn_output_bias != nullptr) ops::add_bias(ctx, x, l.attn_output_bias);
}

// x += ffn_down (silu(ffn_gate h) * ffn_up h), or the mixture of experts.
void Decoder::ffn(Ctx& ctx, const Block& l, const TensorView& h, const TensorView& x) noexcept {
  if (l.moe.ffn_gate_inp) return ops::moe_ffn(ctx, x, b_.y.rows(h.rows), h, l.moe, cfg_.moe, moe_);
  const TensorView gate = b_.gate.rows(h.rows), up = b_.up.rows(h.rows), y = b_.y.rows(h.rows);
  ops::matmul_q8(ctx, h, {{gate, l.ffn_gate}, {up, l.ffn_up}});
  if (l.ffn_gate_bias != nullptr) ops::add_bias(ctx, gate, l.ffn_gate_bias);
  if (l.ffn_up_bias != nullptr) ops::add_bias(ctx, up, l.ffn_up_bias);
  ops::swiglu_q8(ctx, gate, gate, up);
  ops::matmul_q8(ctx, gate, {{y, l.ffn_down, x}});
  if (l.ffn_down_bias != nullptr) ops::add_bias(ctx, x, l.ffn_down_bias);
}

void Decoder::logits(Ctx& ctx, const TensorView& out, const TensorView& hidden, const TensorView& max) noexcept {
  ops::matmul(ctx, hidden, {{out, output_, {}, max}});
}

// The positions' angles, which all layers share.
void Decoder::begin_rows(Ctx& ctx, int64_t n) noexcept {
  NEXTN_CHECK(n <= b_.x.row_limit());
  for (int64_t r = 0; r < n; r++) attention_rows_[static_cast<size_t>(r)].position = positions_[static_cast<size_t>(r)];
  ops::rope_angles(ctx, b_.cos.rows(n), b_.sin.rows(n), cfg_.rope_freq, positions_.data());
}

// ------------------------------------------------------------------------------------------------ MTP head

// arXiv:2412.19437, sec. 2.2, as Qwen3.5 and GLM-4.5 have it:
//
//   c = [enorm(embedding of token p) ; hnorm(hidden of p - 1)]     r = eh_proj c
//   r += attention(attn_norm(r))     r += ffn(ffn_norm(r))     h' = shared_head_norm(r)
//
// The trunk's hidden state is the one after its output norm; h' is what the head's logits read and what a further draft
// takes for the hidden state. The block is an attention layer like the trunk's, with keys and values of its own.
TensorView Decoder::head_forward(Ctx& ctx, std::span<const HeadRows> sequences, HeadOutput output) noexcept {
  const int64_t D = cfg_.n_embd;
  const Block& l = head_.block;
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
  const int64_t embedding_at = ctx.fault == Fault::kPair ? D : 0;
  ops::rms_norm(ctx, pair.columns(embedding_at, D), x, head_.enorm, cfg_.norm_eps);
  int64_t first = 0;
  for (const HeadRows& s : sequences) {
    const TensorView hidden(const_cast<float*>(s.hidden), s.n, D);  // only read
    ops::rms_norm(ctx, pair.rows_from(first, s.n).columns(D - embedding_at, D), hidden, head_.hnorm, cfg_.norm_eps);
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
  const TensorView q = b_.q.rows(R), hidden = b_.head_hidden.rows(R);
  ops::matmul(ctx, h, {{q, l.attn_q}});
  ops::norm_and_rope(ctx, query_heads(l, q), cfg_.attention.head_dim, cfg_.norm_eps, b_.cos.rows(R), b_.sin.rows(R));
  attend(ctx, l, q, x);
  ops::rms_norm_q8(ctx, h, x, l.ffn_norm, cfg_.norm_eps);
  ffn(ctx, l, h, x);
  ops::rms_norm(ctx, hidden, x, head_.shared_head_norm, cfg_.norm_eps);
  return hidden;
}

// Moves each sequence's last row of x, h and the angles to the front; gives the number of sequences.
int64_t Decoder::keep_last_rows(std::span<const HeadRows> sequences) noexcept {
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

void Decoder::head_logits(Ctx& ctx, const TensorView& out, const TensorView& hidden) noexcept {
  ops::matmul(ctx, hidden, {{out, head_lm_weight()}});
}

}  // namespace nextn
