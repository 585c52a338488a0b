// Places in the text of one sequence that it can go back to. Keys and values are addressed by position and stay where
// they are; what a checkpoint keeps is what a later step overwrites: delta-net states, the last columns of the
// convolutions, and the hidden state that the next pair of the MTP head needs.
//
// They are good as long as the text before them is the sequence's own: whoever goes back drops those beyond.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "state/sequence_state.h"

namespace nextn {

class Checkpoints {
 public:
  // Room for n of them; 0: none is ever kept. Throws Error{kSystem}.
  Checkpoints(const StateShape& shape, int n);
  static size_t size_bytes(const StateShape& shape, int n) noexcept;  // that the constructor takes

  bool none() const noexcept { return slots_.empty(); }
  int64_t last() const noexcept;                 // the largest length kept; 0 for none
  int64_t nearest(int64_t most) const noexcept;  // the largest that is at most `most`; 0 for none
  size_t bytes_taken() const noexcept { return bytes_.size(); }
  int room() const noexcept { return static_cast<int>(slots_.size()); }  // how many can be kept
  std::vector<int64_t> lengths() const;                                  // of those that are, rising
  size_t bytes_of_one() const noexcept { return size_; }                 // bytes

  // The state's delta nets stand after `length` tokens (draft rows beyond are records alone); hidden: (n_embd), the
  // output-norm hidden state of the last of them. Where there is no room, of all but the last two the
  // one goes that is closest to the one before it.
  void save(SequenceState& state, int64_t length, const float* hidden) noexcept;
  // Puts back what was saved at exactly this length, pending_hidden() included; keys and values are the caller's.
  void restore(SequenceState& state, int64_t length) const noexcept;
  // The same checkpoint of another sequence of this shape.
  void copy(const Checkpoints& from, int64_t length) noexcept;
  void drop_beyond(int64_t length) noexcept;

  // For keeping them elsewhere: the bytes, bytes_of_one() of them, of the checkpoint of this length, and of a new one
  // that is longer than all others and that the caller fills in.
  std::span<uint8_t> bytes(int64_t length) noexcept;
  std::span<uint8_t> add(int64_t length) noexcept { return {make_room(length), size_}; }

 private:
  struct Slot {
    int64_t length;
    uint8_t* bytes;
  };

  const Slot* find(int64_t length) const noexcept;
  uint8_t* make_room(int64_t length) noexcept;
  template <class Part>
  void for_parts(SequenceState& state, int64_t length, const Part& part) const noexcept;

  size_t size_;  // of one
  AlignedBuffer bytes_;
  std::vector<Slot> slots_;  // those in use first, by rising length
  size_t n_used_ = 0;
};

}  // namespace nextn
