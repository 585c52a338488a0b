#!/usr/bin/env python3
"""Writes tests/jinja/vectors.json: small templates of our own, and what Python's jinja2 makes of them.

The environment is the one in which Hugging Face renders chat templates: ImmutableSandboxedEnvironment, trim_blocks,
lstrip_blocks, loop controls, a `generation` tag, tojson = json.dumps(ensure_ascii=False), raise_exception, strftime_now
(of a fixed time); from_json is json.loads. A case has `template`, `variables` and either `text` or `error`: "syntax" with
jinja2's line, "message" with the text that must be ours too, "runtime" where only failing counts.
Needs: jinja2 3.1.6. Usage: jinja_vectors.py OUT
"""

import datetime
import json
import sys

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError, TemplateRuntimeError, TemplateSyntaxError, UndefinedError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2026, 3, 9, 7, 5, 3)

V = {
    "n": 3,
    "t": True,
    "lines": "one\n\n  two\nthree",
    "quoted": "it's \"x\" <&> \\ \t",
    "people": [{"name": "Bo", "age": 3, "tags": {"k": "v"}}, {"name": "al", "age": 10}, {"name": "Cy"}],
    "big": 9007199254740993,
    "f": 1.5,
    "yes": True,
    "no": False,
    "null": None,
    "s": "Hello, wörld",
    "empty": "",
    "spaced": "  a b  c \n",
    "html": "<a href=\"x\">it's & co</a>",
    "quotes": "it's \"both\"",
    "control": "tab\tnew\nline\\ \u0001 \u00a0 \u2028 \u007f 😀",
    "list": [3, 1, 2],
    "words": ["pear", "Apple", "fig", "apple"],
    "mixed": [1, "1", 1.0, True, None, [1], {"a": 1}],
    "nested": [[1, 2], [3, [4, 5]]],
    "d": {"b": 2, "a": 1, "C": 3},
    "deep": {"x": {"y": [10, {"z": "end"}]}},
    "shadow": {"items": "own", "get": 1, "keys": [1]},
    "users": [
        {"name": "bo", "age": 30, "tags": ["x"]},
        {"name": "Al", "age": 25, "tags": []},
        {"name": "cy", "age": 30},
    ],
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", "tool_calls": [{"name": "f", "arguments": {"a": 1, "b": "x"}}]},
        {"role": "tool", "content": None},
    ],
}


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("call"), [], [], body).set_lineno(line)

    def call(self, caller):
        return caller()


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])

    def raise_exception(message):
        raise TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    env.filters["tojson"] = tojson
    env.filters["from_json"] = json.loads
    return env


# ---- templates, one feature each

