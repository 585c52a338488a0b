// The controller against made-up machines and texts, in made-up time: never much slower than plain decoding, never much
// slower than the best fixed number of drafts, and quick to follow a change.
#include "draft/controller.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <random>

namespace nextn {
namespace {

constexpr int kMaxDraft = 7;
constexpr int kTokens = 192, kTexts = 40;

struct Machine {
  const char* name;
  std::vector<double> verify;  // true ms of 1 .. 8 rows
  double draft;
};

const Machine kMachines[] = {
    {"wide vectors, large model", {66, 66, 68, 78, 95, 114, 132, 150}, 4},
    {"wide vectors, small model", {14, 14, 14.2, 15.7, 18.7, 22, 25, 29}, 1.5},
    {"full vocabulary", {14, 14, 14.2, 15.7, 18.7, 22, 25, 29}, 5.5},
    {"narrow vectors", {130, 170, 220, 280, 340, 400, 460, 520}, 8},
    {"slow kernels", {130, 240, 340, 450, 560, 670, 780, 890}, 8},
};

// A draft is right with probability accept(token index); its confidence tells something of it, or nothing.
struct Text {
  std::function<double(int)> accept;
  bool telling = false;
};

// ms to decode from `first` to `last`. Without a controller and its costs: k drafts in every cycle.
double decode(const Machine& machine, const Text& text, StepCosts* costs, DraftController* controller, size_t k,
              int first, int last, std::mt19937& random) {
  std::uniform_real_distribution<double> uniform(0, 1);
  std::lognormal_distribution<double> noise(0, 0.05);
  double ms = 0;
  for (int at = first; at < last;) {
    const size_t limit = static_cast<size_t>(std::min(kMaxDraft, last - at - 1));
    std::array<bool, kMaxDraft> right{};
    size_t n = 0;
    const auto draft = [&] {
      const bool is_right = uniform(random) < text.accept(at + static_cast<int>(n));
      const double blur = uniform(random);
      right[n++] = is_right;
      return static_cast<float>(!text.telling ? blur : is_right ? 1 - 0.5 * blur : 0.7 * blur);
    };
    size_t n_verified;
    if (controller == nullptr) {
      while (n < std::min(k, limit)) draft();
      n_verified = n;
    } else {
      controller->begin_cycle(static_cast<int>(limit));
      while (controller->wants_draft()) controller->drafted(draft());
      n_verified = static_cast<size_t>(controller->n_to_verify());
    }
    size_t n_right = 0;
    while (n_right < n_verified && right[n_right]) n_right++;
    const double draft_ms = static_cast<double>(n) * machine.draft * noise(random);
    const double verify_ms = machine.verify[n_verified] * noise(random);
    const int n_tokens = static_cast<int>(n_right) + 1;
    if (controller != nullptr) {
      for (size_t i = 0; i < std::min(n, n_right + 1); i++) controller->saw(static_cast<int>(i), right[i]);
      controller->end_cycle(static_cast<int>(n_verified), n_tokens, draft_ms, verify_ms);
      costs->saw_drafts(DraftKind::kHead, std::vector<int>(n, 1), draft_ms);
      costs->saw_verify(static_cast<int>(n_verified) + 1, verify_ms);
    }
    ms += draft_ms + verify_ms;
    at += n_tokens;
  }
  return ms;
}

// ms for kTokens tokens, mean of kTexts texts; each begins with a fresh controller.
double controlled(const Machine& machine, const Text& text) {
  double ms = 0;
  for (int seed = 0; seed < kTexts; seed++) {
    std::mt19937 random(static_cast<uint32_t>(seed));
    StepCosts costs(machine.verify, {machine.draft, machine.draft});
    DraftController controller(costs, kMaxDraft);
    ms += decode(machine, text, &costs, &controller, 0, 0, kTokens, random) / kTexts;
  }
  return ms;
}

double fixed(const Machine& machine, const Text& text, size_t k) {
  double ms = 0;
  for (int seed = 0; seed < kTexts; seed++) {
    std::mt19937 random(static_cast<uint32_t>(seed));
    ms += decode(machine, text, nullptr, nullptr, k, 0, kTokens, random) / kTexts;
  }
  return ms;
}

TEST(DraftController, IsNeverMuchSlowerThanPlainDecodingOrTheBestFixedLength) {
  for (const Machine& machine : kMachines) {
    for (const bool telling : {false, true}) {
      for (const double a : {0.0, 0.2, 0.4, 0.6, 0.75, 0.9, 1.0}) {
        const Text text = {[a](int) { return a; }, telling};
        const double ms = controlled(machine, text), plain = fixed(machine, text, 0);
        double best = plain;
        size_t best_k = 0;
        for (size_t k = 1; k <= kMaxDraft; k++) {
          if (const double f = fixed(machine, text, k); f < best) {
            best = f;
            best_k = k;
          }
        }
        EXPECT_GT(plain / ms, 0.98) << machine.name << ", accept " << a << ", telling " << telling;
        EXPECT_GT(best / ms, 0.95) << machine.name << ", accept " << a << ", telling " << telling << ", best k "
                                   << best_k;
      }
    }
  }
}

// A second row costs much and a draft is dear: only long drafts pay, and only if all of them are right.
TEST(DraftController, LosesNextToNothingWhereHardlyAnythingPays) {
  const Machine machine = {"small model", {0.6, 1.0, 1.35, 1.7, 2.0, 2.4, 2.7, 3.0}, 0.2};
  for (const double a : {0.0, 0.5, 0.7, 0.9, 1.0}) {
    const Text text = {[a](int) { return a; }};
    EXPECT_GT(fixed(machine, text, 0) / controlled(machine, text), 0.989) << a;
  }
  const Text right = {[](int) { return 1.0; }};
  std::mt19937 random(1);
  StepCosts costs(machine.verify, {machine.draft, machine.draft});
  DraftController controller(costs, kMaxDraft);
  decode(machine, right, &costs, &controller, 0, 0, 1024, random);
  const double ms = decode(machine, right, &costs, &controller, 0, 1024, 2048, random);
  EXPECT_GT(decode(machine, right, nullptr, nullptr, kMaxDraft, 1024, 2048, random) / ms, 0.95);
}

// The table says that further rows cost more than they do, so much that no draft seems worth it; or less.
TEST(DraftController, FindsOutThatATableIsWrong) {
  const Machine& machine = kMachines[3];
  const Text text = {[](int) { return 0.8; }};
  for (const double factor : {0.5, 2.0}) {
    std::vector<double> wrong = machine.verify;
    for (size_t i = 1; i < wrong.size(); i++) wrong[i] = std::max(wrong[0], wrong[i] * factor);
    double misled_ms = 0, informed_ms = 0;
    for (int seed = 0; seed < kTexts; seed++) {
      std::mt19937 random(static_cast<uint32_t>(seed));
      StepCosts wrong_costs(wrong, {machine.draft, machine.draft}),
          costs(machine.verify, {machine.draft, machine.draft});
      DraftController misled(wrong_costs, kMaxDraft), informed(costs, kMaxDraft);
      decode(machine, text, &wrong_costs, &misled, 0, 0, 1024, random);
      misled_ms += decode(machine, text, &wrong_costs, &misled, 0, 1024, 2048, random);
      informed_ms += decode(machine, text, &costs, &informed, 0, 1024, 2048, random);
    }
    EXPECT_GT(informed_ms / misled_ms, 0.95) << "table " << factor << " times the truth";
  }
}

// As with a high --spec-draft-p-min: the head's pass is paid for, and there is no draft.
TEST(DraftController, LeavesADrafterAloneThatGivesUp) {
  StepCosts costs({10, 11, 12, 13, 14, 15, 16, 17}, {2, 2});
  DraftController controller(costs, kMaxDraft);
  int n_asked = 0;
  for (int i = 0; i < 500; i++) {
    controller.begin_cycle(kMaxDraft);
    if (controller.wants_draft()) {
      n_asked++;
      controller.gave_up();
    }
    EXPECT_EQ(controller.n_to_verify(), 0);
    controller.end_cycle(0, 1, 0, 10);
  }
  EXPECT_GT(n_asked, 0);  // it may change its mind
  EXPECT_LT(n_asked, 60);
}

// ms for n_users texts of 96 tokens that share their steps, each with a controller of its own, mean of kTexts. verify:
// by rows - 1, up to four rows for each user. further: what each further user of a pass of the head adds to its time,
// as a share of `draft`; the first is what makes a pass.
double together(const std::vector<double>& verify, double draft, double further, double accept, size_t n_users) {
  double ms = 0;
  for (int seed = 0; seed < kTexts; seed++) {
    std::mt19937 random(static_cast<uint32_t>(seed));
    std::uniform_real_distribution<double> uniform(0, 1);
    StepCosts costs(verify, {draft, draft});
    struct User {
      DraftController controller;
      int left = 96, n_verified = 0;
      double draft_ms = 0;
      std::vector<bool> right = {};
    };
    std::vector<User> users;
    for (size_t i = 0; i < n_users; i++) users.push_back({DraftController(costs, kMaxDraft)});
    for (size_t first = 0;; first++) {
      std::vector<User*> writing, round;
      for (size_t i = 0; i < n_users; i++) {
        User& u = users[(first + i) % n_users];
        if (u.left > 0) writing.push_back(&u);
      }
      if (writing.empty()) break;
      const int n_writing = static_cast<int>(writing.size());
      int rows = n_writing, sharers = n_writing, spare = static_cast<int>(verify.size()) - n_writing;
      const auto others_of = [&](const User& user) {
        Company company = {rows - 1 - static_cast<int>(user.right.size()), 0, 0, sharers};
        for (const User* u : writing) {
          if (u == &user) continue;
          company.tokens += u->controller.expected_tokens(static_cast<int>(u->right.size()));
          company.draft_ms += u->draft_ms;
        }
        return company;
      };
      for (User* u : writing) {
        u->right.clear();
        u->draft_ms = 0;
        u->controller.begin_cycle(std::min({static_cast<int>(kMaxDraft), spare, u->left - 1}), others_of(*u));
      }
      std::vector<int> passes;
      double passes_ms = 0;
      for (round = writing; !round.empty();) {
        std::vector<User*> wanting;
        for (User* u : round) {
          Company others = others_of(*u);
          others.rows += static_cast<int>(wanting.size());
          u->controller.meet(others);
          if (spare > static_cast<int>(wanting.size()) && u->controller.wants_draft()) wanting.push_back(u);
        }
        round = wanting;
        if (round.empty()) break;
        sharers = static_cast<int>(round.size());
        const double pass_ms = draft * (1 + further * (sharers - 1));
        for (User* u : round) {
          u->right.push_back(uniform(random) < accept);
          u->controller.drafted(static_cast<float>(uniform(random)));
          u->draft_ms += pass_ms / sharers;
        }
        rows += sharers;
        spare -= sharers;
        passes.push_back(sharers);
        passes_ms += pass_ms;
      }
      costs.saw_drafts(DraftKind::kHead, passes, passes_ms);
      for (User* u : writing) {
        u->controller.meet(others_of(*u));
        u->n_verified = u->controller.n_to_verify();
        rows -= static_cast<int>(u->right.size()) - u->n_verified;
      }
      const double verify_ms = verify[static_cast<size_t>(rows) - 1];
      for (User* u : writing) {
        int n = 0;
        while (n < u->n_verified && u->right[static_cast<size_t>(n)]) n++;
        for (int j = 0; j <= std::min(n, static_cast<int>(u->right.size()) - 1); j++) {
          u->controller.saw(j, u->right[static_cast<size_t>(j)]);
        }
        u->controller.end_cycle(u->n_verified, n + 1, u->draft_ms, verify_ms);
        u->left -= n + 1;
      }
      costs.saw_verify(rows, verify_ms);
      ms += (verify_ms + passes_ms) / kTexts;
    }
  }
  return ms;
}

TEST(DraftController, SeveralSequencesShareOneBudget) {
  // A Zen 3 (bench/LOG.md Z5): rows beyond the second cost a third of a step.
  std::vector<double> verify = {114, 136};
  while (verify.size() < 16) verify.push_back(verify.back() + 32);
  for (const size_t n_users : {2u, 4u}) {
    const double plain = 96 * verify[n_users - 1];
    for (const double draft : {5.0, 14.0}) {
      for (const double accept : {0.0, 0.4, 0.75, 0.95}) {
        for (const double further : {0.1, 0.4}) {
          EXPECT_GT(plain / together(verify, draft, further, accept, n_users), 0.955)
              << n_users << " users, " << draft << ", " << further << ", " << accept;
        }
      }
    }
    EXPECT_GT(plain / together(verify, 5, 0.4, 0.95, n_users), n_users == 2 ? 1.3 : 1.03);
    EXPECT_GT(plain / together(verify, 5, 0.1, 0.95, n_users), n_users == 2 ? 1.32 : 1.05);
  }
}

// A text in which copies take turns with `gap` new tokens; length_of says how many tokens of one there are to draft. A
// drafter of copies drafts on past the end of one, and is the surer the longer it has lasted. ms for 4096 tokens, k
// drafts at a time or, where k is negative, as many as the controller wants.
using LengthOf = std::function<int(std::mt19937&)>;
double copied(const std::vector<double>& verify, const LengthOf& length_of, int gap, int k) {
  const int most = static_cast<int>(verify.size()) - 1;
  StepCosts costs(verify, {1, 1});
  DraftController controller(costs, most, DraftKind::kFree);
  std::mt19937 words(1), random(1);
  std::lognormal_distribution<double> noise(0, 0.05);
  double ms = 0;
  int copied = 0, left = 0, fresh = gap;  // tokens: of the copy until now, of its rest, before it begins
  for (int at = 0; at < 4096;) {
    const bool matches = fresh == 0;
    int n_verified = matches ? std::max(k, 0) : 0;
    if (k < 0) {
      controller.begin_cycle(most);
      while (matches && controller.wants_draft()) {
        controller.drafted(static_cast<float>(copied) / (static_cast<float>(copied) + 4));
      }
      n_verified = controller.n_to_verify();
    }
    const int n_right = std::min(n_verified, std::max(left, 0));
    const double verify_ms = verify[static_cast<size_t>(n_verified)] * noise(random);
    if (k < 0) {
      for (int i = 0; i < std::min(n_right + 1, n_verified); i++) controller.saw(i, i < n_right);
      controller.end_cycle(n_verified, n_right + 1, 0, verify_ms);
      costs.saw_verify(n_verified + 1, verify_ms);
    }
    ms += verify_ms;
    at += n_right + 1;
    copied += n_right + 1;
    left -= n_right + 1;
    if (fresh > 0 && --fresh == 0) {
      copied = 3;  // by which it was found
      left = length_of(words);
    } else if (fresh == 0 && left < 0) {
      fresh = gap;
    }
  }
  return ms;
}

// Rows that read the weights a second time cost so much that the first of them never pays: all of them may.
TEST(DraftController, DraftsALongCopyPastTheFirstPassOverTheWeights) {
  std::vector<double> verify;  // 4b, much as bench/LOG.md Y21 has it
  for (int m = 1; m <= 32; m++) {
    verify.push_back(m <= 8 ? 110 + 8.2 * (m - 1) : m <= 16 ? 231 + 11 * (m - 9) : m < 24 ? 345 + 12 * (m - 17) : 530);
  }
  const auto about = [](double mean) -> LengthOf {
    return [mean](std::mt19937& random) { return std::geometric_distribution<int>(1 / mean)(random); };
  };
  const auto share_of_best = [&](const LengthOf& length_of, int gap) {
    double best = copied(verify, length_of, gap, 0);
    for (const int k : {1, 2, 3, 5, 7, 15, 31}) best = std::min(best, copied(verify, length_of, gap, k));
    return best / copied(verify, length_of, gap, -1);
  };
  for (const int gap : {1, 32}) {
    for (const double mean : {4, 8, 16, 32, 64, 128, 4096}) {
      EXPECT_GT(share_of_best(about(mean), gap), 0.95) << mean << ", " << gap;
    }
    // Lengths that are all the same, or of two kinds, belie that a copy is as likely to end here as there.
    for (const int length : {5, 12, 20}) {
      EXPECT_GT(share_of_best([=](std::mt19937&) { return length; }, gap), 0.98) << length << ", " << gap;
    }
    EXPECT_GT(share_of_best([](std::mt19937& random) { return random() % 4 == 0 ? 60 : 3; }, gap), 0.98) << gap;
  }
  EXPECT_GT(copied(verify, about(4096), 1, 7) / copied(verify, about(4096), 1, -1), 1.15);
}

TEST(DraftController, FollowsAChangeOfContentWithin64Tokens) {
  for (const Machine& machine : {kMachines[0], kMachines[1], kMachines[3]}) {
    for (const bool improving : {false, true}) {
      const double before = improving ? 0.05 : 0.95, after = improving ? 0.95 : 0.05;
      const Text text = {[=](int at) { return at < 256 ? before : after; }};
      const Text settled = {[=](int) { return after; }};
      double changed_ms = 0, settled_ms = 0;
      for (int seed = 0; seed < kTexts; seed++) {
        std::mt19937 random(static_cast<uint32_t>(seed));
        StepCosts costs(machine.verify, {machine.draft, machine.draft});
        DraftController controller(costs, kMaxDraft);
        decode(machine, text, &costs, &controller, 0, 0, 256 + 64, random);
        changed_ms += decode(machine, text, &costs, &controller, 0, 256 + 64, 256 + 256, random);
        StepCosts other_costs(machine.verify, {machine.draft, machine.draft});
        DraftController other(other_costs, kMaxDraft);
        decode(machine, settled, &other_costs, &other, 0, 0, 256 + 64, random);
        settled_ms += decode(machine, settled, &other_costs, &other, 0, 256 + 64, 256 + 256, random);
      }
      EXPECT_GT(settled_ms / changed_ms, 0.95) << machine.name << (improving ? " improving" : " worsening");
    }
  }
}

TEST(StepCosts, ForgetsOneBadMomentAndFollowsALastingChange) {
  StepCosts costs({10, 12, 15}, {1, 1});
  costs.saw_verify(2, 60);
  EXPECT_GT(costs.verify(2) / costs.verify(1), 1.2);
  for (int i = 0; i < 1000; i++) costs.saw_verify(1, 10);
  EXPECT_NEAR(costs.verify(1), 10, 0.1);
  EXPECT_NEAR(costs.verify(2), 12, 0.1);
  for (int i = 0; i < 200; i++) costs.saw_verify(1, 20);
  EXPECT_NEAR(costs.verify(1), 20, 0.5);
  EXPECT_GT(costs.verify(2), 18);  // the machine is slower, so this is too
  EXPECT_GT(costs.drafts(DraftKind::kHead, 1), 1.5);
}

TEST(StepCosts, LearnsWhatASharedPassOfTheDrafterTakes) {
  StepCosts costs({10, 11, 12, 13}, {2, 1});
  EXPECT_DOUBLE_EQ(costs.drafts(DraftKind::kHead, 2, 4), 3 * 1.3);  // thought to rise as a step does
  const std::vector<int> passes = {4, 4, 2};
  for (int i = 0; i < 400; i++) {
    costs.saw_drafts(DraftKind::kHead, passes, 8);
    costs.saw_drafts(DraftKind::kHead, std::vector<int>{1, 1}, 3);
    costs.saw_verify(1, 10);
  }
  EXPECT_NEAR(costs.drafts(DraftKind::kHead, 2), 3, 0.2);
  EXPECT_GT(costs.drafts(DraftKind::kHead, 2, 4), 3 * 1.6);
  EXPECT_NEAR(costs.verify(1), 10, 1);
}

TEST(StepCosts, MoreRowsNeverCostLess) {
  const StepCosts costs({10, 9, 15}, {1, 1});
  EXPECT_EQ(costs.verify(2), 10);
  EXPECT_EQ(costs.verify(1), 10);
  EXPECT_EQ(costs.verify(3) + costs.drafts(DraftKind::kHead, 2), 17);
}

}  // namespace
}  // namespace nextn
