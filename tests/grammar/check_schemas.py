#!/usr/bin/env python3
"""Checks grammars of JSON schemas against python-jsonschema.

usage: check_schemas.py GRAMMAR_WALKS [--seed N] [--schemas N] [--walks N]

Makes random schemas of the kinds that src/grammar/json_schema.h supports. For each: every text that grammar_walks makes
by random allowed tokens must parse and be valid; random valid instances, written compactly, must be allowed; of
instances that were made invalid, none may be allowed. Exits 1 and prints the first cases where that is not so; exits 77
where jsonschema is missing."""

import argparse
import json
import random
import re
import subprocess
import sys

try:
    import jsonschema
except ImportError:
    print("check_schemas: python3-jsonschema is not installed")
    sys.exit(77)

NAMES = ["a", "b", "ab", "abc", "name", "key", "k1", "k\"q", "é", "中文", "line\nend", "x/y"]
WORDS = ["", "a", "ab", "abc", "true", "12", "é中", "😀", "tab\t", "quote\"", "back\\slash", "\u0001"]

# pattern, strings that match
PATTERNS = [
    ("^[a-c]{2,4}$", ["ab", "cccc"]),
    ("ab+c", ["abc", "xxabbcyy", "\"abc\n"]),
    ("^(?:yes|no)$", ["yes", "no"]),
    ("^\\d{3}-\\d{4}$", ["555-1234"]),
    ("^[^a-z]*$", ["", "ABC 12", "中\t\""]),
    ("^a|b$", ["axx", "xxb"]),
    ("^\\w+\\s\\w+$", ["ab cd"]),
    ("^[é-ü\"\\\\]+$", ["é\"\\"]),
    ("^.{1,3}$", ["abc", "é中😀"]),
]
FORMATS = {
    "date": (["2024-02-29", "2023-12-31"], ["2023-02-29", "2023-13-01", "2023-1-1"]),
    "time": (["12:34:56Z", "23:59:59.123+01:00"], ["24:00:00Z", "12:34"]),
    "date-time": (["2024-01-01T00:00:00Z"], ["2024-01-01 00:00:00Z"]),
    "uuid": (["123e4567-e89b-12d3-a456-426614174000"], ["123e4567"]),
    "ipv4": (["1.2.3.4", "255.255.255.255"], ["256.1.1.1", "1.2.3"]),
    "ipv6": (["::", "::1", "1:2:3:4:5:6:7:8", "fe80::1:2"], ["1:2:3", "1::2::3", ":1"]),
    "email": (["a@b.com", "first.last@example.org"], ["a@", "@b", "a b@c.d"]),
}


