#!/usr/bin/env python3
"""Checks grammars of tool calls against python-jsonschema.

usage: check_calls.py CALL_WALKS [--seed N] [--cases N] [--walks N]

Makes random tools, with schemas as check_schemas.py makes them, for each way in which models write calls. Every text
that call_walks makes by random allowed tokens must be read by the reply parser as calls of these tools, as many as are
allowed, with nothing beside them and with valid arguments; calls with valid arguments must be allowed. Exits 1 and
prints the first cases where that is not so; exits 77 where jsonschema is missing."""

import argparse
import json
import random
import sys

from check_schemas import Maker, ask, written

import jsonschema

# Chat templates that write a message's calls and nothing else.
FOR = "{% for m in messages %}{% for c in m.tool_calls or [] %}{% set f = c.function %}"
END = "{% endfor %}{% endfor %}"
ITEMS = "{% for k, v in f.arguments.items() %}"
TEMPLATES = {
    "hermes": "",
    "xml": FOR + "{{ '<tool_call>\\n<function=' ~ f.name ~ '>\\n' }}" + ITEMS +
           "{{ '<parameter=' ~ k ~ '>\\n' ~ v ~ '\\n</parameter>\\n' }}{% endfor %}{{ '</function>\\n</tool_call>\\n' }}" + END,
    "glm": FOR + "{{ '\\n<tool_call>' ~ f.name ~ '\\n' }}" + ITEMS +
           "{{ '<arg_key>' ~ k ~ '</arg_key>\\n<arg_value>' ~ v ~ '</arg_value>\\n' }}{% endfor %}</tool_call>" + END,
    "glm 4.7": FOR + "<tool_call>{{ f.name }}" + ITEMS +
               "<arg_key>{{ k }}</arg_key><arg_value>{{ v }}</arg_value>{% endfor %}</tool_call>" + END,
}
AROUND = {  # a call's beginning, what stands around keys and values, its end
    "xml": ("<tool_call>\n<function=", ">\n", "<parameter=", ">\n", "\n</parameter>\n", "</function>\n</tool_call>"),
    "glm": ("<tool_call>", "\n", "<arg_key>", "</arg_key>\n<arg_value>", "</arg_value>\n", "</tool_call>"),
    "glm 4.7": ("<tool_call>", "", "<arg_key>", "</arg_key><arg_value>", "</arg_value>", "</tool_call>"),
}


def call(way, name, schema, arguments):
    """The call as a model would write it; None where it cannot, or where there are several ways."""
    if way == "hermes":
        return f'<tool_call>\n{{"name": "{name}", "arguments": {written(arguments)}}}\n</tool_call>'
    begin, after_name, before_key, after_key, after_value, end = AROUND[way]
    text = begin + name + after_name
    for key, value in arguments.items():
        if key not in schema["properties"]:
            return None
        part = schema["properties"][key]
        is_string = isinstance(part, dict) and part.get("type") == "string"
        if isinstance(value, str) and not is_string:
            return None
        text += before_key + key + after_key + (value if is_string else written(value)) + after_value
    return text + end


def main(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("call_walks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--walks", type=int, default=12)
    options = parser.parse_args(arguments)
    rng = random.Random(options.seed)
    maker = Maker(rng)
    cases, requests = [], []
    for _ in range(options.cases):
        way, parallel = rng.choice(list(TEMPLATES)), rng.random() < 0.3
        schemas, texts, tools = {}, [], []
        for name in rng.sample(["f", "get_it", "a-b", "x.y"], rng.randint(1, 3)):
            maker.definitions = {}
            schema, instance = maker.object(2)
            if maker.definitions:
                schema["$defs"] = maker.definitions
            schemas[name] = schema
            tools.append({"type": "function", "function": {"name": name, "parameters": schema}})
            texts += [text for text in (call(way, name, schema, instance()) for _ in range(4)) if text is not None]
        cases.append((way, parallel, schemas, texts))
        requests.append({"template": TEMPLATES[way], "tools": tools, "parallel": parallel, "walks": options.walks, "texts": texts})
    answers, problems = ask(options.call_walks, options.seed, requests)
    n = {"calls": 0, "unfinished": 0, "asked": 0, "refused": 0}
    for (way, parallel, schemas, texts), answer in zip(cases, answers):
        shown = f"{way} {json.dumps(schemas, ensure_ascii=False)}"
        if "error" in answer:
            n["refused"] += 1
            if not ("can hold" in answer["error"] or "one that fits all" in answer["error"]):
                problems.append(f"{shown}\n  refused: {answer['error']}")
            continue
        for walk in answer["walks"]:
            if walk is None:
                n["unfinished"] += 1
                continue
            calls = walk["calls"]
            n["calls"] += len(calls)
            if walk["content"] or not calls or (len(calls) > 1 and not parallel):
                problems.append(f"{shown}\n  expected a call and nothing else: {walk}")
            for made in calls:
                if made["name"] not in schemas:
                    problems.append(f"{shown}\n  made a call of a tool that there is not: {walk}")
                    continue
                check = jsonschema.Draft202012Validator(schemas[made["name"]])
                try:
                    error = next(iter(check.iter_errors(json.loads(made["arguments"]))), None)
                    if error or not made["whole"]:
                        problems.append(f"{shown}\n  made an invalid call: {walk}\n  {error and error.message}")
                except ValueError as e:
                    problems.append(f"{shown}\n  made arguments that are no JSON: {walk}\n  {e}")
        for text, matches in zip(texts, answer["matches"]):
            n["asked"] += 1
            if not matches:
                problems.append(f"{shown}\n  does not allow: {text}")
    for problem in problems[:10]:
        print(problem)
    print(f"check_calls: {len(cases)} cases ({n['refused']} refused), {n['calls']} calls made ({n['unfinished']} texts unfinished), "
          f"{n['asked']} valid ones asked, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