CASES = """
plain text
{# a comment #}after
a {#- both sides -#} b
{{ n }} {{ f }} {{ yes }} {{ no }} {{ null }} {{ big }}
{{ s }}{{ empty }}|{{ missing }}|
{{ list }} {{ mixed }} {{ d }} {{ nested }}
{{ quotes }} {{ [quotes, s, "a'b", 'c"d'] }}
{{ [control] }}
{{ 'a\\tb\\n\\x41\\u00e9\\U0001F600\\'\\"\\\\ \\q \\101 \\0' }}
{{ "adjacent" ' strings' }}
{{ 'wörld ✓' }}
{{ 1_000 + 0x1F + 0o17 + 0b101 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 2.50 }} {{ 1E2 }} {{ 12_3.5 }}
{{ 1e16 }} {{ 123456789012345680.0 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1e22 }} {{ 0.1 + 0.2 }} {{ 1e400 }} {{ -1e400 }}
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 4 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ -2 ** 2 }}
{{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 2 ** 0.5 }} {{ 2 ** 3 ** 2 }} {{ 1 - 2 - 3 }} {{ 2 + 3 * 4 }} {{ (2 + 3) * 4 }}
{{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ [1] * 2 }} {{ 'x' * -1 }}|{{ (1,) * 2 }} {{ 'a' * true }}
{{ yes + 1 }} {{ yes * 2.5 }} {{ -yes }} {{ +n }} {{ -f }}
{{ [1] + [2] }} {{ (1,) + (2, 3) }} {{ 'a' + 'b' }}
{{ 'a' ~ 1 ~ none ~ 1.0 ~ true ~ missing ~ [1] }}
{{ 'a' + 1 ~ 'b' + 'c' }}{{ '1' + 2 * 3 ~ 4 }}
{{ not yes }} {{ not missing }} {{ not not 1 }} {{ not empty }}
{{ 1 and 2 }} {{ 0 and 2 }} {{ 0 or 'x' }} {{ '' or none }} {{ 1 or missing.x }} {{ yes and no or n }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 == true }} {{ 3 > 2 >= 2 != 1 }}
{{ 'a' < 'b' }} {{ 'Z' < 'a' }} {{ 'é' > 'z' }} {{ [1, 2] < [1, 3] }} {{ (1,) <= (1, 0) }} {{ 1 < 1.5 }} {{ true > 0 }}
{{ 1 == '1' }} {{ none == false }} {{ [1, [2]] == [1, [2.0]] }} {{ (1,) == [1] }} {{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }} {{ missing == other }} {{ missing == none }} {{ missing != 1 }}
{{ 'ell' in s }} {{ 'x' not in s }} {{ 1 in list }} {{ '1' in list }} {{ 'a' in d }} {{ 1 in d }} {{ 'a' in missing }} {{ '' in '' }} {{ true in [1] }}
{{ not 'a' in d }} {{ 'a' in d and 'z' not in d }}
{{ 'yes' if yes else 'no' }} {{ 'a' if no }}|{{ 1 if no else 2 if no else 3 }} {{ ('x' if no) is defined }}
{{ (1, 2, 3) }} {{ (1,) }} {{ () }} {{ 1, 2 }} {{ [] }} {{ {} }} {{ [1, 2,] }} {{ {'a': 1,} }}
{{ {'a': 1, 2: 'b', none: true, (1, 2): []} }} {{ {1: 'a', 1.0: 'b', true: 'c'} }}
{{ list[0] }} {{ list[-1] }} {{ list[5] }}|{{ s[0] }}{{ s[-4] }}{{ s[99] }}|{{ d['a'] }} {{ d.b }} {{ d['zz'] }}|{{ (1, 2)[1] }}
{{ deep.x.y[1].z }} {{ deep['x']['y'].0 }} {{ nested.1.1.0 }} {{ deep.x.q is defined }}
{{ list[1:] }} {{ list[:1] }} {{ list[:-1] }} {{ list[::-1] }} {{ list[::2] }} {{ list[-2:] }} {{ list[5:] }} {{ list[2:0:-1] }} {{ list[:] }}
{{ s[7:] }} {{ s[:5] }} {{ s[::-1] }} {{ s[-4:-1] }} {{ s[1:8:3] }} {{ (1, 2, 3)[1:] }} {{ s[none:2] }} {{ list[true:] }}
{{ messages[1:][0].role }} {{ messages[::-1][0]['role'] }} {{ messages[loop_index|default(1)].content }}
{{ list['x'] }}|{{ s['x'] }}|{{ n['x'] }}|{{ null['x'] }}|{{ null.x }}|{{ list[1.5] }}|{{ d[[1]] }}|{{ list[none] }}
{{ shadow.items is defined }} {{ shadow['items'] }} {{ shadow.get is callable }} {{ shadow['get'] }} {{ shadow.keys is string }}
{{ d.items() }} {{ d.keys() }} {{ d.values() }} {{ d.items()|list }} {{ d.keys()|length }} {{ d['items']()|length }}
{{ d.get('a') }} {{ d.get('z') }} {{ d.get('z', 5) }} {{ d.get('z', default)|string }} {{ d.copy() }}
{{ d|length }} {{ s|length }} {{ list|count }} {{ missing|length }} {{ d.items()|length }} {{ range(4)|length }} {{ '😀é'|length }}
{{ list is defined }} {{ missing is defined }} {{ missing is undefined }} {{ d.zz is undefined }} {{ null is defined }} {{ missing is not defined }}
{{ null is none }} {{ missing is none }} {{ 0 is none }} {{ yes is true }} {{ 1 is true }} {{ no is false }} {{ none is false }}
{{ yes is boolean }} {{ 1 is boolean }} {{ 1 is integer }} {{ yes is integer }} {{ 1.0 is float }} {{ 1 is float }} {{ 1 is number }} {{ yes is number }} {{ '1' is number }}
{{ s is string }} {{ list is string }} {{ d is mapping }} {{ list is mapping }} {{ missing is mapping }} {{ missing is string }} {{ s|safe is string }}
{{ s is iterable }} {{ n is iterable }} {{ d is iterable }} {{ missing is iterable }} {{ null is iterable }} {{ d.items() is iterable }} {{ range(2) is iterable }}
{{ s is sequence }} {{ list is sequence }} {{ d is sequence }} {{ n is sequence }} {{ missing is sequence }} {{ d.items() is sequence }} {{ (1,) is sequence }} {{ (list|map('string')) is sequence }} {{ range(3) is sequence }}
{{ 3 is odd }} {{ 4 is even }} {{ 3 is even }} {{ -3 is odd }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }}
{{ 1 is eq 1 }} {{ 1 is equalto 2 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 1 is gt(2) }} {{ 2 is ge 2 }} {{ 2 is le 1 }} {{ 1 is sameas 1 }} {{ none is sameas none }} {{ 'a' is in 'abc' }} {{ 1 is in [1] }} {{ 1 is not in [1] }} {{ 1 is lessthan 2 }} {{ 1 is greaterthan 2 }}
{{ 'abc' is lower }} {{ 'aBc' is lower }} {{ 'ABC' is upper }} {{ '1' is upper }} {{ 'A1' is upper }} {{ 'é' is lower }}
{{ range is callable }} {{ s is callable }} {{ missing is callable }} {{ s.upper is callable }}
{{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }} {{ 'nope' is test }}
{{ (s|safe) is escaped }} {{ s is escaped }}
{{ 1 is number and 'a' is string }} {{ not 1 is string }} {{ 'x' if 1 is number else 'y' }}
{{ s|upper }} {{ s|lower }} {{ 'straße'|upper }} {{ s|title }} {{ 'heLLO woRLD-foo (bar'|title }} {{ 'heLLO wOrld'|capitalize }} {{ n|upper }} {{ none|lower }}
[{{ spaced|trim }}] [{{ 'xxaxx'|trim('x') }}] [{{ n|trim }}] [{{ '\\u00a0a\\u3000'|trim }}]
{{ missing|default('x') }} {{ missing|d }}|{{ null|default('x') }} {{ null|default('x', true) }} {{ empty|default('x', boolean=true) }} {{ 0|default(5) }} {{ missing.foo|default(1) if missing is defined else 'none' }}
{{ list|join }} {{ list|join(', ') }} {{ users|join('-', attribute='name') }} {{ [1, none, true]|join(',') }} {{ 'abc'|join('.') }} {{ d|join }} {{ missing|join(',') }}
{{ list|first }} {{ list|last }} {{ s|first }} {{ s|last }} {{ d|first }} {{ d|last }} {{ []|first }}|{{ []|last }}|{{ [] | first is defined }}
{{ list|sort }} {{ list|sort(reverse=true) }} {{ words|sort }} {{ words|sort(case_sensitive=true) }} {{ users|sort(attribute='age')|map(attribute='name')|list }} {{ users|sort(attribute='age,name')|map(attribute='name')|list }} {{ 'bca'|sort }} {{ d|sort }}
{{ words|unique|list }} {{ words|unique(true)|list }} {{ users|unique(attribute='age')|map(attribute='name')|list }} {{ [1, 1.0, true, '1']|unique|list }}
{{ list|min }} {{ list|max }} {{ words|min }} {{ words|max }} {{ users|max(attribute='age') }} {{ []|min }}|{{ words|max(case_sensitive=true) }}
{{ list|sum }} {{ users|sum(attribute='age') }} {{ list|sum(start=10) }} {{ []|sum }} {{ [0.5, 1]|sum }}
{{ list|reverse|list }} {{ s|reverse }} {{ (1, 2)|reverse|list }} {{ d|reverse|list }}
{{ users|map(attribute='name')|list }} {{ users|map(attribute='tags', default='none')|list }} {{ users|map(attribute='tags.0', default='-')|list }} {{ words|map('upper')|list }} {{ words|map('replace', 'p', 'q')|join(',') }} {{ list|map('string')|list }} {{ nested|map('first')|list }} {{ nested|map(attribute=0)|list }}
{{ list|select('odd')|list }} {{ list|reject('odd')|list }} {{ list|select('gt', 1)|list }} {{ [0, 1, '', 'a', none]|select|list }} {{ [0, 1, '', none]|reject|list }} {{ mixed|select('string')|list }} {{ missing|select('odd')|list }} {{ list|select('in', [1, 2])|list }}
{{ users|selectattr('age', 'equalto', 30)|map(attribute='name')|list }} {{ users|selectattr('tags')|list|length }} {{ users|rejectattr('tags')|map(attribute='name')|join(' ') }} {{ users|rejectattr('age', '>', 26)|map(attribute='name')|list }} {{ users|selectattr('tags', 'defined')|list|length }} {{ messages|selectattr('role', 'eq', 'user')|list }}
{{ d|dictsort }} {{ d|dictsort(true) }} {{ d|dictsort(by='value') }} {{ d|dictsort(reverse=true) }} {{ d|dictsort(false, 'value', true) }}
{{ d|items|list }} {{ missing|items|list }} {% for k, v in d|items %}{{ k }}={{ v }};{% endfor %}
{{ d|list }} {{ s[:3]|list }} {{ d.values()|list }} {{ missing|list }} {{ range(3)|list }}
{{ 'a-b-c'|replace('-', '+') }} {{ 'aaa'|replace('a', 'b', 2) }} {{ 'abc'|replace('', '-') }} {{ 123|replace(2, 'x') }} {{ 'aaa'|replace('a', 'b', count=1) }}
{{ '42'|int }} {{ ' 42 '|int }} {{ 'x'|int }} {{ 'x'|int(7) }} {{ '3.9'|int }} {{ -3.9|int }} {{ 3.9|int }} {{ 'ff'|int(base=16) }} {{ '0x1f'|int(0, 16) }} {{ '0b11'|int(0, 0) }} {{ none|int }} {{ yes|int }} {{ '1_000'|int }} {{ '-7'|int }} {{ '1e3'|int }} {{ 'inf'|int(9) }}
{{ '1.5'|float }} {{ 'x'|float }} {{ 'x'|float(2) }} {{ 3|float }} {{ '1e3'|float }} {{ ' -2 '|float }} {{ 'nan'|float }} {{ 'inf'|float }} {{ none|float }} {{ '.5'|float }} {{ '1_0.5'|float }}
{{ 42.55|round }} {{ 42.55|round(1) }} {{ 2.5|round }} {{ 3.5|round }} {{ -2.5|round }} {{ 2.675|round(2) }} {{ 42.55|round(1, 'floor') }} {{ 42.11|round(1, 'ceil') }} {{ 5|round }} {{ 1234|round(-2) }} {{ 1e20|round }} {{ 5|round(method='ceil') }}
{{ -3|abs }} {{ 3|abs }} {{ -2.5|abs }} {{ yes|abs }} {{ (-0.0)|abs }}
{{ '%s is %d' % ('x', 5) }} {{ '%s' % 'a' }} {{ '%5.2f|%-6s|%06d|%x|%X|%o|%e|%g|%c|%%' % (3.14159, 'ab', 42, 255, 255, 8, 12345.678, 0.0001, 'z') }} {{ '%(a)s-%(b)05.1f' % {'a': 1, 'b': 2.25} }} {{ '%r' % ['a'] }} {{ '%+d % d' % (3, 4) }} {{ '%*d' % (5, 42) }} {{ '%.3s' % 'abcdef' }} {{ '%s' % none }} {{ '%5s|%-5s|' % ('é', 'é') }} {{ '%#x' % 255 }} {{ '%d' % 3.99 }} {{ '%i' % true }}
{{ '%s-%s'|format(1, 'b') }} {{ '%(x)s'|format(x=1) }} {{ 'plain'|format }}
{{ '{} {}'.format(1, 'b') }} {{ '{1}{0}'.format('a', 'b') }} {{ '{x}-{y.a}-{z[0]}'.format(x=1, y=d, z=list) }} {{ '{:>5}|{:<5}|{:^5}|{:*^7}|'.format('a', 'b', 'c', 'd') }} {{ '{:05d} {:,} {:.2f} {:e} {:x} {:#x} {:+} {:%}'.format(42, 1234567, 3.14159, 1500.0, 255, 255, 7, 0.25) }} {{ '{{}}'.format() }} {{ '{!r}'.format('a') }} {{ '{:{w}}|'.format('a', w=4) }} {{ '{:5}|{:5}|'.format(1, 'a') }} {{ '{}'.format(none) }} {{ '{:.3}'.format('abcdef') }} {{ '{:_}'.format(1234567) }} {{ '{:g} {:.3g} {}'.format(1.5, 1234.5678, 2.0) }}
{{ 'a\\nb\\n\\nc'|indent }}| {{ 'a\\nb'|indent(2) }} {{ 'a\\nb'|indent(2, true) }} {{ 'a\\n\\nb'|indent(2, blank=true) }} {{ 'a\\nb'|indent('> ') }} {{ 'a\\nb\\n'|indent(first=true, width=1) }}|{{ ''|indent }}|
[{{ 'ab'|center(6) }}] [{{ 'ab'|center(5) }}] [{{ 'abc'|center(6) }}] [{{ 'a'.center(4, '*') }}] [{{ 'ab'.center(5, '-') }}] [{{ 'abc'.center(2) }}]
{{ 'foo bar baz qux'|truncate(9) }} {{ 'foo bar baz qux'|truncate(9, true) }} {{ 'foo bar baz qux'|truncate(11) }} {{ 'foo bar baz qux'|truncate(11, false, '...', 0) }} {{ 'short'|truncate(20) }} {{ 'foo bar baz qux'|truncate(length=8, end='+') }}
{{ 'one two, three-four'|wordcount }} {{ ''|wordcount }}
{{ 'a b/c?d=é&x'|urlencode }} {{ {'a b': 'c&d', 'e': 1}|urlencode }}
{{ html|escape }} {{ html|e }} {{ '<'|safe|e }} {{ '<'|safe|forceescape }} {{ 5|e }}
{{ '<' + ('>'|safe) }} {{ ('<'|safe) + '>' }} {{ ('a'|safe) + 'b' }} {{ '<' ~ ('>'|safe) }} {{ ('<b>'|safe).upper() + '<' }} {{ [('x'|safe)] }} {{ ('<%s>'|safe) % '<' }} {{ ('<{}>'|safe).format('<') }} {{ (', '|safe).join(['<', 'b']) }} {{ ('a<b'|safe).replace('a', '<') }} {{ ('<a b>'|safe).split()[0] + '<' }}
{{ d|tojson }} {{ list|tojson }} {{ s|tojson }} {{ control|tojson }} {{ mixed|tojson }} {{ html|tojson }} {{ 1.0|tojson }} {{ 1e100|tojson }} {{ none|tojson }} {{ (1, 'a')|tojson }} {{ {}|tojson }} {{ []|tojson }} {{ true|tojson }}
{{ deep|tojson(indent=2) }}
{{ deep|tojson(indent=4) }}
{{ [[], {}, [1]]|tojson(indent=1) }}
{{ deep|tojson(indent='\\t') }} {{ list|tojson(indent=0) }}
{{ s|tojson(ensure_ascii=true) }} {{ '😀'|tojson(true) }} {{ control|tojson(ensure_ascii=true) }} {{ d|tojson(separators=(',', ':')) }} {{ d|tojson(sort_keys=true) }} {{ deep|tojson(indent=2, separators=(', ', ' : ')) }} {{ {1: 'a', none: 2, true: 3, 1.5: 4}|tojson }} {{ [1e400, -1e400]|tojson }} {{ ('<'|safe)|tojson }}
{{ '{"a": [1, 2.5, null, true, "x"]}'|from_json }} {{ ('[1]'|from_json)[0] + 1 }} {{ '"é"'|from_json }}
{{ 12|string + 'x' }} {{ none|string }} {{ true|string }} {{ 1.0|string }} {{ list|string }} {{ missing|string }}|
{{ 'x'|attr('upper')() }} {{ d|attr('a') }}|{{ d|attr('get')('a') }}
{{ s.upper() }} {{ s.lower() }} {{ 'aB'.swapcase() }} {{ 'hello world'.title() }} {{ "they're bill's".title() }} {{ 'hELLO'.capitalize() }} {{ 'ß'.casefold() }} {{ 'ÉA'.lower() }}
[{{ spaced.strip() }}] [{{ spaced.lstrip() }}] [{{ spaced.rstrip() }}] [{{ 'xyaxy'.strip('xy') }}] [{{ '\\n\\na\\n'.lstrip('\\n') }}] [{{ 'aé'.rstrip('é') }}] [{{ 'abc'.strip('') }}] [{{ ' a '.strip(none) }}]
{{ 'a,b,,c'.split(',') }} {{ spaced.split() }} {{ 'a b c'.split(' ', 1) }} {{ 'a b c'.split(none, 1) }} {{ 'a b c'.rsplit(' ', 1) }} {{ ' a  b '.rsplit(none, 1) }} {{ 'a--b'.split('--')[1] }} {{ ''.split(',') }} {{ ''.split() }} {{ 'abc'.split('x') }} {{ 'a b c'.split(maxsplit=1) }} {{ 'a,b,c'.split(',', maxsplit=0) }} {{ ' a b '.split(' ') }} {{ 'aaa'.rsplit('aa') }} {{ ' a b c '.split(none, 0) }} {{ ' a b c '.rsplit(none, 0) }} {{ ' a b  c '.split(none, 2) }}
{{ 'x</think>y'.split('</think>')[-1].lstrip('\\n') }} {{ '<think>r</think>c'.split('</think>')[0].split('<think>')[-1] }}
{{ 'a\\nb\\r\\nc\\rd\\x0be\\u2028f'.splitlines() }} {{ 'a\\n'.splitlines() }} {{ ''.splitlines() }} {{ 'a\\nb'.splitlines(true) }} {{ 'a\\n\\n'.splitlines() }}
{{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'abc'.partition('x') }} {{ 'abc'.rpartition('x') }}
{{ s.startswith('Hell') }} {{ s.endswith('ld') }} {{ s.startswith(('x', 'H')) }} {{ s.startswith('ello', 1) }} {{ s.endswith('Hell', 0, 4) }} {{ s.startswith('') }} {{ ''.endswith('x') }} {{ s.startswith('', 99) }}
{{ 'banana'.find('an') }} {{ 'banana'.rfind('an') }} {{ 'banana'.find('x') }} {{ 'banana'.find('an', 2) }} {{ 'banana'.index('n') }} {{ 'banana'.rindex('n') }} {{ 'äbc'.find('c') }} {{ 'banana'.find('a', -2) }} {{ 'banana'.count('an') }} {{ 'aaa'.count('aa') }} {{ 'abc'.count('') }} {{ 'banana'.count('a', 2, 4) }}
{{ 'a-b'.replace('-', '+') }} {{ 'aaa'.replace('a', 'b', 1) }} {{ 'ab'.replace('', '.') }} {{ 'ab'.replace('', '.', 2) }} {{ 'aaa'.replace('a', '', -1) }}|
{{ ','.join(['a', 'b']) }} {{ ''.join('abc') }} {{ '-'.join(d) }}
[{{ 'a'.ljust(3) }}] [{{ 'a'.rjust(3, '.') }}] [{{ '5'.zfill(3) }}] [{{ '-5'.zfill(4) }}] [{{ 'abc'.ljust(2) }}]
{{ '12'.isdigit() }} {{ 'a1'.isalnum() }} {{ 'ab'.isalpha() }} {{ ''.isalpha() }} {{ ' \\n'.isspace() }} {{ 'ab'.islower() }} {{ 'AB'.isupper() }} {{ 'Ab'.istitle() }} {{ '½'.isnumeric() }} {{ '1.5'.isdecimal() }} {{ 'é'.isascii() }}
{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.txt'.removesuffix('.txt') }} {{ 'abc'.removeprefix('x') }}
{{ list.index(1) }} {{ list.count(3) }} {{ (1, 2).index(2) }} {{ list.copy() }} {{ range(5).index(3) }}
{{ range(3)|list }} {{ range(1, 4)|list }} {{ range(5, 0, -2)|list }} {{ range(0)|list }} {{ range(3) }} {{ range(1, 10, 3) }} {{ range(10)[2] }} {{ range(10)[-1] }} {{ 3 in range(5) }} {{ range(3, 1)|list }}
{{ dict(a=1, b='x') }} {{ dict(d, a=9) }} {{ dict([('k', 'v')]) }} {{ dict() }}
{{ strftime_now('%Y-%m-%d %H:%M:%S') }} {{ strftime_now('%d %b %Y') }} {{ strftime_now('%A, %B %d') }} {{ strftime_now('') }}|
{% if yes %}a{% elif no %}b{% else %}c{% endif %}{% if no %}a{% elif yes %}b{% else %}c{% endif %}{% if no %}a{% elif no %}b{% else %}c{% endif %}{% if missing %}x{% endif %}
{% for x in list %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}
{% for x in list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}
{% for x in list %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}
{% for x in list %}{{ loop.cycle('odd', 'even') }}{{ loop.changed(x > 1) }} {{ loop.depth }}{{ loop.depth0 }} {% endfor %}
{% for x in [1, 1, 2, 2, 1] %}{{ x if loop.changed(x) else '.' }}{% endfor %}
{% for x in [] %}a{% else %}none{% endfor %}{% for x in missing %}a{% else %}none{% endfor %}{% for x in list %}{% else %}none{% endfor %}
{% for k, v in d.items() %}{{ k }}{{ v }}{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for (a, b) in [(1, 2)] %}{{ a + b }}{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}{% for c in 'añb' %}{{ c }}.{% endfor %}
{% for x in list if x > 1 %}{{ loop.index }}:{{ x }}/{{ loop.length }} {% else %}none{% endfor %}{% for x in list if x > 9 %}{% else %}none{% endfor %}
{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in list %}{% for y in list %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{{ loop.index }}{% endfor %}
{% for x in nested recursive %}{% if x is iterable %}[{{ loop(x) }}]{{ loop.depth }}{% else %}{{ x }}{% endif %}{% endfor %}
{% for x in [1, 2] %}{% for y in [3, 4] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}{{ loop is defined }}
{% for x in [1, 2] %}{% set outer = loop %}{% for y in 'ab' %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
{% for x in list, 5 %}{{ x }};{% endfor %}{% for x in 1, %}{{ x }}{% endfor %}
{% for x in list|map('string') %}{{ x }}{{ loop.last }}{{ loop.length }}{% endfor %}
{% set g = list|map('string') %}{{ g|list }}{{ g|list }} {% set h = list|select('odd') %}{{ h|first }}{{ h|list }} {{ 1 in (list|select) }}
{% set x = 1 %}{{ x }}{% set x = x + 1 %}{{ x }}{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (p, q) = [3, 4] %}{{ p }}{{ q }}{% set t = 1, 2 %}{{ t }}{% set a, b = b, a %}{{ a }}{{ b }}
{% set x = 0 %}{% for i in range(3) %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}
{% for i in range(3) %}{{ y is defined }}{% set y = i %}{{ y }}{% endfor %}{{ y is defined }}
{% if yes %}{% set z = 'in if' %}{% endif %}{{ z }}{% for i in [1] %}{% if yes %}{% set z = 'loop' %}{% endif %}{{ z }}{% endfor %}{{ z }}
{% set ns = namespace(x=0, y='a') %}{% for i in range(4) %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.y }}{{ ns.z is defined }}{{ ns['x'] }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{% set ns.c = [ns.a] %}{{ ns.c }}{{ ns is mapping }}{{ ns is iterable }}{{ ns is defined }}
{% set ns = namespace(i=0) %}{% set ns.i, x = 5, 6 %}{{ ns.i }}{{ x }}{{ namespace() == namespace() }}
{% set body %}a {{ n }} b{% endset %}[{{ body }}]{{ body is string }}{% set up | upper %}abc{% endset %}{{ up }}{% set both | upper | replace('B', 'x') %}abc{% endset %}{{ both }}
{% set outer %}{% set inner = 1 %}{{ inner }}{% endset %}{{ outer }}{{ inner is defined }}
{% filter upper %}abc {{ s }}{% endfilter %}{% filter replace('a', 'b') | upper %}aaa{% endfilter %}{% filter trim %}  x  {% endfilter %}
{% filter upper %}{% set q = 1 %}{{ q }}{% endfilter %}{{ q is defined }}
{% with x = 1, y = n %}{{ x }}{{ y }}{% endwith %}{{ x is defined }}{% with %}{% set w = 2 %}{{ w }}{% endwith %}{{ w is defined }}{% with a, b = (1, 2) %}{{ a }}{{ b }}{% endwith %}
{% generation %}text {{ n }}{% set g = 1 %}{% endgeneration %}{{ g is defined }}
{% print 1, 'a' %}{% print(n) %}
{% macro m(a, b=2) %}{{ a }}-{{ b }};{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=5, a=4) }}{{ m() }}{{ m is callable }}{{ m.name }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(a=2) }}
{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m() }}{{ m(1, 2) }}{{ m(x=1) }}{% macro w(a) %}{{ a }}{{ varargs|length }}{% endmacro %}{{ w(1, 2, 3) }}
{% macro m(x) %}{{ x is defined }}{{ x }}{% endmacro %}{{ m() }}{{ m(none) }}{{ m(missing) }}
{% macro fact(k) %}{% if k < 2 %}1{% else %}{{ k * fact(k - 1)|int }}{% endif %}{% endmacro %}{{ fact(10) }}
{% macro outer() %}{% macro inner(x) %}<{{ x }}>{% endmacro %}{{ inner(1) }}{{ inner(2) }}{% endmacro %}{{ outer() }}{{ inner is defined }}
{% set late = 1 %}{% macro m() %}{{ late }}{% endmacro %}{% set late = 2 %}{{ m() }}
{% macro m() %}{% set late = 5 %}{{ late }}{% endmacro %}{{ m() }}{{ late is defined }}
{% for i in range(3) %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}
{% macro m() %}  {%- if true -%}  x  {%- endif -%}  {% endmacro %}[{{ m() }}]
{% macro wrap(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call wrap('b') %}in {{ n }}{% endcall %}{{ wrap is callable }}
{% macro each(xs) %}{% for x in xs %}{{ caller(x, loop.index) }}{% endfor %}{% endmacro %}{% call(x, i=0) each(list) %}{{ i }}={{ x }} {% endcall %}
{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% call m() %}x{% endcall %}
{% macro m(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(*[1, 2], **{'c': 3}) }}{{ m(1, *[2, 3]) }}{{ m(1, c=3, *[2]) }}
{% set m = 5 %}{{ m }}{% macro m() %}mac{% endmacro %}{{ m() }}
{{ range(*[1, 4])|list }} {{ dict(**{'a': 1}) }} {{ 'x'.replace(*['x', 'y']) }}
{{ (s).upper() }} {{ ('a' ~ 'b').upper() }} {{ 'x'|upper|lower }} {{ -n|abs }} {{ (-n)|abs }} {{ 'a' 'b'|upper }} {{ 1 + 2|string|length }}
{{ n|string ~ 'x' if n else 'y' }} {{ 'a' in d or 'b' in d }} {{ not 'a' in ['b'] }} {{ n == 3 and f == 1.5 }}
{{ messages|length - 1 }} {{ (messages|length - 1) - 0 }} {{ messages[0].content + '!' }} {{ messages[2].tool_calls[0].arguments|tojson }} {{ messages[3].content is none }} {{ messages[1].tool_calls is defined }} {{ messages[1].tool_calls|default([]) }}
{{ 'tool_calls' in messages[2] }} {{ messages[2].tool_calls and messages[2].tool_calls is iterable and messages[2].tool_calls is not mapping }} {{ messages[1].get('tool_calls') }}
{{ [1, 2][0] }} {{ {'a': 1}['a'] }} {{ {'a': 1}.a }} {{ 'abc'[1] }} {{ (1, 2)[0] }} {{ [[1]][0][0] }}
{{ list == [3, 1, 2] }} {{ list is eq [3, 1, 2] }} {{ d == d }} {{ d.items()|list == d|items|list }}
{{ true }} {{ True }} {{ false }} {{ none }} {{ None }} {{ not True }}
{{ missing }}{{ missing is defined }}{% if missing %}{% endif %}{{ missing|upper }}|{{ missing|trim }}|{{ [missing] }} {{ missing ~ 'x' }}
{{ '\\\\n' }} {{ '\\n'|length }} {{ 'a\\
b' }}
{{ {'a': {'b': [1, {'c': 2}]}}.a.b[1].c }} {{ {'x': 1}|length }} {{ {} is mapping }}
{{ '}}' }} {{ '%}' }} {{ "{{" }} {{ {'a': {}} }} {{ [{'a': {}}] }}
{{ 'a' if yes }}{{ 'b' if no }}{{ 'c' if no else '' }}
{{ 3.0 }} {{ 3.0 * 2 }} {{ 10 / 5 }} {{ 1e2|int }} {{ 5 // 2.0 }} {{ 3 == 3.0 }} {{ 0.5 + 0.5 }} {{ 100000000000000000000 }} {{ 2 ** 70 }} {{ 9223372036854775807 + 1 }} {{ -9223372036854775808 - 1 }}
{{ loop }}|
{{- '  x  ' -}}
{{+ n }}{{ -1 }}{{-1}}
{{ d.a if d.a is defined else 'no' }} {{ d.q if d.q is defined else 'no' }}
{{ users|map(attribute='age')|sort|first }} {{ users|map(attribute='name')|map('upper')|join(', ') }} {{ (users|first).name }} {{ (users|selectattr('name', 'equalto', 'cy')|first).age }}
{{ [3, 'a', none]|map('tojson')|join(',') }} {{ ['b', 'a']|sort|join }} {{ [[2, 'x'], [1, 'y']]|sort }} {{ [true, false]|sort }} {{ [1, 0.5, true]|sort }}
{{ 'a'.__class__ }}|{{ d._private }}|{{ ''.x }}|{{ (1).x }}
{{ list.append }}|{{ d.update }}|{{ d.pop is defined }}
{% set x = {'a': 1} %}{{ x.a }}{% set x = dict(x, b=2) %}{{ x }}{% set l = [1] + [2] %}{{ l }}
{{ 'é'|upper }}{{ 'ÀÉ'|lower }}{{ 'ﬁ'|length }}{{ 'ǆ'|title|length }}
{{ ['a\\u200bb', 'c\\u00add'] }} {{ ['é', '中', '\\x7f', '\\u0300'] }}
{{ 'x' ~ 1.0 ~ '|' ~ 1e-5 ~ '|' ~ 123456.789 ~ '|' ~ 1/3 }}
{{ (1, 2) in [(1, 2)] }} {{ [1] in [[1]] }} {{ none in [none] }} {{ missing in [1] }} {{ missing in d }}
{{ 1 if missing else 2 }} {{ missing or 'd' }} {{ missing and 1 }}|{{ (missing or {}).x is defined }}
{{ 'ab\\tc'|tojson }} {{ '\\x08\\x0c\\x1f\\x7f/'|tojson }} {{ '\\u2028'|tojson }}
{% set text = 'a' %}{% if text is string and text|length == 1 and text in 'abc' %}ok{% endif %}
{{ '%s' % missing }}|{{ '%s %s' % (missing, none) }}|{{ '{}'.format(missing) }}|
""".strip("\n")

