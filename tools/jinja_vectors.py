#!/usr/bin/env python3
"""Writes tests/jinja/vectors.json: small templates, one feature each, and what Python's jinja2 makes of them.

usage: jinja_vectors.py OUT    (needs jinja2, from PyPI)

The environment is the one that chat templates are rendered in: immutable and sandboxed, trim_blocks, lstrip_blocks, loop
controls, and a tojson that is json.dumps without HTML escaping."""

import json
import sys

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

CONTEXT = {
    "s": "Hello, wörld", "empty": "", "n": 7, "f": 2.5, "t": True, "no": False, "none": None, "list": [3, 1, 2],
    "words": ["b", "A", "c"], "d": {"b": 1, "a": [1, {"x": None}], "items": 5}, "lines": "one\n\n  two\nthree",
    "quoted": "it's \"x\" <&> \\ \t", "people": [{"name": "Bo", "age": 3, "tags": {"k": "v"}}, {"name": "al", "age": 10}, {"name": "Cy"}],
}

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
d['items']
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

BAD = """
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

TEMPLATES = [
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


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.Scope(body).set_lineno(line)


def environment():
    def refuse(message):
        raise jinja2.exceptions.TemplateError(message)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    env.globals["raise_exception"] = refuse
    return env


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    env, cases = environment(), []
    for source in ["{{ " + e + " }}" for e in EXPRESSIONS] + TEMPLATES + BAD:
        try:
            cases.append({"template": source, "text": env.from_string(source).render(**CONTEXT)})
        except Exception as error:  # whatever jinja2 or Python says: it is refused
            cases.append({"template": source, "error": f"{type(error).__name__}: {error}"})
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        out.write('{"context": ' + json.dumps(CONTEXT, ensure_ascii=False) + ',\n "cases": [\n')
        out.write(",\n".join("  " + json.dumps(c, ensure_ascii=False) for c in cases) + "\n]}\n")
    print(f"{sys.argv[1]}: {len(cases)} cases, {sum('error' in c for c in cases)} of them errors")


main()
