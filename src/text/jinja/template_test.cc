// What no vector of jinja2 can say: errors in our words, bounds, threads of one template.
#include "text/jinja/template.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"

namespace nextn::jinja {
namespace {

using Json = nlohmann::ordered_json;

std::string render(std::string_view source, const Json& variables = Json::object()) {
  return Template(source).render(variables);
}

std::string error_of(std::string_view source, const Json& variables = Json::object()) {
  try {
    return "renders: " + render(source, variables).substr(0, 200);
  } catch (const Error& error) {
    return error.what();
  }
}

std::string repeated(std::string_view part, int n) {
  std::string out;
  for (int i = 0; i < n; i++) out += part;
  return out;
}

TEST(JinjaTemplate, ErrorsSayWhereWhatWasExpectedAndFound) {
  EXPECT_EQ(error_of("a\nb {{ 1 + }}"), "chat template:2: expected an expression, found }}");
  EXPECT_EQ(error_of("{% if x %}\ny\n"),
            "chat template:2: expected {% endif %} for line 1, found the end of the template");
  EXPECT_EQ(error_of("{{ (1, 2 ]}}"), "chat template:1: expected ')', found ']'");
  EXPECT_EQ(error_of("{% include 'x' %}"),
            "chat template:1: expected a tag that chat templates use, found 'include', which is not supported");
  EXPECT_EQ(error_of("{{ x|nothing }}"), "chat template:1: No filter named 'nothing'.");
  EXPECT_EQ(error_of("\n{{ 'a' + \n 1 + 'b' }}"), "chat template:2: can only concatenate str (not \"int\") to str");
  EXPECT_EQ(error_of("{% macro m(x) %}\n{{ x.y.z }}\n{% endmacro %}\n\n{{ m({}) }}"),
            "chat template:2: 'dict object' has no attribute 'y'");
}

TEST(JinjaTemplate, CodesTellTheFileFromTheRequest) {
  try {
    Template("{% if %}");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kFile);
  }
  try {
    render("{{ raise_exception('no') }}");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kRequest);
    EXPECT_STREQ(error.what(), "chat template:1: no");
  }
  EXPECT_EQ(error_of("x", Json::array()), "chat template:1: expected an object of variables, found another value");
}

TEST(JinjaTemplate, TheNameIsTheCallers) {
  try {
    Template("{{", "model.gguf: tokenizer.chat_template");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "model.gguf: tokenizer.chat_template:1: expected an expression, found the end of the template");
  }
}

TEST(JinjaTemplate, BytesThatAreNoUtf8PassThrough) {
  const std::string bytes = "a\xff\xc3";
  EXPECT_EQ(render("{{ x }}{{ x|length }}{{ x[1] }}{{ x|upper }}", {{"x", bytes}}), bytes + "3\xff" + "A\xff\xc3");
  EXPECT_EQ(render("{{ x|tojson }}", {{"x", bytes}}), "\"a\ufffd\ufffd\"");
  EXPECT_EQ(render("\xff{{ '\xfe' }}"), "\xff\xfe");
}

TEST(JinjaTemplate, JsonNumbersKeepTheirDigits) {
  const Json x = Json::parse("[18446744073709551615, -9223372036854775808, 1e20, 0.1, 1.0]");
  EXPECT_EQ(render("{{ x|tojson }}", {{"x", x}}), "[18446744073709551615, -9223372036854775808, 1e+20, 0.1, 1.0]");
}