BLOCKS = [
    # white space control
    "{% if yes %}\n  a\n{% endif %}\nb\n",
    "  {% if yes %}\n    a\n  {% endif %}\n  b",
    "a\n  {% set x = 1 %}\nb",
    "a   {% set x = 1 %}  b",
    "a\n  {%+ if yes %}x{% endif %}\n",
    "a\n  {%- if yes -%}\n  x\n  {%- endif -%}\n  b",
    "{% if yes +%}\n x\n{% endif %}\n",
    "{% if yes %} \n x\n{% endif %} \nend",
    "a\n  {# comment #}\nb",
    "a\n  {#- comment -#}\n  b",
    "a {# c +#}\nb{#+ d #}\nc",
    "  {#+ kept #}x",
    "x {#-#} y",
    "{# multi\nline #}\n{{ n }}",
    "a\n  {{ n }}\n  {{- n }}\n  {{ n -}}\n  b",
    "\n\n{{ n }}\n\n",
    "a\r\nb\rc\n{{ n }}\r\n",
    "{{ 'a\r\nb' }}",
    "{% raw %}{{ n }} {% if %} {# x #}{% endraw %}!",
    "a\n  {% raw %}\n  {{ x }}\n  {% endraw %}\nb",
    "a {%- raw -%}  {{ x }}  {%- endraw -%}  b",
    "{%+ raw %} x {%+ endraw +%}\n b",
    "\t{% if yes %}\ta\t{% endif %}\t\n",
    "{% for x in list %}\n{{ x }}\n{% endfor %}\n",
    "{% for x in list -%}\n{{ x }}\n{%- endfor %}\n",
    "  x{% if yes %}\ny\n  {% endif %}z",
    "{% if yes %}a{% endif %}\n\n{% if yes %}b{% endif %}\n",
    "{{ n }}\n{% if yes %}\n{% endif %}\n{{ n }}",
    "text {% if yes %}\n{% endif %}\n  {% if yes %}x{% endif %}",
    "\u00a0{% if yes %}x{% endif %}",
    "{ {{ n }} } {n} {%raw%}{%endraw%} % } #}",
    "{{n}}{{ n}}{{n }}{%if yes%}x{%endif%}",
    "{{\n  n\n  +\n  1\n}}",
    "{%- set x = [\n 1,\n 2,\n] -%}\n{{ x }}",
    "{% set x %}\n  a\n{% endset %}\n[{{ x }}]",
    "{% macro m() %}\n  a\n{% endmacro %}\n[{{ m() }}]",
    "{% if yes: %}x{% endif %}",
    "{% for x in list: %}{{ x }}{% endfor %}",
    "ends with brace {",
    "{%- for m in messages %}\n    {{- m.role ~ ': ' }}\n    {%- if m.content is string %}\n        {{- m.content }}\n    {%- endif %}\n{%- endfor %}",
    "",
    "\n",
    "{{ n }}\n\n",
]

