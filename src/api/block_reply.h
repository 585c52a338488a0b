// Answers in blocks, one after the other: some reasoning, some text, a call. Anthropic's messages and OpenAI's
// responses are made of them; what opens, fills and closes a block is the protocol's.
#pragma once

#include <vector>

#include "api/chat_request.h"
#include "api/reply.h"

namespace nextn::api {

struct Block {
  enum class Kind { kReasoning, kText, kCall };

  Kind kind;
  std::string id;    // of the block, as the protocol wants it; of a call the call's
  std::string name;  // of a call
  std::string text;  // of a call its arguments, JSON
};

// One answer, whatever request.generation.n says.
class BlockReply : public Reply {
 public:
  BlockReply(const ChatRequest& request, const ServedModel& model);

  std::string piece(int choice, Piece&& piece) final;
  std::string done(int choice, const Generation& made) final;

 protected:
  // The events of a block's life; blocks_.back() is the block, `text` what has come to it.
  virtual std::string open_block() = 0;
  virtual std::string block_delta(const std::string& text) = 0;
  virtual std::string close_block() = 0;

  bool streams() const noexcept { return request_.stream; }
  bool called() const noexcept;  // some function

  const GenerationRequest request_;
  const ServedModel& model_;
  const int64_t created_ = now_in_seconds();
  std::vector<Block> blocks_;
  // of the end
  EndReason end_reason_ = EndReason::kEos;
  std::string stop_;
  GenerateStats stats_;
  int64_t n_predicted_ = 0;
  Json timings_ = nullptr;

 private:
  std::string take(const std::vector<ReplyEvent>& events);
  std::string add(Block::Kind kind, const std::string& text);
  std::string open(Block block);
  std::string close();

  ReplyParser parser_;
  bool open_ = false;
};

}  // namespace nextn::api
