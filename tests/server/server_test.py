#!/usr/bin/env python3
"""Tests of `nextn serve` from outside, over sockets.

    NEXTN=build/release/nextn NEXTN_TEST_MODELS=build/release/tests/models python3 tests/server/server_test.py
"""
import json
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from serving import NEXTN, MIXED, MODELS, Server, run_alone

PROMPTS = ["Once upon a time", "The quick brown fox", "ba be bi bo bu " * 20, "x"]
LONG = {"prompt": "Once upon", "max_tokens": 1500, "ignore_eos": True}  # seconds of work


TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {
              "type": "object", "required": ["town", "days"],
              "properties": {"town": {"type": "string", "maxLength": 20}, "days": {"type": "integer", "minimum": 1, "maximum": 9},
                             "unit": {"type": "string", "enum": ["C", "F"]}}}}},
         {"type": "function", "function": {"name": "now"}}]


def check_call(test, name, arguments, named=False):
    """That it is a valid call of one of TOOLS."""
    if name == "now" and not named:
        return test.assertEqual(arguments, {})
    test.assertEqual(name, "weather")
    test.assertLessEqual({"town", "days"}, set(arguments))
    test.assertLessEqual(set(arguments), {"town", "days", "unit"})
    test.assertTrue(len(arguments["town"]) <= 20 and 1 <= arguments["days"] <= 9 and arguments.get("unit", "C") in "CF")