ERRORS = [
    # what must be refused when it is read
    "{% if yes %}",
    "a\n{% for x in list %}\nb",
    "{{ n",
    "{% set x = 1",
    "{{ 'abc }}",
    "{# open",
    "{% raw %}x",
    "{{ }}",
    "a\nb {{ 1 + }}",
    "{% endif %}",
    "{% if yes %}{% endfor %}",
    "{% nonsense %}",
    "{% %}",
    "{{ 1 2 }}",
    "{{ (1, 2 }}",
    "{{ [1, 2) }}",
    "{{ a.'b' }}",
    "{{ ) }}",
    "{{ a ! b }}",
    "{% set 1 = 2 %}",
    "{% set true = 2 %}",
    "{% for 1 in list %}{% endfor %}",
    "{% for x of list %}{% endfor %}",
    "{% macro m(a=1, b) %}{% endmacro %}",
    "{% macro m(1) %}{% endmacro %}",
    "{% call 5 %}{% endcall %}",
    "{{ f(a=1, 2) }}",
    "{{ f(**a, **b) }}",
    "{{ 1 is odd is even }}",
    "{{ x | }}",
    "{{ 'a\\x1' }}",
    "{{ {'a' 1} }}",
    "{{ a[1:2:3:4] }}",
    "{% if %}x{% endif %}",
    "{% for %}{% endfor %}",
    "{{ a if }}",
    "line\n\n{% if yes %}\n\n{{ 1 + * 2 }}",
    "{% set ns.x.y = 1 %}",
    "{% else %}",
    "{% filter %}x{% endfilter %}",
    "{{ a..b }}",
    "{{ a, , b }}",
    "{% with x %}{% endwith %}",
    "{% set x = %}",
]

