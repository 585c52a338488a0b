// Templates rendered as Python's jinja2 renders them: published ones, and small ones of our own, one feature each
// (tools/jinja_vectors.py wrote what is expected).
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace nextn::jinja {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kNow = 1'700'000'000;  // 2023-11-14 22:13:20 UTC

Json read_json(const std::string& path) {
  std::ifstream in(path);
  return Json::parse(in);
}

std::string rendered(const std::string& source, const Json& context, const Limits& limits = {}) {
  return render(parse(source), Value::of(context), limits, kNow);
}

std::string error_of(const std::string& source, const Json& context = Json::object(), const Limits& limits = {}) {
  try {
    return "no error: " + rendered(source, context, limits);
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(Jinja, PublishedTemplatesAreRenderedAsByThePublishersLibrary) {
  const char* const data = std::getenv("NEXTN_TEST_DATA");
  if (data == nullptr) GTEST_SKIP() << "NEXTN_TEST_DATA is not set";
  const std::string folder = std::string(data) + "/data/templates/";
  const Json golden = read_json(folder + "golden.json");
  int n = 0;
  for (const auto& [name, by_context] : golden.at("rendered").items()) {
    std::ifstream in(folder + name);
    std::stringstream source;
    source << in.rdbuf();
    for (const auto& [context, expected] : by_context.items()) {
      n++;
      std::string found, error;
      try {
        found = rendered(source.str(), golden.at("contexts").at(context));
      } catch (const Error& e) {
        error = e.what();
      }
      EXPECT_EQ(found, expected.value("text", "")) << name << ", " << context << " " << error;
      EXPECT_EQ(error.empty(), !expected.contains("error")) << name << ", " << context << ": " << error;
    }
  }
  EXPECT_GT(n, 50);
}

TEST(Jinja, SmallTemplatesAreRenderedAsByPython) {
  const Json vectors = read_json(NEXTN_JINJA_VECTORS);
  for (const Json& v : vectors.at("cases")) {
    const std::string source = v.at("template");
    std::string found, error;
    try {
      found = rendered(source, vectors.at("context"));
    } catch (const Error& e) {
      error = e.what();
    }
    if (v.contains("error")) {
      EXPECT_NE(error, "") << source << " gives " << found;
    } else {
      EXPECT_EQ(error, "") << source;
      EXPECT_EQ(found, v.at("text").get<std::string>()) << source;
    }
  }
  EXPECT_GT(vectors.at("cases").size(), 150u);
}

TEST(Jinja, ErrorsNameTheLine) {
  EXPECT_EQ(error_of("a\n{{ b"), "chat template:2: expected an end of the tag, }}");
  EXPECT_EQ(error_of("{% if a %}\n\n"), "chat template:2: expected 'endif', found the end of the template");
  EXPECT_EQ(error_of("\n{{ raise_exception('No.') }}"), "chat template:2: No.");
  EXPECT_EQ(error_of("{{ a.b.c }}", {{"a", Json::object()}}), "chat template:1: 'b' is undefined, and has no 'c'");
  EXPECT_EQ(error_of("{% include 'x' %}"),
            "chat template:1: expected a statement that chat templates have, found 'include'");
  EXPECT_EQ(error_of("{{ 'a' | nothing }}"), "chat template:1: expected a filter that there is, found 'nothing'");
  EXPECT_EQ(error_of("{{ nothing('a') }}"), "chat template:1: expected a function, found Undefined 'nothing'");
  EXPECT_EQ(error_of("{% set a = [] %}{{ a.append(1) }}"),
            "chat template:1: 'append' would change a list, which a template may not");
}

TEST(Jinja, WhatATemplateMayTakeIsBounded) {
  EXPECT_EQ(error_of("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", Json::object(),
                     {.steps = 100000}),
            "chat template:1: expected at most 100000 steps, found more");
  EXPECT_EQ(error_of("{{ 'abcdefgh' * 1000000000 }}"),
            "chat template:1: expected at most 67108864 bytes or elements, found more");
  EXPECT_EQ(error_of("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
            "chat template:1: expected at most 400 operations within each other");
  EXPECT_EQ(error_of("{% set n = namespace(a=[]) %}{% for i in range(500) %}{% set n.a = [n.a] %}{% endfor %}"),
            "chat template:1: expected at most 100 lists within each other");
  EXPECT_EQ(error_of("{% set n = namespace() %}{% set n.n = n %}{{ n.n.n.x is defined }}"), "no error: False");
  EXPECT_EQ(error_of("{% set n = namespace() %}{% for i in [1] %}{% macro m() %}{{ i }}{% endmacro %}{% set n.m = m %}"
                     "{% endfor %}{{ n.m() }}"),
            "chat template:1: macro m: expected a call where it is known");
  EXPECT_EQ(error_of("{{ range(1000000) }}"), "chat template:1: range: expected at most 100000 numbers");
  EXPECT_EQ(error_of("{{ ('[' * 99999 ~ ']' * 99999) | from_json }}"),
            "chat template:1: from_json: expected JSON of a hundred levels at most");
  EXPECT_EQ(error_of("{{ ('[' * 90 ~ ']' * 90) | from_json | length }}"), "no error: 1");
  const std::string open(100000, '('), closed(100000, ')');
  EXPECT_NE(error_of("{{ " + open + "1" + closed + " }}").find("expected at most"), std::string::npos);
  std::string sum = "1";
  for (int i = 0; i < 100000; i++) sum += "+1";
  EXPECT_NE(error_of("{{ " + sum + " }}").find("expected an expression of at most"), std::string::npos);
  std::string ifs;
  for (int i = 0; i < 100000; i++) ifs += "{% if a %}";
  EXPECT_NE(error_of(ifs).find("expected at most"), std::string::npos);
  EXPECT_EQ(error_of("{{ x }}", {{"x", "aaaa"}}, {.bytes = 3}),
            "chat template:1: expected at most 3 bytes or elements, found more");
}

}  // namespace
}  // namespace nextn::jinja
