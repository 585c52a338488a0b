// The check of a head's wiring: content with every model that is built as its publisher says, and not with one whose
// head reads its input the other way round.
#include "engine/wiring.h"

#include "tiny_model.h"

namespace nextn {
namespace {

class Wiring : public testing::TestWithParam<const char*> {};

TEST_P(Wiring, AsBuiltAgreesBest) {
  Engine engine(open_options(GetParam()));
  int n_rows = 0;
  const WiringReport report = check_wiring(engine, [&](const WiringReport::Row&) { n_rows++; });
  EXPECT_EQ(report.better, "");
  EXPECT_EQ(report.first_drafts.size(), 12u);
  EXPECT_EQ(report.second_drafts.size(), 2u);
  EXPECT_EQ(n_rows, 14);
  EXPECT_GT(report.first_drafts.front().agreement, 0.3);
  EXPECT_LT(report.first_drafts.front().agreement, 1);
}

INSTANTIATE_TEST_SUITE_P(Tiny, Wiring,
                         testing::Values("tiny-mixed-q8_0", "tiny-moe-mixed-q4_k_m", "tiny-glm45-mixed-q8_0",
                                         "tiny-glm46-mixed-q4_k_m", "tiny-next-mixed-q8_0"),
                         [](const auto& info) {
                           std::string name = std::string(info.param).substr(5);
                           std::erase(name, '-');
                           return name;
                         });

TEST(WiringOfAFile, WithTheHalvesOfItsProjectionExchangedIsSeen) {
  TestModel model("tiny-mixed-q8_0");
  TestTensor& eh_proj = model.tensor("blk.4.nextn.eh_proj.weight");
  Bytes bytes = *eh_proj.data;
  const size_t row = bytes.size() / static_cast<size_t>(eh_proj.n_rows());
  for (size_t at = 0; at < bytes.size(); at += row) {
    std::swap_ranges(&bytes[at], &bytes[at + row / 2], &bytes[at + row / 2]);
  }
  eh_proj.data = std::make_shared<const Bytes>(std::move(bytes));
  const Bytes file = model.bytes();
  Engine engine(memory_options(file));
  const WiringReport report = check_wiring(engine);
  EXPECT_EQ(report.better, "[hidden of p-1, embedding of p], after the output norm");
}

}  // namespace
}  // namespace nextn