FAILURES = [
    # what must fail when it is rendered
    "{{ raise_exception('Own words: ' ~ n) }}",
    "a\n{% if yes %}{{ raise_exception('no') }}{% endif %}",
    "{{ missing.x }}",
    "{{ missing['x'] }}",
    "{{ missing() }}",
    "{{ missing + 1 }}",
    "{{ 1 + missing }}",
    "{{ 'a' + missing }}",
    "{{ missing < 1 }}",
    "{{ -missing }}",
    "{{ missing[1:] }}",
    "{{ d.q.r }}",
    "{{ d['q']['r'] }}",
    "{{ list[9].x }}",
    "{{ s.nothing.x }}",
    "{{ s.nothing() }}",
    "{{ null.x.y }}",
    "{{ list.append(1) }}",
    "{{ d.update({}) }}",
    "{{ d.pop('a') }}",
    "{{ 'a' + 1 }}",
    "{{ 'a' + list }}",
    "{{ 'a' + none }}",
    "{{ 1 + 'a' }}",
    "{{ [1] + 'a' }}",
    "{{ none + 'a' }}",
    "{{ 1 < 'a' }}",
    "{{ none < 1 }}",
    "{{ d < d }}",
    "{{ [1, 'a']|sort }}",
    "{{ 'a' * 1.5 }}",
    "{{ 1 / 0 }}",
    "{{ 1 // 0 }}",
    "{{ 1 % 0 }}",
    "{{ 1.0 / 0 }}",
    "{{ 1 in 5 }}",
    "{{ 1 in 'a' }}",
    "{{ 'a' in none }}",
    "{{ {[1]: 2} }}",
    "{{ n[1:] }}",
    "{{ d[1:] }}",
    "{{ list['a':] }}",
    "{{ list[::0] }}",
    "{{ null[0:1] }}",
    "{{ -'a' }}",
    "{{ n() }}",
    "{{ n|length }}",
    "{{ none|length }}",
    "{{ (list|map('string'))|length }}",
    "{{ n|join }}",
    "{{ n|items|list }}",
    "{{ missing|tojson }}",
    "{{ (list|map('string'))|tojson }}",
    "{{ range|tojson }}",
    "{{ {(1, 2): 3}|tojson }}",
    "{{ n|nofilter }}",
    "{{ n is notest }}",
    "{{ list|map('nofilter')|list }}",
    "{{ list|select('notest')|list }}",
    "{{ list|map|list }}",
    "{{ s|upper(1) }}",
    "{{ s|replace('a') }}",
    "{{ s.replace('a') }}",
    "{{ s.split('') }}",
    "{{ 'abc'.index('x') }}",
    "{{ list.index(99) }}",
    "{{ s.startswith(1) }}",
    "{{ s.startswith(missing) }}",
    "{{ ','.join([1]) }}",
    "{{ '%d' % 'a' }}",
    "{{ '%s %s' % 'a' }}",
    "{{ '%s' % (1, 2) }}",
    "{{ '%(a)s' % 'x' }}",
    "{{ '%q' % 1 }}",
    "{{ '{} {}'.format(1) }}",
    "{{ '{x}'.format(1) }}",
    "{{ '{'.format(1) }}",
    "{{ '{:d}'.format('a') }}",
    "{{ range(1000000) }}",
    "{{ range('a') }}",
    "{{ range(1, 2, 0) }}",
    "{% for x in 5 %}{% endfor %}",
    "{% for x in none %}{% endfor %}",
    "{% for a, b in [1] %}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
    "{% for a, b in [(1,)] %}{% endfor %}",
    "{% set a, b = 1, 2, 3 %}",
    "{% set d.x = 1 %}",
    "{% set missing.x = 1 %}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}",
    "{% macro m(a) %}{{ a + 1 }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}",
    "{% for x in list %}{{ loop(x) }}{% endfor %}",
    "{{ ('x' if no).y }}",
    "{{ ('x' if no) + 1 }}",
    "{% break %}",
    "{% for x in list %}{% macro m() %}{% break %}{% endmacro %}{{ m() }}{% endfor %}",
    "{{ 'abc'|first(1) }}",
    "{{ 5|round(method='up') }}",
    "{{ 'x'|round }}",
    "{{ 'x'|abs }}",
    "{{ [none, 1]|sum }}",
    "{{ ['a']|sum }}",
    "{{ d|dictsort(by='x') }}",
    "{{ n|dictsort }}",
    "{{ '{'|from_json }}",
    "{{ n|from_json }}",
    "{{ messages|selectattr|list }}",
    "{{ users|map(attribute='name', x=1)|list }}",
    "{{ 'abc'|truncate(1) }}",
    "{{ loop.index }}",
    "{{ dict(1) }}",
    "{{ namespace(1) }}",
    "{{ f(*5) }}",
    "{{ dict(**5) }}",
    "{{ list|last|length }}",
    "{{ (list|map('string'))|last }}",
    "{{ 'x'.center('a') }}",
    "{{ 'x'.center(5, 'ab') }}",
    "{% filter nofilter %}x{% endfilter %}",
    "{{ s.split(1) }}",
    "{{ [] | first + 1 }}",
    "{{ ([]|min).x }}",
    "{{ n.x.y }}",
    "{{ loop }}{{ loop.x }}",
    "{% set ns = namespace(a=1) %}{{ ns.b.c }}",
    "{{ s|indent('a', 1, 2, 3) }}",
]

