#include "api/block_reply.h"

#include <algorithm>

#include "text/tokenizer/unicode.h"

namespace nextn::api {

BlockReply::BlockReply(const ChatRequest& request, const ServedModel& model)
    : request_(request.generation), model_(model), parser_(request.format) {}

bool BlockReply::called() const noexcept {
  return std::ranges::any_of(blocks_, [](const Block& block) { return block.kind == Block::Kind::kCall; });
}

std::string BlockReply::piece(int, Piece&& piece) {
  return take(parser_.push(replace_invalid_utf8(piece.text)));
}

std::string BlockReply::done(int, const Generation& made) {
  std::string events = take(parser_.finish());
  events += close();
  end_reason_ = made.end_reason;
  stop_ = made.stop;
  stats_ = made.stats;
  n_predicted_ = static_cast<int64_t>(made.tokens.size());
  timings_ = timings_json(made);
  return events;
}

std::string BlockReply::take(const std::vector<ReplyEvent>& events) {
  std::string out;
  for (const ReplyEvent& event : events) {
    switch (event.kind) {
      case ReplyEvent::Kind::kReasoning:
        out += add(Block::Kind::kReasoning, event.text);
        break;
      case ReplyEvent::Kind::kContent:
        out += add(Block::Kind::kText, event.text);
        break;
      case ReplyEvent::Kind::kToolBegin:
        out += open({Block::Kind::kCall, event.id, event.text, ""});
        break;
      case ReplyEvent::Kind::kToolArguments:
        out += add(Block::Kind::kCall, event.text);
        break;
      case ReplyEvent::Kind::kToolEnd:
        out += close();
        break;
    }
  }
  return out;
}

std::string BlockReply::add(Block::Kind kind, const std::string& text) {
  std::string out;
  if (!open_ || blocks_.back().kind != kind) out += open({kind, random_id(""), "", ""});
  blocks_.back().text += text;
  if (streams()) out += block_delta(text);
  return out;
}

std::string BlockReply::open(Block block) {
  std::string out = close();
  blocks_.push_back(std::move(block));
  open_ = true;
  if (streams()) out += open_block();
  return out;
}

std::string BlockReply::close() {
  if (!open_) return {};
  open_ = false;
  return streams() ? close_block() : std::string();
}

}  // namespace nextn::api