class Maker:
    """Random schemas, each with a function that makes valid instances."""

    def __init__(self, rng):
        self.rng = rng

    def schema(self, depth):
        kinds = ["string", "length", "pattern", "format", "integer", "range", "number", "number_range", "boolean", "null",
                 "enum", "const", "any"]
        if depth > 0:
            kinds += ["object", "object", "object", "array", "array", "tuple", "any_of", "types", "all_of", "map", "list"]
        return getattr(self, self.rng.choice(kinds))(depth)

    def string(self, _):
        return {"type": "string"}, lambda: self.rng.choice(WORDS)

    def length(self, _):
        low, high = sorted((self.rng.randrange(6), self.rng.randrange(6)))
        schema = {"type": "string", "minLength": low, "maxLength": high}
        if self.rng.random() < 0.3:
            del schema["minLength"]
            low = 0
        return schema, lambda: "".join(self.rng.choice("ab\"\\é中😀\n") for _ in range(self.rng.randint(low, high)))

    def pattern(self, _):
        pattern, examples = self.rng.choice(PATTERNS)
        return {"type": "string", "pattern": pattern}, lambda: self.rng.choice(examples)

    def format(self, _):
        name = self.rng.choice(list(FORMATS))
        return {"type": "string", "format": name}, lambda: self.rng.choice(FORMATS[name][0])

    def integer(self, _):
        return {"type": "integer"}, lambda: self.rng.choice([0, 1, -1, 42, 10**17, -(10**17), self.rng.randint(-999, 999)])

    def range(self, _):
        scale = 10 ** self.rng.randrange(1, 8)
        low, high = sorted((self.rng.randint(-scale, scale), self.rng.randint(-scale, scale)))
        schema = {"type": "integer"}
        form = self.rng.randrange(5)
        if form == 0:
            schema |= {"minimum": low, "maximum": high}
        elif form == 1:
            schema |= {"exclusiveMinimum": low - 1, "exclusiveMaximum": high + 1}
        elif form == 2:
            schema |= {"minimum": low}
        elif form == 3:
            schema |= {"maximum": high}
        else:
            schema |= {"minimum": low - 0.5, "exclusiveMaximum": high + 0.5}
        return schema, lambda: self.rng.choice([low, high, self.rng.randint(low, high)])

    def number(self, _):
        return {"type": "number"}, lambda: self.rng.choice([0, -1.5, 2.25, 1e100, 1e-7, -3e20, 123456.789, 7])

    def number_range(self, _):
        places = self.rng.randrange(4)
        low, high = sorted(round(self.rng.uniform(-30, 30), places) for _ in range(2))
        exclusive = self.rng.random() < 0.5 and high > low
        keys = ("exclusiveMinimum", "exclusiveMaximum") if exclusive else ("minimum", "maximum")
        middle = (low + high) / 2
        ends = [middle] if exclusive else [low, high, middle]
        ends = [x for x in ends if "e" not in json.dumps(x)]
        return {"type": "number", keys[0]: low, keys[1]: high}, lambda: self.rng.choice(ends)

    def boolean(self, _):
        return {"type": "boolean"}, lambda: self.rng.random() < 0.5

    def null(self, _):
        return {"type": "null"}, lambda: None

    def enum(self, _):
        values = self.rng.sample([1, "a", "ab", None, True, "é\"", {"x": [1, {}]}, [], 2.5, "abc"], self.rng.randint(1, 5))
        return {"enum": values}, lambda: self.rng.choice(values)

    def const(self, _):
        value = self.rng.choice(["a\"b", 7, None, {"k": "v", "l": []}])
        return {"const": value}, lambda: value

    def any(self, _):
        return self.rng.choice([{}, True, {"title": "t", "description": "d", "x-y": 1}]), \
            lambda: self.rng.choice([1, "a", None, [1, [2]], {"a": {"b": []}}, -0.5])

    def object(self, depth):
        names = self.rng.sample(NAMES, self.rng.randrange(5))
        parts = {name: self.schema(depth - 1) for name in names}
        required = [name for name in names if self.rng.random() < 0.5]
        schema = {"type": "object", "properties": {name: part[0] for name, part in parts.items()}, "required": required}
        if self.rng.random() < 0.2:
            del schema["type"]
        extra = None
        form = self.rng.randrange(4)
        if form == 0:
            schema["additionalProperties"] = False
        elif form == 1:
            schema["additionalProperties"] = True
            extra = lambda: self.rng.choice([1, "s", [None]])
        elif form == 2:
            schema["additionalProperties"], extra = self.schema(depth - 1)

        def instance():
            value = {name: parts[name][1]() for name in names if name in required or self.rng.random() < 0.5}
            if extra and self.rng.random() < 0.5:
                for name in self.rng.sample(["z", "a2", "nam", "k", "é中", "key\t"], self.rng.randint(1, 2)):
                    value[name] = extra()
            return value

        return schema, instance

    def map(self, depth):
        inside, instance = self.schema(depth - 1)
        return {"type": "object", "additionalProperties": inside}, \
            lambda: {name: instance() for name in self.rng.sample(NAMES, self.rng.randrange(3))}

    def array(self, depth):
        inside, instance = self.schema(depth - 1)
        low, high = sorted((self.rng.randrange(5), self.rng.randrange(5)))
        schema = {"type": "array", "items": inside}
        if self.rng.random() < 0.5:
            schema["minItems"] = low
        if self.rng.random() < 0.5:
            schema["maxItems"] = high
        return schema, lambda: [instance() for _ in range(self.rng.randint(low, high))]

    def tuple(self, depth):
        parts = [self.schema(depth - 1) for _ in range(self.rng.randint(1, 3))]
        schema = {"type": "array", "prefixItems": [part[0] for part in parts]}
        form = self.rng.randrange(4)
        if form == 0:
            return schema, lambda: [part[1]() for part in parts]
        rest, instance = self.schema(depth - 1)
        low, high = sorted((self.rng.randrange(6), self.rng.randrange(6)))
        if form == 1:
            schema |= {"items": False, "minItems": min(low, len(parts))}
            low, high = schema["minItems"], len(parts)
        elif form == 2:
            schema |= {"items": rest, "minItems": low, "maxItems": high}
        else:
            schema |= {"items": rest}
        return schema, lambda: [parts[i][1]() if i < len(parts) else instance()
                                for i in range(self.rng.randint(low, high))]

    def list(self, depth):
        """A recursive type."""
        inside, instance = self.schema(0)
        name = self.rng.choice(["node", "a/b", "t~x"]) + str(len(self.definitions))
        ref = "#/$defs/" + name.replace("~", "~0").replace("/", "~1")
        node = {"type": "object", "properties": {"value": inside, "next": {"anyOf": [{"type": "null"}, {"$ref": ref}]}},
                "required": ["value", "next"], "additionalProperties": False}

        def make(levels):
            return {"value": instance(), "next": make(levels - 1) if levels else None}

        self.definitions[name] = node
        return {"$ref": ref}, lambda: make(self.rng.randrange(4))

    def any_of(self, depth):
        parts = [self.schema(depth - 1) for _ in range(self.rng.randint(1, 3))]
        return {"anyOf": [part[0] for part in parts]}, lambda: self.rng.choice(parts)[1]()

    def types(self, _):
        types = self.rng.sample(["null", "boolean", "string", "integer", "object", "array"], self.rng.randint(1, 4))
        make = {"null": None, "boolean": True, "string": "abc", "integer": 3, "object": {"k": 1}, "array": [1, "x"]}
        return {"type": types, "minLength": 2, "minimum": -5}, lambda: make[self.rng.choice(types)]

    def all_of(self, depth):
        first, second = self.schema(depth - 1), self.schema(depth - 1)
        parts = [
            {"type": "object", "properties": {"a": first[0], "c": {"type": ["integer", "string"]}}, "required": ["a"]},
            {"type": "object", "properties": {"b": second[0], "c": {"type": ["integer", "null"]}}},
        ]
        schema = {"allOf": parts} if self.rng.random() < 0.5 else {"allOf": parts[1:], **parts[0]}

        def instance():
            value = {"a": first[1]()}
            if self.rng.random() < 0.5:
                value["c"] = 4
            if self.rng.random() < 0.5:
                value["b"] = second[1]()
            return value

        return schema, instance

    def document(self):
        self.definitions = {}
        schema, instance = self.schema(3)
        if self.definitions:
            schema = {"allOf": [schema], "$defs": self.definitions} if not isinstance(schema, dict) or "$ref" in schema \
                else {**schema, "$defs": self.definitions}
        return schema, instance