# The language once more, an expression a line.
EXPRESSIONS = """
1 + 2 * 3
2 ** 3 ** 2
-2 ** 2
7 // 2
-7 // 2
-7 % 3
7 / 2
6 / 2
7.5 % 2
1e3
1.5e-7
0.1 + 0.2
1e16
123456789.0
2 * 3.0
'a' 'b'
'a' ~ 1 ~ none ~ 2.0 ~ true
'ab' * 3
[1] + [2, 3]
[1, 2] * 2
1 == 1.0
1 == true
'a' == 'a'
[1, 2] == [1, 2]
{'a': 1} == {'a': 1.0}
1 < 2 < 3
1 < 3 < 2
'a' < 'b'
'a' in 'cat'
'x' not in 'cat'
2 in list
'a' in d
none is none
not none
not 1 == 2
t and 5
no or 'x'
empty or none
n if t else 'b'
n if no
'x' if no else 'y' if t else 'z'
[1, 'a', none, true, 1.0, [2]]
{'a': 1, 'b': 'c', 1: none}
(1, 2)[1]
()
"it's"
['it\\'s', "q\\"", 'both \\' and "', 'tab\\t', 'nl\\n', 'back\\\\']
s
s[0]
s[-1]
s[1:4]
s[::-1]
s[::2]
s[10:2:-3]
s[-4:]
s[:-4]
s[100:]
s[7]
list[1:]
list[::-1]
list[-1]
list[9]
list.0
d.a
d['a']
d.a[1].x
d.items() | list
d.get('b')
d.get('zz')
d.get('zz', 'other')
d.keys() | list
d.values() | list
d.missing
d['missing']
missing
missing is defined
missing is undefined
s is string
d is mapping
list is sequence
list is iterable
s is iterable
n is number
n is integer
f is float
t is boolean
t is true
n is odd
n is even
n is divisibleby 7
n is divisibleby(2)
1 is in list
n is eq 7
n is gt(3)
s is not none
none is not string
d is sameas d
s | length
list | length
d | count
s | upper
s | lower
s | title
'hELLO wORLD' | capitalize
'  x  ' | trim
'xxaxx' | trim('x')
s | replace('l', 'L')
s | replace('l', 'L', 1)
list | sort
list | sort(reverse=true)
words | sort
words | sort(case_sensitive=true)
people | map(attribute='name') | list
people | sort(attribute='name') | map(attribute='name') | join(', ')
people | map(attribute='age', default=0) | list
people | map(attribute='tags.k') | list
words | map('upper') | list
words | map('replace', 'b', 'x') | list
people | selectattr('age', 'defined') | map(attribute='age') | list
people | selectattr('age') | list | length
people | rejectattr('age', 'defined') | map(attribute='name') | join
people | selectattr('name', 'equalto', 'al') | list | length
list | select('odd') | list
list | reject('gt', 1) | list
[0, 1, ''] | select | list
list | join('-')
list | join
words | join(', ') | upper
list | first
list | last
[] | first
s | first
s | list
list | reverse | list
'abc' | reverse
list | min
list | max
list | sum
[1, 1.5] | sum
people | selectattr('age', 'defined') | sum(attribute='age')
[1, 2, 1, 3, 2] | unique | list
['a', 'A', 'b'] | unique | list
d | dictsort | first
d | items | list
missing | items | list
missing | default('x')
missing | default
none | default('x')
none | default('x', true)
empty | d('e', boolean=true)
'12' | int
'1.9' | int
'x' | int
'x' | int(3)
2.7 | int
'1.5' | float
'q' | float(2.5)
-3 | abs
(-3) | abs
2.567 | round(2)
2.5 | round
3.5 | round
2.1 | round(0, 'ceil')
2.9 | round(0, 'floor')
quoted | e
lines | indent
lines | indent(2, true)
lines | indent(2, blank=true)
lines | indent('> ')
n | string ~ 'x'
true | string
1.0 | string
quoted
d | tojson
d | tojson(indent=2)
people | tojson
s | tojson
quoted | tojson
none | tojson
[] | tojson
{} | tojson(indent=4)
[1.0, 1e20, 0.1, true] | tojson
'\\u0001\\x7f' | tojson
{1: 2, none: 3, true: 4} | tojson
{'b': 1, 'a': 2} | tojson(sort_keys=true)
'a,b,,c'.split(',')
'a b   c '.split()
' a b c'.split(none, 1)
'a,b,c'.split(',', 1)
'a,b,c'.rsplit(',', 1)
'a\\nb\\r\\nc\\n'.splitlines()
'  x '.strip() ~ '|'
'  x '.lstrip() ~ '|'
'  x '.rstrip() ~ '|'
'xyaxy'.strip('yx')
'abc'.startswith('ab')
'abc'.startswith(('x', 'a'))
'abc'.endswith('bc')
'abc'.find('c')
'abc'.find('z')
'wörld'.find('l')
'banana'.count('an')
'abc'.replace('b', '')
'abc'.upper()
'abc def'.title()
'abc'.capitalize()
'-'.join(['a', 'b'])
'{} and {}'.format(1, 'x')
'{0}{1}{0} {name}'.format('a', 'b', name='c')
'12'.isdigit()
'ab1'.isalnum()
'ab'.isalpha()
' '.isspace()
'AB'.isupper()
'ab'.islower()
'abc'.removeprefix('a')
list.index(1)
list.count(1)
range(3) | list
range(1, 10, 4) | list
range(3, 0, -1) | list
namespace(a=1).a
dict(a=1, b=2)
'\\n' in lines
lines.split('\\n')[2].strip()
'a\\tb\\x41\\u00e9\\d'
[[1, 2], [3]] | map('length') | list
[['a', 1], ['b', 2]] | map('first') | join
(1, 2) | join('+')
'%s' is string
1_000
not (t and no)
t and not no
missing == missing
missing ~ 'x'
s.x is defined
d.a | length > 1 and n == 7
-n
+n
- n + 3
[1, 2,]
n is not defined or n > 3
('a', 'b') | last
""".strip().split("\n")

