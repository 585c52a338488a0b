// Drafts under a grammar: the text is the same with any, and none is verified that the grammar forbids.
#include <gtest/gtest.h>

#include <numeric>

#include "draft/scripted_drafter.h"
#include "engine/scheduler.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "invariant_models.h"

namespace nextn {
namespace {

using Grammar = std::shared_ptr<const grammar::Grammar>;

Grammar schema(const char* text) {
  return grammar::parse_json_schema(nlohmann::ordered_json::parse(text));
}

Grammar record() {
  return schema(R"({"type": "object", "additionalProperties": false,
      "required": ["identifier_of_the_record", "confidence_in_percent", "kind_of_the_answer"],
      "properties": {"identifier_of_the_record": {"type": "string", "maxLength": 6},
                     "confidence_in_percent": {"type": "integer", "minimum": 0, "maximum": 100},
                     "kind_of_the_answer": {"enum": ["a_long_constant", "another_constant", "third"]}}})");
}

// Each wrong token of it is forbidden.
Grammar one_text() {
  return grammar::parse_gbnf(R"(root ::= "Z7#Q4%X9@K2&W5!J8$" "V3^H6*G1=N0+")");
}

int64_t sum(const std::vector<int64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

class GrammarDraftsOf : public testing::TestWithParam<const char*> {};

TEST_P(GrammarDraftsOf, TheTextIsTheSame) {
  EngineOptions options = engine_options(GetParam());
  options.n_parallel = options.n_sessions = 4;
  Engine engine(options);
  std::vector<GenerateParams> plain;
  for (const bool ignore_eos : {false, true}) {
    for (const float temp : {0.f, 1.f}) {
      for (const char* after : {"", "e"}) {
        GenerateParams p = generate_params(temp, 160);
        p.grammar = record();
        p.grammar_after = after;
        p.ignore_eos = ignore_eos;
        plain.push_back(p);
      }
    }
  }
  std::vector<Generation> expected;
  Session session(engine);
  for (const GenerateParams& p : plain) expected.push_back(session.generate(prompt_of(9), p));
  for (const auto& [head, suffix, adaptive] :
       {std::tuple(4, 0, false), {8, 0, true}, {0, 8, false}, {3, 6, false}, {8, 8, true}}) {
    Scheduler scheduler(engine, {});
    std::vector<Generation> together(plain.size());
    for (size_t i = 0; i < plain.size(); i++) {
      GenerateParams p = plain[i];
      p.draft_max = head;
      p.suffix_max = suffix;
      p.adaptive = adaptive;
      const Generation alone = session.generate(prompt_of(9), p);
      EXPECT_EQ(alone.text, expected[i].text) << i << ", head " << head << ", suffix " << suffix;
      EXPECT_EQ(alone.tokens, expected[i].tokens) << i;
      EXPECT_EQ(alone.row_digests, expected[i].row_digests) << i;
      EXPECT_EQ(alone.end_reason, expected[i].end_reason) << i;
      Request r = {prompt_of(9), p, {}, {}};
      r.on_done = [&together, i](Generation&& g) { together[i] = std::move(g); };
      r.on_error = [](const Error& e) { ADD_FAILURE() << e.what(); };
      scheduler.submit(std::move(r));
    }
    while (scheduler.step()) {
    }
    for (size_t i = 0; i < plain.size(); i++) EXPECT_EQ(together[i].row_digests, expected[i].row_digests) << i;
  }
}

TEST_P(GrammarDraftsOf, NoForbiddenDraftIsVerified) {
  Engine engine(engine_options(GetParam()));
  Session session(engine);
  GenerateParams p = generate_params(1, 60);
  p.grammar = one_text();
  const std::vector<int32_t> prompt = prompt_of(9);
  const Generation plain = session.generate(prompt, p);
  EXPECT_EQ(plain.end_reason, EndReason::kStop);
  std::vector<int32_t> text = prompt;
  text.insert(text.end(), plain.tokens.begin(), plain.tokens.end());
  p.draft_max = 8;
  for (const DraftScript script : {DraftScript::kWrong, DraftScript::kRandom}) {
    ScriptedDrafter drafter(script, text, static_cast<int32_t>(engine.model().info().n_vocab));
    p.drafter = &drafter;
    const Generation g = session.generate(prompt, p);
    EXPECT_EQ(g.tokens, plain.tokens);
    EXPECT_EQ(g.stats.drafted, g.stats.accepted);
    EXPECT_EQ(sum(g.stats.drafted) > 0, script == DraftScript::kRandom);
  }
}

// Keys cost no pass of a model; without drafting none are drafted.
TEST_P(GrammarDraftsOf, WhatIsForcedIsDrafted) {
  Engine engine(engine_options(GetParam()));
  Session session(engine);
  GenerateParams p = generate_params(0, 160);
  p.grammar = record();
  const Generation plain = session.generate(prompt_of(9), p);
  EXPECT_EQ(sum(plain.stats.drafted), 0);
  p.suffix_max = 8;
  const Generation g = session.generate(prompt_of(9), p);
  EXPECT_EQ(g.tokens, plain.tokens);
  EXPECT_GT(g.stats.forced_accepted, 10);
  EXPECT_LT(g.stats.cycles * 4, plain.stats.cycles * 3);
}

// The best token that the grammar allows is drafted, where the head alone would have had another.
TEST_P(GrammarDraftsOf, TheHeadDraftsWhatIsAllowed) {
  Engine engine(engine_options(GetParam()));
  Session session(engine);
  GenerateParams p = generate_params(1, 60);
  p.grammar = grammar::parse_gbnf("root ::= [Z#]{40}");
  p.draft_max = 5;
  const GenerateStats stats = session.generate(prompt_of(9), p).stats;
  EXPECT_EQ(stats.forced_drafted, 0);
  EXPECT_GT(stats.cycles, 7);
  EXPECT_GE(stats.lengths[5], stats.cycles - 5);  // fewer at the end of the text
}

INSTANTIATE_TEST_SUITE_P(Models, GrammarDraftsOf,
                         testing::Values("tiny-mixed-q8_0", "tiny-moe-mixed-q4_k_m", "tiny-glm46-mixed-q4_k_m"),
                         name_of_param);

}  // namespace
}  // namespace nextn
