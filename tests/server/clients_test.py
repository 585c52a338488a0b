#!/usr/bin/env python3
"""`nextn serve` as its clients see it: OpenAI's and Anthropic's own Python libraries, strict about what they read.

    NEXTN=build/release/nextn NEXTN_TEST_MODELS=build/release/tests/models python3 tests/server/clients_test.py

Skips what is not installed: pip install openai anthropic. See clients.mjs for those of npm.
"""
import json
import os
import shutil
import subprocess
import unittest
from pathlib import Path

from serving import Server

try:
    import openai
except ImportError:
    openai = None
try:
    import anthropic
except ImportError:
    anthropic = None

HI = [{"role": "user", "content": "hi"}]
TOWN = {"type": "object", "properties": {"town": {"type": "string", "maxLength": 20}}, "required": ["town"], "additionalProperties": False}
NODE_MODULES = os.environ.get("NEXTN_NODE_MODULES", "")  # a folder with openai, @anthropic-ai/sdk, ai


class ClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--api-key", "key", model=None)  # the demo model
        cls.base = f"http://127.0.0.1:{cls.server.port}"

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()


@unittest.skipIf(openai is None, "openai is not installed")
class OpenAiTest(ClientTest):
    def setUp(self):
        self.client = openai.OpenAI(base_url=self.base + "/v1", api_key="key", max_retries=0)
        self.addCleanup(self.client.close)

    def test_models(self):
        self.assertEqual([m.id for m in self.client.models.list()], ["demo model"])

    def test_chat(self):
        ask = {"model": "demo model", "messages": HI, "max_completion_tokens": 10, "temperature": 0}
        whole = self.client.chat.completions.create(**ask, logprobs=True, top_logprobs=2)
        self.assertEqual(len(whole.choices[0].logprobs.content), whole.usage.completion_tokens)
        text, usage, reason = "", None, None
        for chunk in self.client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                reason = choice.finish_reason or reason
        self.assertEqual((text, reason), (whole.choices[0].message.content, whole.choices[0].finish_reason))
        self.assertEqual(usage.total_tokens, whole.usage.total_tokens)
        with self.client.chat.completions.stream(**ask) as stream:
            deltas = "".join(event.delta for event in stream if event.type == "content.delta")
        self.assertEqual(deltas, text)

    def test_completions(self):
        ask = {"model": "x", "prompt": "Once upon a time", "max_tokens": 8, "temperature": 0}
        whole = self.client.completions.create(**ask).choices[0].text
        self.assertEqual("".join(c.text for e in self.client.completions.create(**ask, stream=True) for c in e.choices), whole)

    def test_responses(self):
        ask = {"model": "x", "input": "hi", "instructions": "Be brief.", "max_output_tokens": 9, "temperature": 0}
        whole = self.client.responses.create(**ask)
        self.assertEqual(whole.status, "incomplete" if whole.incomplete_details else "completed")
        with self.client.responses.stream(**ask) as stream:
            types = [event.type for event in stream]
            final = stream.get_final_response()
        self.assertEqual(final.output_text, whole.output_text)
        self.assertEqual(types[:3], ["response.created", "response.in_progress", "response.output_item.added"])
        self.assertEqual(types[-1], "response." + whole.status)
        items = [{"role": "user", "content": "hi"}, *[item.model_dump() for item in whole.output], {"role": "user", "content": "and?"}]
        self.assertTrue(self.client.responses.create(**{**ask, "input": items}).output_text is not None)

    def test_forced_calls(self):
        tools = [{"type": "function", "function": {"name": "weather", "parameters": TOWN}}]
        named = {"type": "function", "function": {"name": "weather"}}
        for choice, reason in (("required", "tool_calls"), (named, "stop")):
            ask = {"model": "x", "messages": HI, "tools": tools, "tool_choice": choice, "parallel_tool_calls": False, "seed": 1}
            whole = self.client.chat.completions.create(**ask).choices[0]
            call, = whole.message.tool_calls
            self.assertEqual((whole.finish_reason, call.function.name), (reason, "weather"))
            self.assertEqual(set(json.loads(call.function.arguments)), {"town"})
            with self.client.chat.completions.stream(**ask) as stream:
                streamed, = stream.get_final_completion().choices[0].message.tool_calls
            self.assertEqual(streamed.function.arguments, call.function.arguments)
        with self.assertRaises(openai.BadRequestError) as e:
            self.client.chat.completions.create(**{**ask, "tool_choice": {"type": "function", "function": {"name": "snow"}}})
        self.assertEqual(e.exception.param, "tool_choice")
        flat = [{"type": "function", "name": "weather", "parameters": TOWN, "strict": True}]
        for choice in ("required", {"type": "function", "name": "weather"}):
            item, = self.client.responses.create(model="x", input="hi", tools=flat, tool_choice=choice, parallel_tool_calls=False).output
            self.assertEqual((item.type, item.name, set(json.loads(item.arguments))), ("function_call", "weather", {"town"}))

    def test_errors(self):
        with self.assertRaises(openai.BadRequestError) as e:
            self.client.chat.completions.create(model="x", messages=HI, temperature="hot")
        self.assertEqual(e.exception.param, "temperature")
        with self.assertRaises(openai.AuthenticationError):
            openai.OpenAI(base_url=self.base + "/v1", api_key="wrong", max_retries=0).models.list()
        with self.assertRaises(openai.BadRequestError):
            self.client.responses.create(model="x", input=[])

    def test_a_client_that_gives_up(self):
        stream = self.client.completions.create(model="x", prompt="Once", max_tokens=1900, stream=True,
                                                extra_body={"ignore_eos": True})
        next(iter(stream))
        stream.close()
        key = {"Authorization": "Bearer key"}
        self.server.wait(lambda: not any(s["is_processing"] for s in self.server.get("/slots", headers=key).json), 5)