REFUSED = """
{{ missing.x }}
{{ missing.x.y }}
{{ missing + 1 }}
{{ 1 + 'a' }}
{{ 'a' < 1 }}
{{ none | length }}
{{ 1 / 0 }}
{{ 1 in 5 }}
{% for x in 5 %}{% endfor %}
{% for x in none %}{% endfor %}
{% for a, b in [[1]] %}{% endfor %}
{{ missing() }}
{{ s() }}
{{ missing | tojson }}
{{ raise_exception('no') }}
{{ list.append(1) }}
{{ d.update({}) }}
{% set d.x = 1 %}
{{ }}
{{ 1 + }}
{% if %}{% endif %}
{% if t %}
{% endif %}
{% for x %}{% endfor %}
{% set %}
{{ 'a
{% unknown %}
{{ s | nofilter }}
{{ s is notest }}
{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{% endmacro %}{{ m(b=2) }}
{{ [1, }}
{{ a b }}
{{ 1 | }}
{% break %}
{{ 'abc'.split('') }}
{{ [1, 'a'] | sort }}
""".strip().split("\n")

WHOLE = [
    "a\n{% if t %}\nb\n{% endif %}\nc\n", "  {% if t %}  \n  b\n  {% endif %}  \nc", "x {%- if t -%} y {%- endif -%} z",
    "a  {{- s -}}  b", "a\n  {{ n }}\nb", "  {%+ if t %}x{% endif %}", "{% if t +%}\nx{% endif %}", "{# note #}\nx", "x {#- note -#} y",
    "  {# note #}  \nx", "a\r\nb\rc", "x\n\n", "\n{% if t %}x{% endif %}\n\n", "{{ 1 }}\n{{ 2 }}\n", "{% raw %}{{ x }}{% endraw %}",
    "{% raw -%}  a {%- endraw %}", "{% if no %}1{% elif n == 7 %}2{% else %}3{% endif %}", "{% if no %}1{% else %}3{% endif %}",
    "{% for x in list %}{{ loop.index }}:{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for x in list %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.length }}{{ loop.depth }}{% endfor %}",
    "{% for x in list %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}", "{% for x in list %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}", "{% for x in [] %}a{% else %}none{% endfor %}", "{% for x in missing %}a{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for c in 'añb' %}[{{ c }}]{% endfor %}",
    "{% for x in list if x > 1 %}{{ x }}{{ loop.length }}{% endfor %}", "{% for x in list %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in list %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% for x in list %}{% for y in list %}{{ loop.depth }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% set x = 1 %}{% for i in list %}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% for i in list %}{% if loop.first %}{% set y = 5 %}{% endif %}[{{ y }}]{% endfor %}", "{% set ns = namespace(a=0) %}{% for i in list %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a, b = list[:2] %}{{ a }}{{ b }}", "{% set x %}a{{ n }}b{% endset %}{{ x }}|{{ x | length }}",
    "{% set x | upper %}ab{% endset %}{{ x }}", "{% set x | replace('a', 'b') | upper %}aa{% endset %}{{ x }}", "{% filter upper %}ab{{ s }}{% endfilter %}",
    "{% filter replace('a', 'x') | upper %}aba{% endfilter %}", "{% macro m(a, b=2) %}({{ a }},{{ b }}){% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=4, a=5) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}|{{ m() | length }}", "{% macro m(n) %}{% if n > 0 %}{{ n }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}",
    "{% macro m() %}{{ x }}{% endmacro %}{% set x = 3 %}{{ m() }}", "{% set x = 1 %}{% macro m() %}{% set x = 2 %}{{ x }}{% endmacro %}{{ m() }}{{ x }}",
    "{% macro m(a, b=a) %}{{ b }}{% endmacro %}{{ m(4) }}", "{{ {'a': {'b': 1}}.a.b }}", "{{ {'a': 1}['a'] }}}", "{% for x in (1, 2) %}{{ x }}{% endfor %}",
    "{% for x in 1, 2 %}{{ x }}{% endfor %}", "{{ '{{' }}{{ '}}' }}{{ '%}' }}", "{% if missing %}a{% else %}b{% endif %}",
    "{% if missing is defined and missing.x %}a{% else %}b{% endif %}", "{%- for m in people %}\n  {{- m.name }}\n{%- endfor %}\nend",
    "{% for m in people -%}\n  {{ m.name }}\n{% endfor %}", "{{\n  s\n}}", "{% set x = {\n 'a': 1,\n} %}{{ x }}", "{{ s }}{# a {{ b }} #}{{ n }}",
    "{% set l = [] %}{% set l = l + [1] %}{% set l = l + [2] %}{{ l }}", "{% if 'a' in d and d['a'] is not none %}x{% endif %}", "{{ people[0]['name'] ~ people[1].name }}",
    "{{ people | selectattr('name', 'in', ['Bo', 'Cy']) | map(attribute='name') | list }}", "{% set ns = namespace() %}{% set ns.x %}ab{% endset %}{{ ns.x }}",
    "{{ (s | upper).startswith('HE') }}", "{{ s | upper | lower == s | lower }}", "{{ n | string | length + 1 }}", "{{ list | length is even }}", "{{ 3 - list | length }}",
    "{{ t and s is string and s | length > 3 }}", "{% for i in range(2) %}\n  {% for j in range(2) %}\n    {{ i }}{{ j }}\n  {% endfor %}\n{% endfor %}\n",
    "{% if t %}a{% endif %}\n\n{% if t %}b{% endif %}\n", "\t{% if t %}a{% endif %}", "x\t{% if t %}a{% endif %}", "{{ '' if no }}x", "{{ no }}{{ none }}{{ 1.0 }}",
    "{% generation %}a{{ n }}{% endgeneration %}b",
]