def written(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def spoiled(rng, value):
    """The value with one thing changed, which may make it invalid."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        name = rng.choice(list(value))
        form = rng.randrange(3)
        if form == 0:
            return {k: v for k, v in value.items() if k != name}
        if form == 1:
            return {**value, "zz": 1}
        return {k: spoiled(rng, v) if k == name else v for k, v in value.items()}
    if isinstance(value, list) and value and rng.random() < 0.8:
        i = rng.randrange(len(value))
        return rng.choice([value + [value[i]], value[:i] + value[i + 1:],
                           value[:i] + [spoiled(rng, value[i])] + value[i + 1:]])
    if isinstance(value, bool) or value is None:
        return rng.choice([1, "x", []])
    if isinstance(value, (int, float)):
        return rng.choice([value + 1, value - 1, -value, value * 10, str(value)])
    if isinstance(value, str):
        return rng.choice([value + "x", value[1:], value * 2, value.upper(), 5])
    return rng.choice([None, 3, "q", [[]], {"q": 1}])


def ask(program, seed, requests):
    """The program's answers, one for each request, and what is wrong where there are not as many."""
    run = subprocess.run([program, str(seed)], input="".join(json.dumps(r) + "\n" for r in requests), text=True,
                         capture_output=True, check=False)
    answers = [json.loads(line) for line in run.stdout.split("\n") if line]
    return answers, [] if len(answers) == len(requests) else \
        [f"expected {len(requests)} answers, found {len(answers)}: {run.stderr}"]


def main(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("grammar_walks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--schemas", type=int, default=300)
    parser.add_argument("--walks", type=int, default=12)
    options = parser.parse_args(arguments)
    rng = random.Random(options.seed)
    maker = Maker(rng)
    cases, requests = [], []
    while len(cases) < options.schemas:
        schema, instance = maker.document()
        valid = [instance() for _ in range(8)]
        wrong = [spoiled(rng, rng.choice(valid)) for _ in range(12)]
        cases.append((schema, valid, wrong))
        requests.append({"schema": schema, "walks": options.walks, "texts": [written(v) for v in valid + wrong]})
    answers, problems = ask(options.grammar_walks, options.seed, requests)
    n = {"texts": 0, "unfinished": 0, "instances": 0, "refused": 0, "wrong": 0}

    def no_constant(name):
        raise ValueError(f"expected JSON, found {name}")

    for (schema, valid, wrong), answer in zip(cases, answers):
        shown = json.dumps(schema, ensure_ascii=False)
        if "error" in answer:
            if not re.search("where schemas are combined|one that fits all|combined", answer["error"]):
                problems.append(f"{shown}\n  refused: {answer['error']}")
            n["refused"] += 1
            continue
        check = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
                                                if hasattr(jsonschema.Draft202012Validator, "FORMAT_CHECKER")
                                                else jsonschema.draft202012_format_checker)
        for text in answer["walks"]:
            if text is None:
                n["unfinished"] += 1
                continue
            n["texts"] += 1
            try:
                error = next(iter(check.iter_errors(json.loads(text, parse_constant=no_constant))), None)
                if error:
                    problems.append(f"{shown}\n  made an invalid text: {text}\n  {error.message}")
            except ValueError as e:
                problems.append(f"{shown}\n  made no JSON: {text!r}\n  {e}")
        for value, matches in zip(valid, answer["matches"]):
            n["instances"] += 1
            assert check.is_valid(value), (shown, value)
            if not matches:
                problems.append(f"{shown}\n  does not allow: {written(value)}")
        for value, matches in zip(wrong, answer["matches"][len(valid):]):
            if not check.is_valid(value):
                n["wrong"] += 1
                if matches:
                    problems.append(f"{shown}\n  allows an invalid text: {written(value)}")
    for problem in problems[:10]:
        print(problem)
    print(f"check_schemas: {len(cases)} schemas ({n['refused']} refused), {n['texts']} texts made ({n['unfinished']} unfinished), "
          f"{n['instances']} valid and {n['wrong']} invalid instances asked, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