@unittest.skipIf(anthropic is None, "anthropic is not installed")
class AnthropicTest(ClientTest):
    def setUp(self):
        self.client = anthropic.Anthropic(base_url=self.base, api_key="key", max_retries=0)
        self.addCleanup(self.client.close)

    def test_messages(self):
        ask = {"model": "x", "messages": HI, "max_tokens": 10, "system": "Be brief.", "extra_body": {"temperature": 0}}
        whole = self.client.messages.create(**ask)
        self.assertIn(whole.stop_reason, ("end_turn", "max_tokens"))
        with self.client.messages.stream(**ask) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        self.assertEqual((text, final.stop_reason), (whole.content[0].text, whole.stop_reason))
        self.assertEqual(final.usage.output_tokens, whole.usage.output_tokens)
        word = text.split()[1]
        cut = self.client.messages.create(**ask, stop_sequences=[word])
        self.assertEqual((cut.stop_reason, cut.stop_sequence), ("stop_sequence", word))

    def test_count_tokens(self):
        n = self.client.messages.count_tokens(model="x", messages=HI).input_tokens
        self.assertEqual(n, self.client.messages.create(model="x", messages=HI, max_tokens=1).usage.input_tokens)

    def test_calls_and_results_are_read(self):
        tools = [{"name": "weather", "description": "of a town", "input_schema": {"type": "object", "properties": {}}}]
        messages = [*HI, {"role": "assistant", "content": [{"type": "text", "text": "Wait."},
                                                           {"type": "tool_use", "id": "t1", "name": "weather", "input": {"town": "Ulm"}}]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "rain"},
                                                 {"type": "text", "text": "So?"}]}]
        self.client.messages.create(model="x", messages=messages, tools=tools, max_tokens=4)

    def test_forced_calls(self):
        tools = [{"name": "weather", "input_schema": TOWN}]
        for choice in ({"type": "any"}, {"type": "tool", "name": "weather"}):
            ask = {"model": "x", "messages": HI, "max_tokens": 400, "tools": tools,
                   "tool_choice": {**choice, "disable_parallel_tool_use": True}, "extra_body": {"seed": 1}}
            whole = self.client.messages.create(**ask)
            block, = whole.content
            self.assertEqual((whole.stop_reason, block.type, block.name, set(block.input)), ("tool_use", "tool_use", "weather", {"town"}))
            with self.client.messages.stream(**ask) as stream:
                self.assertEqual(stream.get_final_message().content[0].input, block.input)
        with self.assertRaises(anthropic.BadRequestError):
            self.client.messages.create(**{**ask, "tool_choice": {"type": "tool", "name": "snow"}})

    def test_errors(self):
        with self.assertRaises(anthropic.BadRequestError) as e:
            self.client.messages.create(model="x", messages=[], max_tokens=1)
        self.assertEqual(e.exception.body["error"]["type"], "invalid_request_error")
        with self.assertRaises(anthropic.AuthenticationError):
            anthropic.Anthropic(base_url=self.base, api_key="wrong", max_retries=0).messages.create(
                model="x", messages=HI, max_tokens=1)


@unittest.skipIf(not NODE_MODULES or shutil.which("node") is None, "NEXTN_NODE_MODULES names no packages, or there is no node")
class NodeTest(ClientTest):
    def test_clients_of_npm(self):
        script = Path(NODE_MODULES).parent / "clients.mjs"  # modules are looked for beside the script
        script.write_text((Path(__file__).parent / "clients.mjs").read_text())
        done = subprocess.run(["node", script, self.base], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