def line_of(error):
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def case(env, template):
    out = {"template": template}
    try:
        out["text"] = env.from_string(template).render(**V)
    except TemplateSyntaxError as error:
        out["error"], out["line"] = "syntax", error.lineno
    except (UndefinedError, SecurityError) as error:
        out["error"], out["message"] = "message", str(error)
    except TemplateRuntimeError as error:
        out["error"] = "runtime"
    except TemplateError as error:
        out["error"], out["message"] = "message", str(error)
    except Exception:
        out["error"] = "runtime"
    if out.get("error") == "message":
        try:
            env.from_string(template).render(**V)
        except Exception as error:
            out["line"] = line_of(error)
    return out


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    env = environment()
    lines, part = [], ""
    for line in CASES.split("\n"):  # a line that ends in a backslash goes on
        part += line
        if line.endswith("\\"):
            part += "\n"
            continue
        lines.append(part)
        part = ""
    cases = []
    for template in lines + BLOCKS:
        cases.append(case(env, template))
        if "error" in cases[-1]:
            print(f"expected a text, jinja2 refuses: {template!r} {cases[-1]}", file=sys.stderr)
    for template in ERRORS + FAILURES:
        cases.append(case(env, template))
        if "text" in cases[-1]:
            print(f"expected an error, jinja2 renders: {template!r} {cases[-1]}", file=sys.stderr)
    cases += [case(env, "{{ " + e + " }}") for e in EXPRESSIONS] + [case(env, t) for t in WHOLE + REFUSED]
    with open(arguments[0], "w", encoding="utf-8") as file:
        file.write('{"generator": %s,\n "variables": %s,\n "cases": [\n' % (
            json.dumps(f"jinja2 {jinja2.__version__}"), json.dumps(V, ensure_ascii=True)))
        file.write(",\n".join("  " + json.dumps(one, ensure_ascii=True) for one in cases))
        file.write("\n]}\n")
    print(f"{len(cases)} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
