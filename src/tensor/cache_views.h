// What ops see of a sequence's state: non-owning views of one layer. Who owns the bytes, and what is valid in them, is
// state's business.
#pragma once

#include <cstdint>

#include "tensor/kv_type.h"

namespace nextn {

// Keys and values of one layer: (n_ctx, Hkv, Dh) at cache precision.
struct KvView {
  uint8_t* k;
  uint8_t* v;
  int64_t k_stride, v_stride;  // bytes from one position to the next
  int64_t k_head, v_head;      // bytes from one KV head to the next
  KvType k_type, v_type;
};

// Bytes of the keys and values of n_ctx positions. The keys come first and are filled up to a cache line.
inline int64_t kv_layer_bytes(int64_t n_ctx, int64_t n_kv_heads, int64_t head_dim, KvType k_type, KvType v_type) {
  const int64_t keys = n_ctx * n_kv_heads * kv_bytes(k_type, head_dim),
                values = n_ctx * n_kv_heads * kv_bytes(v_type, head_dim);
  return (keys + 63) / 64 * 64 + (values + 63) / 64 * 64;
}

// The view of such a piece of memory.
inline KvView kv_view(uint8_t* bytes, int64_t n_ctx, int64_t n_kv_heads, int64_t head_dim, KvType k_type,
                      KvType v_type) {
  const int64_t k_head = kv_bytes(k_type, head_dim), v_head = kv_bytes(v_type, head_dim);
  const int64_t keys = (n_ctx * n_kv_heads * k_head + 63) / 64 * 64;
  return {bytes, bytes + keys, n_kv_heads * k_head, n_kv_heads * v_head, k_head, v_head, k_type, v_type};
}

// A delta net's memory: state (Hv, Dv/16, Dk, 16) and two banks of records (max_draft, record_stride), a record being
// [k (Hk, Dk) | v (Hv, Dv) | beta (Hv) | decay (Hv)] of one draft row.
struct DeltaView {
  float* state;
  const float* pending;  // the records that the state has not seen yet
  int n_pending;
  bool keep;     // they are accepted; else drafts that this step's go on from, and the state stays as it is
  float* fresh;  // where this step's draft rows are recorded
  int64_t record_stride;
};

// Raw pre-convolution columns of the last positions: the column of position p >= 0 is at slot p % n_slots.
struct ConvView {
  float* columns;  // (n_slots, C)
  int64_t n_slots;
};

}  // namespace nextn