class TextTest(unittest.TestCase):
    """A text is the same alone, in `nextn run`, streamed, and among others."""

    def test_the_text_of_run_whoever_is_beside(self):
        asked = []
        for i, prompt in enumerate(PROMPTS * 2):
            temp = (0, 1)[i % 2]
            alone = run_alone(prompt, "-n", 24 + i, "--temp", temp, "--seed", i, "--spec-type", "none", "-t", 1)
            asked.append(({"prompt": prompt, "max_tokens": 24 + i, "temperature": temp, "seed": i}, alone))
        random.seed(1)
        with Server("-np", 3, "-t", 2) as server:
            def one(i):
                body, alone = asked[i % len(asked)]
                body = {**body, "stream": random.random() < 0.5,
                        "speculative": {"enabled": random.random() < 0.7, "n_max": random.randrange(6)}}
                time.sleep(random.random() / 10)
                answer = server.post("/v1/completions", body)
                if body["stream"]:
                    text = "".join(c["text"] for e in answer.events for c in e["choices"])
                    reason = answer.events[-1]["choices"][0]["finish_reason"]
                else:
                    text, reason = (answer.json["choices"][0][k] for k in ("text", "finish_reason"))
                self.assertEqual(text, alone["text"], body)
                self.assertEqual(reason, "length" if alone["end_reason"] == "length" else "stop")
                return answer

            with ThreadPoolExecutor(9) as pool:
                list(pool.map(one, range(40)))
            self.assertEqual(server.busy(), 0)

    def test_the_answers_to_one_request_differ_and_come_again(self):
        with Server("-np", 2) as server:
            body = {"prompt": "Once", "max_tokens": 12, "temperature": 2, "top_k": 0, "top_p": 1, "min_p": 0, "seed": 5, "n": 5}
            choices = server.post("/v1/completions", body).json["choices"]
            self.assertEqual([c["index"] for c in choices], [0, 1, 2, 3, 4])
            texts = [c["text"] for c in choices]
            self.assertEqual(len(set(texts)), 5)
            self.assertEqual([c["text"] for c in server.post("/v1/completions", body).json["choices"]], texts)
            self.assertEqual(server.text(**{**body, "n": 1}), texts[0])
            several = server.post("/v1/completions", {**body, "prompt": ["Once", [5, 6, 7]], "n": 2}).json
            self.assertEqual([c["text"] for c in several["choices"][:2]], texts[:2])
            self.assertEqual(several["usage"]["completion_tokens"], 4 * 12)

    def test_what_is_known_is_not_read_again(self):
        with Server("-np", 2, "-c", 4096, "-t", 2) as server:
            def ask(messages):
                body = {"messages": messages, "max_tokens": 10, "seed": 1, "ignore_eos": True}
                answer = server.post("/v1/chat/completions", body).json
                return answer["choices"][0]["message"]["content"], answer["usage"]

            told = [{"role": "system", "content": "A story. " + " ".join(map(str, range(400)))}]
            one, usage = ask([*told, {"role": "user", "content": "one"}])
            self.assertEqual(usage["prompt_tokens_details"]["cached_tokens"], 0)
            again, usage = ask([*told, {"role": "user", "content": "one"}])
            self.assertEqual(again, one)
            self.assertGreaterEqual(usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"] - 8)
            _, usage = ask([*told, {"role": "user", "content": "one"}, {"role": "assistant", "content": one},
                            {"role": "user", "content": "two"}])
            self.assertGreater(usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"] / 2)
            _, usage = ask([*told, {"role": "user", "content": "another"}])
            self.assertGreater(usage["prompt_tokens_details"]["cached_tokens"], 500)

    def test_a_seed_that_was_drawn_is_told(self):
        with Server() as server:
            body = {"prompt": "Once", "max_tokens": 20, "temperature": 1.5}
            first = server.post("/v1/completions", body).json
            again = server.post("/v1/completions", {**body, "seed": first["seed"]}).json
            self.assertEqual(again["choices"][0]["text"], first["choices"][0]["text"])

    def test_probabilities_are_the_models_own_with_drafts_and_without(self):
        with Server() as server:
            body = {"prompt": "Once upon a time", "max_tokens": 16, "temperature": 0, "logprobs": 3}
            both = [server.post("/v1/completions", {**body, "speculative": {"enabled": on}}).json["choices"][0]["logprobs"]
                    for on in (True, False)]
            self.assertEqual(*both)
            got = both[0]
            self.assertEqual([len(got[k]) for k in ("tokens", "token_logprobs", "top_logprobs", "text_offset")], [16] * 4)
            for token, logprob, top in zip(got["tokens"], got["token_logprobs"], got["top_logprobs"]):
                self.assertEqual(max(top.values()), logprob)  # greedy
            chat = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "seed": 1, "logprobs": True,
                    "top_logprobs": 2}
            whole = server.post("/v1/chat/completions", chat).json["choices"][0]["logprobs"]["content"]
            streamed = [t for e in server.post("/v1/chat/completions", {**chat, "stream": True}).events
                        for c in e["choices"] for t in (c["logprobs"] or {"content": []})["content"]]
            self.assertEqual(streamed, whole)
            self.assertEqual((len(whole), len(whole[0]["top_logprobs"])), (5, 2))


class ProtocolTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(model=None)  # the demo model

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def refused(self, path, body, status=400, mentions=(), param=None):
        answer = self.server.post(path, body)
        self.assertEqual(answer.status, status, answer.body)
        error = answer.json["error"]
        for text in mentions:
            self.assertIn(text, error["message"])
        if param:
            self.assertEqual(error["param"], param)
        self.assertNotIn("\n", error["message"])

    def test_chat(self):
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "hi"}]}]
        body = {"messages": messages, "max_tokens": 12, "temperature": 0}
        answer = self.server.post("/v1/chat/completions", body).json
        self.assertEqual(answer["object"], "chat.completion")
        choice = answer["choices"][0]
        self.assertEqual((choice["message"]["role"], choice["finish_reason"] in ("stop", "length")), ("assistant", True))
        self.assertEqual(answer["usage"]["total_tokens"],
                         answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"])
        prompt = self.server.post("/apply-template", body).json["prompt"]
        self.assertIn("Be brief.", prompt)
        events = self.server.post("/v1/chat/completions", {**body, "stream": True, "timings_per_token": True,
                                                           "stream_options": {"include_usage": True}}).events
        self.assertEqual(events[0]["choices"][0]["delta"], {"role": "assistant", "content": ""})
        text = "".join(c["delta"].get("content") or "" for e in events for c in e["choices"])
        self.assertEqual(text, choice["message"]["content"])
        self.assertEqual(events[-1]["choices"], [])
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            self.assertEqual(events[-1]["usage"][name], answer["usage"][name])
        self.assertIn("drafted", events[2]["choices"][0]["nextn"])
        self.assertGreater(events[-2]["timings"]["predicted_n"], 0)

    def test_stop_strings_and_echo(self):
        whole = self.server.text(prompt="Once upon a time", max_tokens=30, temperature=0)
        word = whole.split()[3]
        cut = self.server.post("/v1/completions", {"prompt": "Once upon a time", "max_tokens": 30, "temperature": 0,
                                                   "stop": [word]}).json["choices"][0]
        self.assertEqual((cut["text"], cut["finish_reason"]), (whole[:whole.index(word)], "stop"))
        self.assertEqual(self.server.text(prompt="Once upon a time", max_tokens=30, temperature=0, echo=True),
                         "Once upon a time" + whole)

    def test_llama_completion(self):
        body = {"prompt": "Once upon a time", "n_predict": 8, "temperature": 0, "seed": 1}
        whole = self.server.post("/completion", body).json
        self.assertEqual((whole["stop"], whole["stop_type"], whole["tokens_predicted"]), (True, "limit", 8))
        events = self.server.post("/completion", {**body, "stream": True}).events
        self.assertEqual("".join(e["content"] for e in events), whole["content"])
        self.assertEqual([t for e in events for t in e["tokens"]], whole["tokens"])
        self.assertEqual([e["stop"] for e in events], [False] * (len(events) - 1) + [True])
        self.assertEqual(self.server.post("/completion", {**body, "prompt": whole["tokens"]}).status, 200)

    def test_tokens_there_and_back(self):
        text = "Hello, wörld! 你好"
        ids = self.server.post("/tokenize", {"content": text}).json["tokens"]
        self.assertEqual(self.server.post("/detokenize", {"tokens": ids}).json["content"], text)

    def test_bias_and_penalties(self):
        ids = self.server.post("/tokenize", {"content": " there"}).json["tokens"]
        plain = self.server.text(prompt="Once upon a time", max_tokens=3, temperature=0)
        self.assertTrue(plain.startswith(" there"), plain)
        for bias in ({str(ids[0]): -100}, [[ids[0], False]]):
            banned = self.server.text(prompt="Once upon a time", max_tokens=3, temperature=0, logit_bias=bias)
            self.assertFalse(banned.startswith(" there"), banned)

    def test_a_form_is_kept_with_drafts_and_without(self):
        schema = {"type": "object", "additionalProperties": False, "required": ["name", "age"],
                  "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 99}}}
        for seed in range(8):
            texts = set()
            for on in (True, False):
                body = {"messages": [{"role": "user", "content": "Who are you? JSON!"}], "seed": seed, "temperature": 1.2,
                        "max_tokens": 200, "speculative": {"enabled": on},
                        "response_format": {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}}
                choice = self.server.post("/v1/chat/completions", body).json["choices"][0]
                self.assertEqual(choice["finish_reason"], "stop")
                texts.add(choice["message"]["content"])
            self.assertEqual(len(texts), 1)
            person = json.loads(texts.pop())
            self.assertEqual(set(person), {"name", "age"})
            self.assertTrue(len(person["name"]) <= 12 and 0 <= person["age"] <= 99)
        self.assertRegex(self.server.text(prompt="x", guided_regex="[ab]{5}", max_tokens=20), "^[ab]{5}$")
        self.assertIn(self.server.text(prompt="x", guided_choice=["yes", "no"]), ("yes", "no"))
        self.assertIsInstance(json.loads(self.server.text(prompt="x", response_format={"type": "json_object"}, max_tokens=2000)), dict)
        self.assertRegex(self.server.post("/completion", {"prompt": "x", "grammar": 'root ::= "a"+ "!"', "n_predict": 400}).json["content"],
                         "^a+!?$")
        self.refused("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}],
                                              "response_format": {"type": "json_schema", "json_schema": {"schema": {"not": {}}}}},
                     mentions=["not"])

    def test_a_call_that_must_be_made_is_made(self):
        """By a model that was never taught to: in each protocol, with drafts and without."""
        ask = {"messages": [{"role": "user", "content": "Rain?"}], "tools": TOOLS, "temperature": 1.2, "max_tokens": 600}
        for seed in range(6):
            choice = "required" if seed % 2 else {"type": "function", "function": {"name": "weather"}}
            body = {**ask, "seed": seed, "tool_choice": choice, "parallel_tool_calls": False}
            texts = set()
            for on in (True, False):
                made = self.server.post("/v1/chat/completions", {**body, "speculative": {"enabled": on}}).json["choices"][0]
                self.assertEqual(made["finish_reason"], "tool_calls" if seed % 2 else "stop")
                self.assertIsNone(made["message"]["content"])
                call, = made["message"]["tool_calls"]
                check_call(self, call["function"]["name"], json.loads(call["function"]["arguments"]), named=seed % 2 == 0)
                texts.add(json.dumps(call["function"]))
            self.assertEqual(len(texts), 1)
            events = self.server.post("/v1/chat/completions", {**body, "stream": True}).events
            deltas = [d for e in events for c in e["choices"] for d in c["delta"].get("tool_calls", [])]
            self.assertEqual("".join(d["function"].get("arguments", "") for d in deltas), call["function"]["arguments"])
        cut = self.server.post("/v1/chat/completions", {**ask, "tool_choice": "required", "max_tokens": 3}).json["choices"][0]
        self.assertEqual(cut["finish_reason"], "length")

        flat = [{"type": "function", **tool["function"]} for tool in TOOLS]
        for choice in ("required", {"type": "function", "name": "weather"}):
            answer = self.server.post("/v1/responses", {"input": "Rain?", "tools": flat, "tool_choice": choice, "seed": 3,
                                                        "parallel_tool_calls": False}).json
            item, = answer["output"]
            self.assertEqual((answer["status"], item["type"]), ("completed", "function_call"))
            check_call(self, item["name"], json.loads(item["arguments"]), named=choice != "required")
        anthropic = [{"name": t["function"]["name"], "input_schema": t["function"].get("parameters", {"type": "object", "properties": {}})} for t in TOOLS]
        for choice in ({"type": "any"}, {"type": "tool", "name": "weather"}):
            answer = self.server.post("/v1/messages", {"messages": ask["messages"], "max_tokens": 600, "tools": anthropic, "seed": 3,
                                                       "tool_choice": {**choice, "disable_parallel_tool_use": True}}).json
            block, = answer["content"]
            self.assertEqual((answer["stop_reason"], block["type"]), ("tool_use", "tool_use"))
            check_call(self, block["name"], block["input"], named=choice["type"] == "tool")

    def test_a_call_that_cannot_be_made_is_refused(self):
        ask = {"messages": [{"role": "user", "content": "Rain?"}], "tools": TOOLS}
        chat = "/v1/chat/completions"
        self.refused(chat, {**ask, "tool_choice": {"type": "function", "function": {"name": "snow"}}}, mentions=["snow"], param="tool_choice")
        self.refused(chat, {"messages": ask["messages"], "tool_choice": "required"}, mentions=["tools"], param="tool_choice")
        self.refused(chat, {**ask, "tool_choice": "required", "response_format": {"type": "json_object"}}, mentions=["response_format"])
        strange = [{"type": "function", "function": {"name": "strange", "parameters": {"properties": {"a": {"contains": {}}}}}}]
        self.refused(chat, {**ask, "tools": strange, "tool_choice": "required"}, mentions=["strange", "contains"])
        self.assertEqual(self.server.post(chat, {**ask, "tools": strange, "max_tokens": 1}).status, 200)  # not asked of it

    def test_what_the_model_is(self):
        self.assertEqual(self.server.get("/health").json, {"status": "ok"})
        model = self.server.get("/v1/models").json["data"][0]
        self.assertEqual(model["id"], "demo model")
        props = self.server.get("/props").json
        self.assertEqual((props["model"]["head"], props["total_slots"]), ("in use", 4))
        page = self.server.get("/")
        self.assertIn("default-src 'none'", page.headers["Content-Security-Policy"])
        self.assertEqual(self.server.get("/", headers={"If-None-Match": page.headers["ETag"]}).status, 304)
        head = self.server.ask("HEAD", "/app.js")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertGreater(int(head.headers["Content-Length"]), 1000)

    def test_metrics(self):
        self.server.text(prompt="Once upon a time", max_tokens=20, temperature=0)
        lines = self.server.get("/metrics").body.decode().splitlines()
        values = {}
        for line in lines:
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        for name in ("prompt_tokens_total", "generation_tokens_total", "spec_decode_num_draft_tokens_total",
                     "spec_decode_num_accepted_tokens_total", "time_to_first_token_seconds_count",
                     "inter_token_latency_seconds_count", "e2e_request_latency_seconds_count"):
            self.assertGreater(values[f'nextn:{name}{{model_name="demo model"}}'], 0, name)
        self.assertEqual(values['nextn:num_requests_running{model_name="demo model"}'], 0)
        self.assertIn('nextn:spec_decode_num_accepted_tokens_per_pos_total{model_name="demo model",position="0"}', values)

    def test_what_is_wrong_is_named(self):
        for path in ("/v1/completions", "/v1/chat/completions", "/completion"):
            base = {"messages": [{"role": "user", "content": "x"}]} if "chat" in path else {"prompt": "x"}
            for name, values in {
                    "temperature": ["hot", [1], 1e300], "top_p": [2, -1, "x"], "min_p": [1.5], "top_k": [0.5, -2, 1e20],
                    "seed": ["x", 1.5, 2**70], "n": [0, 1000, "two"], "stop": [3, [""], [1], ["x"] * 100],
                    "max_tokens": ["many", -7, 1.5], "stream": ["yes", 1], "logit_bias": [3, {"a": 1}, {"99999999": 1}, [[1]]],
                    "frequency_penalty": [1000], "presence_penalty": ["x"], "repeat_penalty": [0], "speculative": [3],
                    "stream_options": [[]], "ignore_eos": ["no"]}.items():
                for value in values:
                    with self.subTest(path=path, name=name, value=value):
                        self.refused(path, {**base, name: value}, mentions=[name, "expected"])
        self.refused("/v1/completions", {"prompt": "x", "logprobs": 50}, param="logprobs")
        self.refused("/v1/completions", {}, mentions=["prompt"])
        self.refused("/v1/completions", {"prompt": ""}, mentions=["prompt"])
        self.refused("/v1/completions", {"prompt": "x " * 5000}, mentions=["prompt", "2048"])
        self.refused("/v1/completions", {"prompt": [1, 10**9]}, mentions=["prompt", "1000000000"])
        self.refused("/v1/completions", {"prompt": "x", "suffix": "y"}, status=501, mentions=["suffix"])
        for messages in (None, [], "hi", [3], [{"role": 1}], [{"role": "user", "content": 5}],
                         [{"role": "user", "content": [{"type": "image_url"}]}]):
            self.refused("/v1/chat/completions", {"messages": messages}, mentions=["messages"])
        chat = {"messages": [{"role": "user", "content": "x"}]}
        self.refused("/v1/chat/completions", {**chat, "tools": [{"type": "function"}]}, mentions=["tools[0]"])
        self.refused("/v1/chat/completions", {**chat, "top_logprobs": 3}, mentions=["logprobs"])
        self.refused("/v1/chat/completions", {**chat, "response_format": {"type": "xml"}}, mentions=["response_format.type"])
        for body in (b"", b"[]", b"{", b'{"prompt": "\xff"}', b'{"a":' * 100 + b"1" + b"}" * 100, b"null", b'{"prompt":1e999}'):
            self.refused("/v1/completions", body, mentions=["body"])
        self.assertEqual(self.server.get("/v1/completions").status, 405)
        self.assertEqual(self.server.get("/v2").status, 404)
        self.assertEqual(self.server.get("/health").status, 200)

    def raw(self, data, wait=5.0, leave=True):
        with socket.create_connection(("127.0.0.1", self.server.port)) as s:
            s.settimeout(wait)
            got = b""
            try:
                s.sendall(data)
                if leave:
                    s.shutdown(socket.SHUT_WR)
                while piece := s.recv(65536):
                    got += piece
            except (TimeoutError, OSError):
                pass
        return got

    def test_garbage(self):
        for data in (b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET ?/health HTTP/1.1\r\n\r\n",
                     b"POST /v1/completions HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                     b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"\x16\x03\x01\x02\x00" + b"\x01" * 50):
            got = self.raw(data)
            self.assertTrue(got == b"" or got.startswith(b"HTTP/1.1 400 "), (data[:40], got[:80]))
        self.assertTrue(self.raw(b"GET / HTTP/1.1\r\nX: " + b"a" * 100000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431 "))
        self.assertTrue(self.raw(b"POST /v1/completions HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n").startswith(b"HTTP/1.1 413 "))
        random.seed(2)
        for _ in range(100):
            self.raw(bytes(random.randrange(256) for _ in range(random.randrange(1, 200))), wait=1.0)
        self.assertEqual(self.server.get("/health").status, 200)

    def test_a_prompt_that_is_too_long_is_refused_before_it_is_copied(self):
        for echo in (False, True):
            refused = self.server.post("/v1/completions", {"prompt": [5] * 200000, "n": 100, "echo": echo})
            self.assertEqual(refused.status, 400)
            self.assertIn("prompt: expected at most", refused.json["error"]["message"])

    def test_where_a_body_ends_is_beyond_doubt(self):
        after = b"GET /health HTTP/1.1\r\n\r\n"
        chunks = b"5\r\nhello\r\n0\r\n\r\n"
        for fields, body in (([b"Content-Length: 5", b"Content-Length: 5"], b"hello"),
                             ([b"Content-Length: 5, 5"], b"hello"),
                             ([b"Content-Length: 5", b"Content-Length: 15"], b"hello"),
                             ([b"Content-Length: 5", b"Transfer-Encoding: chunked"], chunks),
                             ([b"Transfer-Encoding: chunked", b"Content-Length: 5"], chunks),
                             ([b"Transfer-Encoding: gzip", b"Content-Length: 5"], b"hello"),
                             ([b"Transfer-Encoding: xchunked"], chunks),
                             ([b"Transfer-Encoding: gzip, chunked"], chunks),
                             ([b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"], chunks)):
            got = self.raw(b"\r\n".join([b"POST /tokenize HTTP/1.1", *fields, b"", body]) + after)
            self.assertTrue(got.startswith(b"HTTP/1.1 400 "), (fields, got[:80]))
            self.assertEqual(got.count(b"\r\n\r\n"), 1, (fields, got))
        chunked = b"POST /tokenize HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        body = b'11\r\n{"content": "hi"}\r\n0\r\n'
        self.assertTrue(self.raw(chunked + body + b"\r\n").startswith(b"HTTP/1.1 200 "))
        self.assertNotIn(b"late", self.raw(chunked + body + b"X-Request-Id: late\r\n\r\n"))
        for long in (b"1;" + b"x" * 200000, body + b"X: " + b"x" * 200000):
            self.assertTrue(self.raw(chunked + long).startswith(b"HTTP/1.1 431 "))

    def test_answers_to_head_and_to_old_clients(self):
        self.assertTrue(self.raw(b"HEAD / HTTP/1.1\r\nContent-Length: x\r\n\r\n").endswith(b"\r\n\r\n"))
        expecting = b"Expect: 100-continue\r\nContent-Length: 17\r\n\r\n" + b'{"content": "hi"}'
        self.assertTrue(self.raw(b"POST /tokenize HTTP/1.1\r\n" + expecting).startswith(b"HTTP/1.1 100 "))
        self.assertTrue(self.raw(b"POST /tokenize HTTP/1.0\r\n" + expecting).startswith(b"HTTP/1.0 200 "))

    def test_connections_are_kept_and_http_1_0_is_served(self):
        c = self.server.connect()
        for stream in (False, True, False):
            answer = self.server.post("/v1/completions", {"prompt": "Once", "max_tokens": 4, "stream": stream}, connection=c)
            self.assertEqual(answer.status, 200)
        c.close()
        body = json.dumps({"prompt": "Once", "max_tokens": 4, "stream": True, "temperature": 0}).encode()
        got = self.raw(b"POST /v1/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body, leave=False)
        self.assertTrue(got.endswith(b"data: [DONE]\n\n"), got)
        self.assertNotIn(b"chunked", got)

    def test_ids_of_requests(self):
        self.assertEqual(self.server.get("/health", headers={"X-Request-Id": "mine-7"}).headers["X-Request-Id"], "mine-7")
        odd = self.server.get("/health", headers={"X-Request-Id": "a b"}).headers["X-Request-Id"]
        self.assertTrue(odd.startswith("req-"), odd)
        secret = "tell-nobody-of-this"
        self.server.post("/v1/completions", {"prompt": secret, "max_tokens": 2, "stop": secret})
        self.server.post("/v1/completions", {"prompt": "x", "temperature": secret})
        self.server.post("/v1/completions", b'{"prompt": ' + secret.encode())
        self.assertNotIn(secret, json.dumps(self.server.log))


class CallTest(unittest.TestCase):
    """Models whose templates write calls in one of the ways, and think before."""
    WRITES = {  # ¶: a line's end
        "xml": "<tool_call>¶<function={{ f.name }}>¶{% for k, v in f.arguments.items() %}<parameter={{ k }}>¶{{ v }}¶</parameter>¶"
               "{% endfor %}</function>¶</tool_call>",
        "glm": "<tool_call>{{ f.name }}¶{% for k, v in f.arguments.items() %}<arg_key>{{ k }}</arg_key>¶<arg_value>{{ v }}</arg_value>¶"
               "{% endfor %}</tool_call>",
    }

    def server(self, way, model):
        template = ("{% for m in messages %}{{ m.role }}: {% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>¶¶"
                    "{% endif %}{{ m.content }}{% for c in m.tool_calls or [] %}{% set f = c.function %}" + self.WRITES[way] +
                    "{% endfor %}¶{% endfor %}{% if enable_thinking %}<think>{% endif %}")
        file = tempfile.NamedTemporaryFile("w", suffix=".jinja")
        self.addCleanup(file.close)
        file.write(template.replace("¶", "{{ '\\n' }}"))
        file.flush()
        server = Server("--chat-template-file", file.name, model=model)
        self.addCleanup(server.__exit__)
        return server

    def test_in_each_way(self):
        for way in self.WRITES:
            for model in (None, MIXED):
                server = self.server(way, model)
                for seed in range(3):
                    texts = set()
                    for on in (True, False):
                        body = {"messages": [{"role": "user", "content": "Rain?"}], "tools": TOOLS, "tool_choice": "required",
                                "seed": seed, "temperature": 1, "max_tokens": 1500, "parallel_tool_calls": False,
                                "speculative": {"enabled": on}}
                        made = server.post("/v1/chat/completions", body).json["choices"][0]
                        self.assertEqual(made["finish_reason"], "tool_calls", (way, model, made))
                        call, = made["message"]["tool_calls"]
                        check_call(self, call["function"]["name"], json.loads(call["function"]["arguments"]))
                        texts.add(json.dumps(call["function"]))
                    self.assertEqual(len(texts), 1)

    def test_after_reasoning(self):
        server = self.server("xml", MIXED)
        end, = server.post("/tokenize", {"content": "</think>"}).json["tokens"]
        body = {"messages": [{"role": "user", "content": "Rain?"}], "tools": TOOLS, "tool_choice": "required", "seed": 1,
                "chat_template_kwargs": {"enable_thinking": True}, "max_tokens": 1500, "parallel_tool_calls": False}
        thought = server.post("/v1/chat/completions", {**body, "max_tokens": 9, "logit_bias": {end: False}}).json["choices"][0]
        self.assertEqual(thought["finish_reason"], "length")
        self.assertNotIn("tool_calls", thought["message"])
        self.assertTrue(thought["message"]["reasoning_content"])
        # Nor does an answer end in its thought, which would leave what was asked for unwritten.
        eos, = server.post("/tokenize", {"content": "<|im_end|>", "parse_special": True}).json["tokens"]
        ends = {"logit_bias": {eos: 100}, "max_tokens": 9}
        free = server.post("/v1/chat/completions", {**body, **ends, "tool_choice": "auto"}).json["choices"][0]
        bound = server.post("/v1/chat/completions", {**body, **ends}).json["choices"][0]
        self.assertEqual((free["finish_reason"], bound["finish_reason"]), ("stop", "length"))
        # A bias ends the thought soon; no string of these calls may hold the token.
        body["tools"] = [TOOLS[1], {"type": "function", "function": {"name": "count", "parameters": {
            "type": "object", "properties": {"n": {"type": "integer"}, "unit": {"enum": ["C", "F"]}}, "required": ["n"]}}}]
        made = server.post("/v1/chat/completions", {**body, "logit_bias": {end: 16}}).json["choices"][0]
        self.assertEqual(made["finish_reason"], "tool_calls", made)
        self.assertTrue(made["message"]["reasoning_content"])
        self.assertIn(made["message"]["tool_calls"][0]["function"]["name"], ("now", "count"))

    def test_a_marker_is_a_token_where_there_is_one(self):
        server = self.server("xml", MIXED)
        made = server.post("/v1/completions", {"prompt": "x", "grammar": 'root ::= "<think>" [ab]', "max_tokens": 20, "seed": 1}).json
        self.assertRegex(made["choices"][0]["text"], "^<think>[ab]$")
        self.assertEqual(made["usage"]["completion_tokens"], 2)


class LoadTest(unittest.TestCase):
    """Clients that leave, queues that are full, servers that end."""

    def stream(self, server, body):
        c = server.connect()
        c.request("POST", "/v1/completions", json.dumps({**body, "stream": True}))
        response = c.getresponse()
        response.readline()
        return c, response

    def test_a_client_that_leaves_is_no_burden(self):
        with Server("-np", 2, "-c", 2048) as server:
            c, response = self.stream(server, LONG)
            server.wait(lambda: server.busy() == 1)
            response.close()
            c.close()
            server.wait(lambda: server.busy() == 0, 3)
            whole = server.connect()
            whole.request("POST", "/v1/completions", json.dumps(LONG))
            server.wait(lambda: server.busy() == 1)
            whole.close()
            server.wait(lambda: server.busy() == 0, 3)
            cancelled = lambda: [line for line in server.log if line.get("status") == 499]
            server.wait(lambda: len(cancelled()) >= 2, 3)  # a slot is free before the line is written
            self.assertEqual(len(cancelled()), 2)

    def test_a_full_queue_says_when_to_come_again(self):
        with Server("-np", 1, "--queue-limit", 1, "-c", 2048) as server:
            running = self.stream(server, LONG)
            waiting = server.connect()
            waiting.request("POST", "/v1/completions", json.dumps({**LONG, "max_tokens": 3}))
            server.wait(lambda: "num_requests_waiting{model_name=\"tiny-mixed-q8_0\"} 1" in server.get("/metrics").body.decode())
            refused = server.post("/v1/completions", {"prompt": "x"})
            self.assertEqual((refused.status, refused.json["error"]["type"]), (429, "rate_limit_error"))
            self.assertGreaterEqual(int(refused.headers["Retry-After"]), 1)
            running[1].close()
            running[0].close()
            self.assertEqual(waiting.getresponse().status, 200)
            waiting.close()

    def test_a_long_prompt_does_not_stall_others(self):
        with Server("-np", 2, "-c", 8192) as server:
            c, response = self.stream(server, {**LONG, "max_tokens": 8000})
            with ThreadPoolExecutor(1) as pool:
                long = pool.submit(server.post, "/v1/completions", {"prompt": [5] * 2000, "max_tokens": 1})
                n = 0
                while not long.done():
                    n += response.readline().startswith(b"data: ")
                self.assertEqual(long.result().status, 200)
            self.assertGreater(n, 5)
            response.close()
            c.close()

    def test_told_to_end_it_finishes_what_it_has_begun(self):
        with Server("-np", 1, "-c", 2048) as server:
            c, response = self.stream(server, {**LONG, "max_tokens": 600})
            server.process.send_signal(signal.SIGTERM)
            server.wait(lambda: any(line["event"] == "ending" for line in server.log))
            self.assertEqual(server.get("/health").status, 503)
            refused = server.post("/v1/completions", {"prompt": "x"})
            self.assertEqual(refused.status, 503)
            self.assertIn("Retry-After", refused.headers)
            rest = response.read().decode()
            self.assertIn('"finish_reason":"length"', rest)
            self.assertTrue(rest.endswith("data: [DONE]\n\n"))
            c.close()
            self.assertEqual(server.process.wait(300), 0)

    def test_what_takes_too_long_to_end_is_told_so(self):
        with Server("-np", 1, "-c", 2048, "--drain-seconds", 0) as server:
            c, response = self.stream(server, {**LONG, "max_tokens": 2000})
            self.assertEqual(server.end(), 0)
            self.assertIn("the server is ending", response.read().decode())
            c.close()

    def test_idle_clients_keep_nobody_out(self):
        with Server("--max-connections", 40) as server:
            idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
            for s in idle:
                s.sendall(b"POST /v1/completions HTTP/1.1\r\nContent-Le")
            self.assertEqual(len(server.text(prompt="x", max_tokens=1)) > 0, True)
            idle += [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
            time.sleep(0.2)
            refused = server.get("/health")
            self.assertEqual(refused.status, 503)
            for s in idle:
                s.close()
            server.wait(lambda: server.get("/health").status == 200, 5)
            for _ in range(60):
                self.assertEqual(server.get("/health").status, 200)


def story_chat(server, name, *texts):
    """The answer to a chat of these texts after a story of that name, the user's first, and the tokens of it that were known."""
    roles = ("user", "assistant") * len(texts)
    story = {"role": "system", "content": name + " ".join(map(str, range(150)))}
    body = {"messages": [story] + [{"role": r, "content": t} for r, t in zip(roles, texts)], "max_tokens": 12, "seed": 1,
            "ignore_eos": True}
    answer = server.post("/v1/chat/completions", body).json
    return answer["choices"][0]["message"]["content"], answer["usage"]["prompt_tokens_details"]["cached_tokens"]


class KeptTextsTest(unittest.TestCase):
    """More conversations than sequences."""

    def test_a_chat_comes_back_to_the_one_sequence(self):
        turns = {}
        for limit, kept in (("64M", True), ("0", False)):
            with Server("-np", 1, "-c", 2048, "--cache-ram", limit) as server:
                first = {name: story_chat(server, name, "one")[0] for name in "AB"}
                second = {name: story_chat(server, name, "one", first[name], "two") for name in "AB"}
                texts = float(re.search(r"^nextn:kept_texts(?:{.*?})? (\S+)$", server.get("/metrics").body.decode(), re.M)[1])
                self.assertEqual(texts, 1 if kept else 0)
                for name, (_, known) in second.items():
                    self.assertEqual(known > 100, kept, name)
                turns[kept] = [first, {name: text for name, (text, _) in second.items()}]
        self.assertEqual(turns[True], turns[False])


class SlotFilesTest(unittest.TestCase):
    """POST /slots/ID?action=save, restore and erase."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def server(self, *args, **options):
        return Server("-np", 2, "-c", 2048, "--slot-save-path", self.folder, *args, **options)

    def act(self, server, slot, action, name="a.bin"):
        return server.post(f"/slots/{slot}?action={action}", {"filename": name})

    def chat(self, server, *texts):
        return story_chat(server, "A story. ", *texts)

    def slot_in_use(self, server):
        return max(server.get("/slots").json, key=lambda slot: slot["n_context_tokens"])["id"]

    def test_a_chat_goes_on_after_a_restart(self):
        with self.server() as server:
            one, _ = self.chat(server, "one")
            slot = self.slot_in_use(server)
            held = server.get("/slots").json[slot]["n_context_tokens"]
            saved = self.act(server, slot, "save")
            self.assertEqual(saved.status, 200, saved.body)
            self.assertEqual((saved.json["id_slot"], saved.json["filename"], saved.json["n_saved"]), (slot, "a.bin", held))
            self.assertEqual(saved.json["n_written"], (self.folder / "a.bin").stat().st_size)
            self.assertGreaterEqual(saved.json["timings"]["save_ms"], 0)
            self.assertEqual([f.name for f in self.folder.iterdir()], ["a.bin"])
            two, known = self.chat(server, "one", one, "two")
            again, _ = self.chat(server, "one")
        with self.server("-t", 1) as server:
            restored = self.act(server, 1, "restore").json
            self.assertEqual((restored["id_slot"], restored["filename"], restored["n_restored"], restored["n_read"]),
                             (1, "a.bin", held, saved.json["n_written"]))
            self.assertGreaterEqual(restored["timings"]["restore_ms"], 0)
            self.assertEqual(server.get("/slots").json[1]["n_context_tokens"], held)
            self.assertEqual(self.chat(server, "one", one, "two"), (two, known))
            self.assertGreater(known, 300)
            # The checkpoints came along.
            self.assertEqual(self.act(server, 0, "restore").status, 200)
            text, known = self.chat(server, "one")
            self.assertEqual(text, again)
            self.assertGreater(known, 300)
            for slot in (0, 1):
                held = server.get("/slots").json[slot]["n_context_tokens"]
                self.assertEqual(server.post(f"/slots/{slot}?action=erase", b"").json, {"id_slot": slot, "n_erased": held})
                self.assertEqual(server.get("/slots").json[slot]["n_context_tokens"], 0)
            self.assertEqual(self.chat(server, "one"), (again, 0))

    def test_what_is_wrong_is_named(self):
        def refused(server, slot, action, name, *mentions, status=400):
            answer = self.act(server, slot, action, name)
            self.assertEqual(answer.status, status, answer.body)
            for text in mentions:
                self.assertIn(text, answer.json["error"]["message"])
            self.assertNotIn("\n", answer.json["error"]["message"])

        with self.server() as server:
            text, _ = self.chat(server, "one")
            self.assertEqual(self.act(server, self.slot_in_use(server), "save").status, 200)
            for name in ("", "..", ".", "../a.bin", "/a.bin", "b/a.bin", "a\\b", ".hidden", "a\nb", "x" * 201, 3, None, ["a"]):
                for action in ("save", "restore"):
                    refused(server, 0, action, name, "filename")
            for slot in ("2", "-1", "x", "", "0/1", "99999999999"):
                refused(server, slot, "save", "a.bin", "slot")
            for action in ("", "load", "save%00"):
                refused(server, 0, action, "a.bin", "action")
            self.assertEqual(server.post("/slots/0", {"filename": "a.bin"}).status, 400)
            self.assertEqual(server.get("/slots/0?action=save").status, 405)
            refused(server, 0, "restore", "none.bin", "none.bin", "found none")
            whole = (self.folder / "a.bin").read_bytes()
            (self.folder / "short.bin").write_bytes(whole[:-100])
            refused(server, 0, "restore", "short.bin", "whole")
            (self.folder / "bad.bin").write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
            refused(server, 0, "restore", "bad.bin", "checksum")
            (self.folder / "folder.bin").mkdir()
            refused(server, 0, "restore", "folder.bin", "regular")
            refused(server, 0, "save", "folder.bin", "cannot write", status=500)
            self.assertEqual(self.chat(server, "one")[0], text)
        with self.server(model=str(MODELS / "tiny-no-head.gguf")) as server:
            refused(server, 0, "restore", "a.bin", "model: expected", "found")
        with self.server("-ctk", "q8_0") as server:
            refused(server, 0, "restore", "a.bin", "cache types: expected q8_0 f16, found f16 f16")
        with Server("-np", 2) as server:
            for action in ("save", "restore", "erase"):
                refused(server, 0, action, "a.bin", "--slot-save-path", status=501)

    def test_a_slot_in_use_is_saved_when_its_request_ends(self):
        with self.server() as server:
            alone = server.text(prompt="Once upon", max_tokens=300, temperature=0, ignore_eos=True)
            with ThreadPoolExecutor(8) as pool:
                # More requests than slots, so that a slot is never idle for long.
                texts = [pool.submit(server.text, prompt="Once upon", max_tokens=300, temperature=0, ignore_eos=True) for _ in range(6)]
                server.wait(lambda: server.busy() == 2)
                for i in range(6):
                    answer = self.act(server, i % 2, ("save", "restore", "save")[i % 3], f"{i % 2}.bin")
                    self.assertIn(answer.status, (200, 400), answer.body)
                self.assertEqual({t.result() for t in texts}, {alone})
            self.assertEqual(sorted(f.name for f in self.folder.iterdir()), ["0.bin", "1.bin"])


class SleepTest(unittest.TestCase):
    """--sleep-idle-seconds"""

    BODY = {"prompt": "Once upon", "max_tokens": 40, "temperature": 0}

    def sleeps(self, server):
        return server.get("/props").json["is_sleeping"]

    def metric(self, server, name):
        lines = server.get("/metrics").body.decode().splitlines()
        return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"nextn:{name}{{"))

    def resident_kib(self, server):
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])

    def events(self, server, name):
        return sum(line["event"] == name for line in server.log)

    def test_twenty_times_it_sleeps_and_has_the_same_size_and_text(self):
        program = Path(NEXTN).read_bytes()
        sanitized = b"__asan_init" in program or b"__tsan_init" in program  # they keep what has been freed
        with Server("-np", 2, "-t", 2, "--sleep-idle-seconds", 1) as server:
            awake, text, size, steps = self.resident_kib(server), None, None, 0
            kept = server.connect()  # a connection with nothing on it keeps nobody awake
            for i in range(20):
                answer = server.post("/v1/completions", self.BODY, connection=kept if i == 0 else None).json
                text = text or answer["choices"][0]["text"]
                self.assertEqual(answer["choices"][0]["text"], text)
                server.wait(lambda: self.sleeps(server), 60)
                size = size or self.resident_kib(server)
                if not sanitized:
                    self.assertLess(size, awake)
                    self.assertLess(self.resident_kib(server), 1.02 * size)
                self.assertGreater(self.metric(server, "steps"), steps)
                steps = self.metric(server, "steps")
            kept.close()
            self.assertEqual(server.end(), 0)  # asleep
            self.assertGreaterEqual(self.events(server, "asleep"), 20)
            self.assertEqual(self.events(server, "asleep"), self.events(server, "ready"))

    def test_who_only_looks_does_not_wake_it(self):
        with Server("-np", 3, "--sleep-idle-seconds", 5) as server:
            self.assertFalse(self.sleeps(server))
            models, props = server.get("/v1/models").json, server.get("/props").json
            server.wait(lambda: self.sleeps(server), 60)  # which looks all the time, and does not keep it awake
            for _ in range(5):
                self.assertEqual(server.get("/health").json, {"status": "ok"})
                self.assertEqual(server.get("/v1/models").json, models)
                self.assertEqual(server.get("/props").json, {**props, "is_sleeping": True})
                self.assertEqual(self.metric(server, "engine_sleeping"), 1)
                self.assertEqual([(s["id"], s["n_context_tokens"], s["is_processing"]) for s in server.get("/slots").json],
                                 [(i, 0, False) for i in range(3)])
                self.assertEqual(server.get("/").status, 200)
            self.assertEqual(self.events(server, "waking"), 0)
            self.assertEqual(server.post("/tokenize", {"content": "x"}).status, 200)
            self.assertEqual(self.metric(server, "engine_sleeping"), 0)
            server.wait(lambda: self.events(server, "waking") == 1)

    def test_all_who_come_while_it_wakes_are_answered(self):
        with Server("-np", 2, "--sleep-idle-seconds", 1) as server:
            text = server.text(**self.BODY)
            for _ in range(3):
                server.wait(lambda: self.sleeps(server), 60)
                with ThreadPoolExecutor(12) as pool:
                    def one(i):
                        body = {**self.BODY, "stream": i % 3 == 0}
                        answer = server.post("/v1/completions", body)
                        self.assertEqual(answer.status, 200, answer.body)
                        pieces = answer.events if body["stream"] else [answer.json]
                        return "".join(c["text"] for piece in pieces for c in piece["choices"])

                    self.assertEqual(set(pool.map(one, range(24))), {text})
            # One that goes away before it is answered.
            server.wait(lambda: self.sleeps(server), 60)
            c = server.connect()
            c.request("POST", "/v1/completions", json.dumps(LONG))
            c.close()
            self.assertEqual(server.text(**self.BODY), text)
            server.wait(lambda: self.sleeps(server), 60)

    def test_it_does_not_sleep_while_it_writes(self):
        with Server("-np", 1, "-c", 2048, "-t", 1, "--sleep-idle-seconds", 2) as server:
            c = server.connect()
            c.request("POST", "/v1/completions", json.dumps({**LONG, "max_tokens": 2000, "n": 8, "stream": True}))  # for longer than that
            self.assertIn(b"data: [DONE]", c.getresponse().read())
            c.close()
            self.assertEqual(self.events(server, "asleep"), 0)
            server.wait(lambda: self.sleeps(server), 60)

    def test_a_model_that_is_gone_or_another(self):
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "model.gguf"
            shutil.copy(MIXED, model)
            with Server("-np", 1, "-c", 512, "--sleep-idle-seconds", 1, model=str(model)) as server:
                text = server.text(**self.BODY)

                def refused(*mentions):
                    answer = server.post("/v1/completions", self.BODY)
                    self.assertEqual((answer.status, "Retry-After" in answer.headers), (503, True), answer.body)
                    for mention in mentions:
                        self.assertIn(mention, answer.json["error"]["message"])
                    self.assertEqual(server.get("/health").status, 200)

                server.wait(lambda: self.sleeps(server), 60)
                away = model.rename(Path(folder) / "away.gguf")
                refused("model.gguf", "No such file")
                refused("model.gguf", "No such file")
                shutil.copy(MODELS / "tiny-no-head.gguf", model)
                refused("expected the model that it was", "found another")
                model.write_bytes(b"GGUF" + bytes(100))
                refused("model.gguf", "expected")
                away.replace(model)
                self.assertEqual(server.text(**self.BODY), text)

    def test_slots_are_saved_before_it_sleeps(self):
        with tempfile.TemporaryDirectory() as folder, \
                Server("-np", 1, "--sleep-idle-seconds", 5, "--slot-save-path", folder) as server:
            server.text(**self.BODY)
            saved = server.post("/slots/0?action=save", {"filename": "a"}).json["n_saved"]
            self.assertGreater(saved, 30)
            server.wait(lambda: self.sleeps(server), 60)
            self.assertEqual(server.post("/slots/0?action=restore", {"filename": "a"}).json["n_restored"], saved)


class SafetyTest(unittest.TestCase):
    def test_keys(self):
        with tempfile.NamedTemporaryFile("w", suffix=".keys") as keys:
            keys.write("second\nthird\n")
            keys.flush()
            with Server("--api-key", "first", "--api-key-file", keys.name) as server:
                for headers, status in (({}, 401), ({"Authorization": "Bearer wrong"}, 401), ({"Authorization": "first"}, 401),
                                        ({"Authorization": "Bearer first"}, 200), ({"Authorization": "Bearer third"}, 200),
                                        ({"X-Api-Key": "second"}, 200), ({"X-Api-Key": ""}, 401)):
                    self.assertEqual(server.get("/v1/models", headers=headers).status, status, headers)
                self.assertEqual(server.post("/v1/completions", {"prompt": "x"}).status, 401)
                self.assertEqual(server.get("/health").status, 200)
                self.assertEqual(server.get("/").status, 200)

    def test_pages_of_others(self):
        with Server() as server:
            own = {"Origin": f"http://127.0.0.1:{server.port}"}
            self.assertEqual(server.get("/v1/models", headers=own).status, 200)
            other = server.get("/v1/models", headers={"Origin": "https://evil.example"})
            self.assertEqual((other.status, other.headers["Access-Control-Allow-Origin"]), (403, None))
        with Server("--cors-origin", "https://good.example") as server:
            good = {"Origin": "https://good.example"}
            self.assertEqual(server.get("/v1/models", headers=good).headers["Access-Control-Allow-Origin"], good["Origin"])
            self.assertEqual(server.ask("OPTIONS", "/v1/chat/completions", headers=good).status, 204)
            self.assertEqual(server.get("/v1/models", headers={"Origin": "https://evil.example"}).status, 403)

    @unittest.skipIf(shutil.which("openssl") is None, "there is no openssl to make a certificate")
    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            cert, key = f"{folder}/cert.pem", f"{folder}/key.pem"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
            context = ssl.create_default_context(cafile=cert)
            with Server("--ssl-cert-file", cert, "--ssl-key-file", key, "-np", 1, "-c", 2048, tls=context) as server:
                self.assertEqual(server.get("/health").status, 200)
                events = server.post("/v1/completions", {"prompt": "x", "max_tokens": 3, "stream": True}).events
                self.assertGreater(len(events), 2)
                c = server.connect()
                c.request("POST", "/v1/completions", json.dumps(LONG))
                server.wait(lambda: server.busy() == 1)
                c.close()
                server.wait(lambda: server.busy() == 0, 3)

    def refused(self, *args):
        done = subprocess.run([NEXTN, "serve", *([] if "--port" in args else ["--port", "0"]), *args], capture_output=True, timeout=300)
        self.assertIn(done.returncode, (1, 2), done.stderr)
        error = done.stderr.decode().strip().splitlines()[-1]
        self.assertTrue(error.startswith("nextn serve: "), error)
        return error

    def test_flags(self):
        for args in (["--port", "99999"], ["--port", "x"], ["-np", "-1"], ["--log-format", "xml"], ["--api-key", ""],
                     ["--ssl-cert-file", "x"], ["--prefill-slowdown", "0"], ["--queue-limit", "0"], ["--temp", "nan"], ["--ctx-checkpoints", "-1"], ["--cache-ram", "much"],
                     ["--chat-template-kwargs", "[]"], ["--drain-seconds", "-1"], ["--slot-save-path", "/nowhere"],
                     ["--sleep-idle-seconds", "0"], ["--sleep-idle-seconds", "soon"]):
            self.assertIn("expected", self.refused(*args))
        self.assertIn("no-such-host", self.refused("--host", "no-such-host.invalid"))
        self.assertIn("/nowhere.gguf", self.refused("-m", "/nowhere.gguf"))
        self.assertIn("/nowhere.pem", self.refused("--ssl-cert-file", "/nowhere.pem", "--ssl-key-file", "/nowhere.pem"))
        with Server() as server:
            self.assertIn("in use", self.refused("--port", str(server.port)))


if __name__ == "__main__":
    unittest.main()
