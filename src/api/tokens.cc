#include "api/tokens.h"

namespace nextn::api {

Json tokenize(const Json& body, const ServedModel& model) {
  const Fields fields(body);
  const std::optional<std::string> text = fields.string("content");
  if (!text) fail(ErrorCode::kRequest, "content: expected text, found none");
  const std::vector<int32_t> ids = model.tokenizer->encode(*text, fields.boolean("add_special").value_or(false),
                                                           fields.boolean("parse_special").value_or(true));
  if (!fields.boolean("with_pieces").value_or(false)) return {{"tokens", ids}};
  Json tokens = Json::array();
  for (const int32_t id : ids) {
    tokens.push_back({{"id", id}, {"piece", std::string(model.tokenizer->piece(id, true))}});
  }
  return {{"tokens", std::move(tokens)}};
}

Json detokenize(const Json& body, const ServedModel& model) {
  const Json* const tokens = Fields(body).find("tokens");
  if (tokens == nullptr || !tokens->is_array()) fail(ErrorCode::kRequest, "tokens: expected an array of token ids");
  return {{"content", model.tokenizer->decode(read_prompt(*tokens, "tokens", model), true)}};
}

}  // namespace nextn::api
