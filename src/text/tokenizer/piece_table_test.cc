#include "text/tokenizer/piece_table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nextn {
namespace {

TEST(PieceTable, FindsEveryPieceAndNothingElse) {
  constexpr int32_t kPieces = 5000;
  std::vector<std::string> pieces;
  for (int32_t id = 0; id < kPieces; id++) pieces.push_back(std::to_string(id * 7) + std::string(id % 3, '\0'));
  PieceTable table(pieces.size());
  for (int32_t id = 0; id < kPieces; id++) table.put(pieces[id], id);
  for (int32_t id = 0; id < kPieces; id++) EXPECT_EQ(table.find(std::string(pieces[id])), id);
  EXPECT_EQ(table.find(""), PieceTable::kNone);
  EXPECT_EQ(table.find("1"), PieceTable::kNone);
  EXPECT_EQ(table.find(pieces[1] + '\0'), PieceTable::kNone);
}

TEST(PieceTable, SmallTablesWrapAround) {
  for (int set = 0; set < 300; set++) {
    std::vector<std::string> pieces;
    for (int i = 0; i < 3; i++) pieces.push_back(std::to_string(3 * set + i));
    PieceTable table(pieces.size());
    for (int32_t id = 0; id < 3; id++) table.put(pieces[id], id);
    for (int32_t id = 0; id < 3; id++) EXPECT_EQ(table.find(pieces[id]), id) << pieces[id];
    EXPECT_EQ(table.find("-"), PieceTable::kNone);
  }
}

TEST(PieceTable, TheLastOfEqualPiecesCounts) {
  PieceTable table(2);
  table.put("a", 3);
  table.put(std::string_view("ba").substr(1), 5);
  EXPECT_EQ(table.find("a"), 5);
}

TEST(PieceTable, AnEmptyTableHasNothing) {
  EXPECT_EQ(PieceTable().find("a"), PieceTable::kNone);
}

}  // namespace
}  // namespace nextn
