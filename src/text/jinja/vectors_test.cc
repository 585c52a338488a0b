// Against Python's jinja2: small templates of our own (tests/jinja), and the published ones that NEXTN_TEST_DATA leads
// to.
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/jinja/template.h"

namespace nextn::jinja {
namespace {

using Json = nlohmann::ordered_json;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// The time that tools/jinja_vectors.py tells.
RenderOptions fixed_time() {
  std::tm time{};
  time.tm_year = 2026 - 1900;
  time.tm_mon = 2;
  time.tm_mday = 9;
  time.tm_hour = 7;
  time.tm_min = 5;
  time.tm_sec = 3;
  time.tm_isdst = -1;
  RenderOptions options;
  options.now = std::chrono::system_clock::from_time_t(std::mktime(&time));
  return options;
}

// What rendering gives, or the error.
struct Outcome {
  std::string text, error;
};

Outcome outcome(const std::string& source, const Json& variables) {
  try {
    return {Template(source).render(variables, fixed_time()), {}};
  } catch (const Error& error) {
    return {{}, error.what()};
  }
}

TEST(JinjaVectors, SmallTemplates) {
  const Json vectors = Json::parse(read(NEXTN_JINJA_VECTORS));
  EXPECT_GT(vectors["cases"].size(), 400u);
  for (const Json& test : vectors["cases"]) {
    const std::string source = test["template"].get<std::string>();
    const Outcome ours = outcome(source, vectors["variables"]);
    if (test.contains("text")) {
      EXPECT_EQ(ours.error, "") << source;
      EXPECT_EQ(ours.text, test["text"].get<std::string>()) << source;
      continue;
    }
    EXPECT_NE(ours.error, "") << source << "\nrenders: " << ours.text;
    if (test.contains("line")) {
      const std::string place = "chat template:" + std::to_string(test["line"].get<int>()) + ": ";
      EXPECT_TRUE(ours.error.starts_with(place)) << source << "\n" << place << "\n" << ours.error;
    }
    if (test.contains("message")) {
      EXPECT_TRUE(ours.error.ends_with(": " + test["message"].get<std::string>())) << source << "\n" << ours.error;
    }
  }
}

TEST(JinjaVectors, PublishedTemplates) {
  const char* data = std::getenv("NEXTN_TEST_DATA");
  if (!data || *data == 0) GTEST_SKIP() << "NEXTN_TEST_DATA names no folder with the published templates";
  const std::string folder = std::string(data) + "/data/templates/";
  const Json golden = Json::parse(read(folder + "golden.json"));
  size_t n = 0;
  for (const auto& [name, renderings] : golden["rendered"].items()) {
    const std::string source = read(folder + name);
    for (const auto& [context, expected] : renderings.items()) {
      const Outcome ours = outcome(source, golden["contexts"][context]);
      if (expected.contains("text")) {
        EXPECT_EQ(ours.error, "") << name << ", " << context;
        EXPECT_EQ(ours.text, expected["text"].get<std::string>()) << name << ", " << context;
      } else {
        EXPECT_TRUE(ours.error.ends_with(": " + expected["error"].get<std::string>())) << name << "\n" << ours.error;
      }
      n++;
    }
  }
  EXPECT_EQ(n, 88u);
}

}  // namespace
}  // namespace nextn::jinja