TEST(JinjaTemplate, SeveralThreadsMayRenderOne) {
  const Template shared("{% for x in xs %}{{ x|tojson }}{% endfor %}{{ range(3)|list }}");
  std::vector<std::string> texts(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < texts.size(); i++) {
    threads.emplace_back([&, i] { texts[i] = shared.render({{"xs", {1, "a"}}}); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& text : texts) EXPECT_EQ(text, "1\"a\"[0, 1, 2]");
}

// Each must end soon, in an error.
class JinjaBounds : public testing::Test {
 protected:
  void expect_refused(const std::string& source, const Json& variables = Json::object()) {
    RenderOptions options;
    options.limits.steps = 2'000'000;
    options.limits.bytes = 16 << 20;
    std::string error;
    try {
      Template(source).render(variables, options);
    } catch (const Error& caught) {
      error = caught.what();
    }
    EXPECT_TRUE(error.starts_with("chat template:")) << source.substr(0, 100) << "\n" << error;
    EXPECT_TRUE(error.find("expected at most") != error.npos || error.find("nested at most") != error.npos ||
                error.find("levels deep") != error.npos || error.find("template of at most") != error.npos ||
                error.find("Range too big") != error.npos || error.find("at most 127 bits") != error.npos)
        << source.substr(0, 100) << "\n"
        << error;
  }
};

TEST_F(JinjaBounds, Steps) {
  expect_refused("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}");
  expect_refused("{% for a in range(99999) %}{% set x = (range(99999)|list) == (range(99999)|list) %}{% endfor %}");
  expect_refused("{% for a in range(99999) %}{{ range(99999)|select('odd')|first }}{% endfor %}");
}

TEST_F(JinjaBounds, Bytes) {
  expect_refused("{{ 'x' * 1000000000000 }}");
  expect_refused("{{ [1] * 1000000000000 }}");
  expect_refused("{{ 'x' * (2 ** 126) }}");
  expect_refused("{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}");
  expect_refused("{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}");
  expect_refused("{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}");
  expect_refused("{% set s = 'x' * 100000 %}{{ s|replace('x', s) }}");
  expect_refused("{% set s = 'x' * 100000 %}{{ s.replace('', s) }}");
  expect_refused("{% set s = 'x' * 100000 %}{{ s.join(s) }}");
  expect_refused("{% set s = 'x' * 100000 %}{{ s|join(s) }}");
  expect_refused("{% set s = 'x\n' * 100000 %}{{ s|indent(100000) }}");
  expect_refused("{{ '%1000000000d' % 1 }}");
  expect_refused("{{ '%*d' % (2000000000, 1) }}");
  expect_refused("{{ '{:>1000000000}'.format(1) }}");
  expect_refused("{{ 'x'.center(2 ** 62) }}{{ 'x'.zfill(2 ** 62) }}");
  expect_refused("{{ 'x'|center(2 ** 62) }}");
  expect_refused("{{ [[1]]|tojson(indent=2 ** 62) }}");
  expect_refused("{% for i in range(99999) %}{{ 'x' * 99999 }}{% endfor %}");
  expect_refused("{{ '%.1000000f' % 1 }}");
}

TEST_F(JinjaBounds, ValuesThatShareTheirParts) {
  const std::string twice =
      "{% set n = namespace(s=[1]) %}{% for i in range(90) %}{% set n.s = [n.s, n.s] %}{% endfor %}";
  expect_refused(twice + "{{ n.s }}");
  expect_refused(twice + "{{ n.s|tojson }}");
  expect_refused(twice +
                 "{% set a = n.s %}{% set n.s = [1] %}{% for i in range(90) %}{% set n.s = [n.s, n.s] %}{% endfor %}"
                 "{{ a == n.s }}");
}

TEST_F(JinjaBounds, Depth) {
  expect_refused("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}");
  expect_refused("{% set n = namespace(s=[]) %}{% for i in range(1000) %}{% set n.s = [n.s] %}{% endfor %}");
  expect_refused("{% set n = namespace(s={}) %}{% for i in range(1000) %}{% set n.s = {'a': n.s} %}{% endfor %}");
  expect_refused(
      "{% set n = namespace(s=[]) %}{% for i in range(1000) %}{% for x in [n.s] %}{% set n.s = loop %}{% endfor %}"
      "{% endfor %}");
  expect_refused("{% set n = namespace(s=[]) %}{% for i in range(1000) %}{% set n.s = [n.s].index %}{% endfor %}");
  expect_refused("{{ x }}", {{"x", Json::parse(repeated("[", 500) + repeated("]", 500))}});
  expect_refused("{{ ('[' * 500 ~ ']' * 500)|from_json }}");
  expect_refused("{{ ('[' * 99999 ~ ']' * 99999)|from_json }}");
  expect_refused("{% for x in [1] recursive %}{{ loop([x]) }}{% endfor %}");
}

TEST_F(JinjaBounds, Nesting) {
  const int n = 100'000;
  expect_refused("{{ " + repeated("(", n) + "1" + repeated(")", n) + " }}");
  expect_refused("{{ " + repeated("[", n) + repeated("]", n) + " }}");
  expect_refused("{{ " + repeated("{1:", n) + "1" + repeated("}", n) + " }}");
  expect_refused("{{ " + repeated("not ", n) + "1 }}");
  expect_refused("{{ " + repeated("- ", n) + "1 }}");
  expect_refused("{{ 1" + repeated(" + 1", n) + " }}");
  expect_refused("{{ 1" + repeated(" ** 1", n) + " }}");
  expect_refused("{{ 1" + repeated(" or 1", n) + " }}");
  expect_refused("{{ a" + repeated(".a", n) + " }}");
  expect_refused("{{ a" + repeated("[a", n) + repeated("]", n) + " }}");
  expect_refused("{{ a" + repeated("|upper", n) + " }}");
  expect_refused("{{ a" + repeated("()", n) + " }}");
  expect_refused("{{ a" + repeated("|d is odd|d", n) + " }}");
  expect_refused("{{ a" + repeated(" if a else a", n) + " }}");
  expect_refused("{{ a" + repeated(" if a", n) + " }}");
  expect_refused(repeated("{% if a %}", n));
  expect_refused(repeated("{% for a in a %}", n));
  expect_refused(repeated("{% macro a() %}", n));
  expect_refused("{% set " + repeated("(", n) + "a" + repeated(",)", n) + " = 1 %}");
  expect_refused("{% for " + repeated("(", n) + "a" + repeated(",)", n) + " in a %}{% endfor %}");
}

TEST_F(JinjaBounds, Numbers) {
  expect_refused("{{ 2 ** 1000000000 }}");
  expect_refused("{{ 2 ** 126 + 2 ** 126 }}");
  expect_refused("{{ 10 ** 37 * 100 }}");
  expect_refused("{{ " + repeated("9", 100) + " }}");
  expect_refused("{{ ('9' * 100)|int }}");
  expect_refused("{{ -(2 ** 126) - 2 ** 126 - 1 }}");
  expect_refused("{{ range(100001) }}");
  expect_refused("{{ range(-(2 ** 126), 2 ** 126) }}");
  EXPECT_EQ(render("{{ 1 ** 1000000000 }}{{ (-1) ** 3 }}{{ 0 ** 0 }}"), "1-11");
  EXPECT_EQ(render("{{ -(2 ** 126) - 2 ** 126 }} {{ '%d' % (-(2 ** 126) - 2 ** 126) }}"),
            "-170141183460469231731687303715884105728 -170141183460469231731687303715884105728");
  EXPECT_EQ(error_of("{{ (-(2 ** 126) - 2 ** 126) // -1 }}").find("renders"), std::string::npos);
  EXPECT_EQ(error_of("{{ -(-(2 ** 126) - 2 ** 126) }}").find("renders"), std::string::npos);
}

TEST_F(JinjaBounds, WhatHoldsItselfIsFreed) {
  EXPECT_EQ(render("{% set n = namespace() %}{% set n.n = n %}{% set n.l = [n] %}{{ n.n.n.l[0] == n }}"), "True");
  EXPECT_EQ(render("{% for x in [1] %}{{ loop.changed(loop) }}{{ loop.changed(loop.changed) }}{% endfor %}"),
            "TrueTrue");
  EXPECT_EQ(
      render(
          "{% set n = namespace() %}{% for x in [1] %}{% macro m() %}{{ x }}{% endmacro %}{% set n.m = m %}{% endfor %}"
          "{{ n.m() }}"),
      "1");
}

TEST_F(JinjaBounds, LongTextsAreReadInLinearTime) {
  const std::string text(1 << 20, 'a');
  EXPECT_EQ(
      render("{{ (x[:500000] ~ 'b') in x }}{{ x.split('b')|length }}{{ x.rsplit('a', 1)|length }}{{ x.rfind('b') }}"
             "{{ x|trim|length }}{{ x.split()|length }}{{ x.count('aa') }}",
             {{"x", text}}),
      "False12-110485761524288");
}

}  // namespace
}  // namespace nextn::jinja
