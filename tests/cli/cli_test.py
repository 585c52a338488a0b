#!/usr/bin/env python3
"""Tests of the program from outside: arguments, files, exit statuses, what goes to stdout and what to stderr.

    NEXTN=build/release/nextn NEXTN_TEST_MODELS=build/release/tests/models python3 tests/cli/cli_test.py
"""
import json
import os
import pty
import random
import select
import signal
import struct
import subprocess
import tempfile
import time
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

NEXTN = os.environ.get("NEXTN", "nextn")
CACHE = tempfile.TemporaryDirectory(prefix="nextn-cache-")  # instead of the user's
MODELS = Path(os.environ.get("NEXTN_TEST_MODELS", "."))
MIXED, Q4 = str(MODELS / "tiny-mixed-q8_0.gguf"), str(MODELS / "tiny-mixed-q4_k_m.gguf")
NO_HEAD, TIED = str(MODELS / "tiny-no-head.gguf"), str(MODELS / "tiny-tied-q4_k_m.gguf")
MOE, GLM = str(MODELS / "tiny-moe-mixed-q4_k_m.gguf"), str(MODELS / "tiny-glm45-mixed-q8_0.gguf")
N_VOCAB, N_EMBD, EOS = 2048, 256, 2045  # of all tiny models
PROMPT = "The quick brown fox jumps over the lazy dog, and then it sleeps."


class Result:
    def __init__(self, rc, out, err):
        self.rc, self.bytes, self.err = rc, out, err

    @property
    def out(self):
        return self.bytes.decode()


def nextn(*args, stdin=b"", env=None, **options):
    options.setdefault("stdout", subprocess.PIPE)
    done = subprocess.run([NEXTN, *map(str, args)], input=stdin, stderr=subprocess.PIPE, timeout=300,
                          env={**os.environ, "XDG_CACHE_HOME": CACHE.name, **(env or {})}, **options)
    return Result(done.returncode, done.stdout or b"", done.stderr.decode(errors="replace"))


def run(*args, model=MIXED, **options):
    return nextn("run", "-m", model, "-t", 1, *args, **options)


# ------------------------------------------------------------------------------------------------- GGUF files made here
U8, U16, U32, I32, F32, BOOL, STR, ARR, U64 = 0, 2, 4, 5, 6, 7, 8, 9, 10
PACK = {U8: "<B", U16: "<H", U32: "<I", I32: "<i", F32: "<f", BOOL: "<?", U64: "<Q"}
BLOCK = {"F32": (0, 1, 4), "Q8_0": (8, 32, 34), "Q2_K": (10, 256, 84), "Q1_0": (41, 128, 18), "Q2_0": (42, 64, 18)}


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, v):
    return string(v) if kind == STR else struct.pack(PACK[kind], v)


def gguf(keys, tensors):
    """keys: (key, type, value) or (key, ARR, values, element type); tensors: (name, shape, name of the type)."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    for key, kind, v, *element in keys:
        head += string(key) + struct.pack("<I", kind)
        if kind == ARR:
            head += struct.pack("<IQ", element[0], len(v)) + b"".join(value(element[0], x) for x in v)
        else:
            head += value(kind, v)
    data = b""
    for name, shape, kind in tensors:
        number, values, size = BLOCK[kind]
        n = 1
        for x in shape:
            n *= x
        head += string(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", x) for x in shape)
        head += struct.pack("<IQ", number, len(data))
        data += bytes((n // values * size + 31) // 32 * 32)
    return head + bytes(-len(head) % 32) + data


MAMBA = [("general.architecture", STR, "mamba"), ("general.name", STR, "A mamba"), ("mamba.block_count", U32, 1),
         ("mamba.embedding_length", U32, 256), ("mamba.attention.head_count", U32, 4),
         ("tokenizer.ggml.model", STR, "llama"), ("tokenizer.ggml.tokens", ARR, ["<s>", "</s>", "a"], STR),
         ("tokenizer.ggml.eos_token_id", U32, 1)]
MAMBA_TENSORS = [("token_embd.weight", [256, 3], "Q8_0"), ("blk.0.attn_norm.weight", [256], "F32"),
                 ("blk.0.attn_q.weight", [256, 256], "Q2_K"), ("blk.0.ffn_up.weight", [256, 512], "Q1_0"),
                 ("blk.0.ffn_down.weight", [512, 256], "Q2_0")]


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls._dir = tempfile.TemporaryDirectory(prefix="nextn_cli_")
        cls.dir = Path(cls._dir.name)

    @classmethod
    def tearDownClass(cls):
        cls._dir.cleanup()

    def write(self, name, data):
        path = self.dir / name
        path.write_bytes(data)
        return str(path)

    def assert_error(self, result, status, *mentions):
        """One line on stderr and this status. A status below zero would be a signal."""
        self.assertEqual(result.rc, status, result.err)
        self.assertEqual(len(result.err.splitlines()), 1, result.err)
        self.assertTrue(result.err.startswith("nextn") and result.err.endswith("\n"), result.err)
        for text in mentions:
            self.assertIn(text, result.err)

    def refused(self, *args, status=2, mentions=(), **options):
        with self.subTest(args=args):
            result = nextn(*args, **options)
            self.assert_error(result, status, *mentions)
            self.assertEqual(result.bytes, b"")

    def json(self, *args, model=MIXED, **options):
        """The object that `run --json` printed, and nothing else."""
        result = run("--json", *args, model=model, **options)
        self.assertEqual(result.rc, 0, result.err)
        self.assertEqual(result.out.count("\n"), 1)
        self.assertTrue(result.out.endswith("\n"))
        return json.loads(result.out)

    def inspect(self, *args):
        result = nextn("inspect", "--json", *args)
        self.assertEqual((result.rc, result.err), (0, ""))
        self.assertEqual(result.out.count("\n"), 1)
        return json.loads(result.out)


class Usage(Case):
    def test_commands(self):
        self.refused(mentions=["expected a command"])
        self.refused("", mentions=["expected a command"])
        self.refused("walk", mentions=["'walk'"])
        self.refused("--walk", mentions=["'--walk'"])
        self.refused("wa\x1b[2J\nlk", mentions=[r"wa\x1b[2J\x0alk"])

    def test_help_and_version(self):
        for args in (["--help"], ["-h"], ["run", "--help"], ["inspect", "-h"], ["plan", "--help"], ["selftest", "--help"], ["bench", "--help"], ["--version"]):
            with self.subTest(args=args):
                result = nextn(*args)
                self.assertEqual((result.rc, result.err), (0, ""))
                self.assertTrue(result.out.endswith("\n"))
        self.assertRegex(nextn("--version").out, r"^nextn \d+\.\d+\.\d+ \((scalar|avx2|avx512|avx512_vbmi|amx)\)\n$")

    def test_unknown_flags_and_arguments(self):
        for command in ("run", "bench", "inspect", "selftest"):
            self.refused(command, "--walk")
            self.refused(command, "-Z")
            self.refused(command, "--walk\nfast")
        self.refused("run", "-p", "a", "b")
        self.refused("inspect", MIXED, MIXED)
        self.refused("inspect", MIXED, "-m", MIXED)

    def test_missing_values(self):
        for flag in ("-m", "-p", "-f", "-n", "-t", "-c", "-b", "-ub", "-ctk", "--tokens", "-r", "--temp", "--logits"):
            self.refused("run", flag)
        self.refused("inspect", "-m")
        self.refused("run", "-p", "a", "-m", "", mentions=["--model"])  # not the built-in model
        self.refused("inspect", "", status=1)

    def test_numbers(self):
        for flag in ("-n", "-t", "-c", "-b", "-ub", "-s", "--temp", "--top-k", "--top-p", "--min-p",
                     "--repeat-penalty", "--repeat-last-n", "--frequency-penalty", "--presence-penalty",
                     "--spec-draft-n-max", "--spec-draft-n-min", "--spec-draft-p-min"):
            for text in ("x", "1x", "", "1e99999", "9" * 400):
                self.refused("run", "-p", "a", flag, text)

    def test_ranges(self):
        for flag, values in {
                "-t": [-1, 1025], "-c": [-1, 2**30 + 1], "-b": [-1, 0, 65537], "-ub": [-1, 0, 65537], "-n": [-2],
                "-s": [-2], "--temp": ["nan", "inf", "-inf"], "--top-p": [-0.1, 1.1, "nan"],
                "--min-p": [-0.1, 1.1, "nan"], "--repeat-penalty": [0, -1, 101, "nan", "inf"],
                "--repeat-last-n": [-1, 4097], "--frequency-penalty": [-101, 101, "nan"],
                "--presence-penalty": [-101, 101, "nan"], "--spec-draft-n-max": [-1, 65],
                "--spec-draft-n-min": [-1, 65], "--spec-draft-p-min": [-0.1, 1.1, "nan"]}.items():
            for v in values:
                self.refused("run", "-p", "a", flag, v)
        self.refused("selftest", "-n", 0)
        self.refused("run", "-p", "a", "-m", "none.gguf", "--temp", "nan")  # seen before a large file is loaded
        self.refused("run", "-p", "a", "-m", "none.gguf", "-l", "x+1")

    def test_placement_of_tensors(self):
        said = "have no effect"
        for flags in (["-ot", "exps=CPU"], ["--override-tensor", "a=CPU,b=CPU", "-ot", "c=CPU"], ["--cpu-moe"], ["-ncmoe", 3]):
            r = nextn("run", "-p", "a", "-n", 1, *flags)
            self.assertEqual((r.rc, r.err.count(said)), (0, 1), r.err)
        self.assertNotIn(said, nextn("run", "-p", "a", "-n", 1).err)
        for rule in ("exps=CUDA0", "exps", "a=CPU,b=GPU", ""):
            self.refused("run", "-p", "a", "-ot", rule, mentions=["-ot", "=CPU"])

    def test_choices(self):
        for flag in ("-ctk", "-ctv", "-ctkd", "-ctvd", "--spec-type", "--spec-adaptive"):
            for text in ("x", "F16 ", "q4_0"):
                self.refused("run", "-p", "a", flag, text)
        for text in ("", "mtp,", ",suffix", "mtp suffix", "mtp,draft2"):
            self.refused("run", "-p", "a", "--spec-type", text, mentions=["--spec-type"])
        self.refused("run", "-p", "a", "--spec-type", "mtp,draft", mentions=["--spec-type draft", "-md"])
        self.refused("run", "-p", "a", "-md", Q4, "--spec-type", "mtp", mentions=["-md", "'mtp'"])
        self.refused("run", "-m", MIXED, "-p", "a", "-md", "/nowhere.gguf", status=1, mentions=["/nowhere.gguf"])
        self.refused("run", "-p", "a", "-md", MIXED, status=1, mentions=[MIXED, "tokenizer.ggml.tokens", "demo model"])
        for text in ("", "x", "0", "-1", "1x", "9" * 40, "Auto"):
            self.refused("run", "-p", "a", "--spec-draft-vocab", text, mentions=["--spec-draft-vocab"])
        self.refused("selftest", "--inject", "x")
        for command in ("selftest", "bench"):  # attention alone has nothing to replay
            self.refused(command, "-m", GLM, "--inject", "replay", mentions=["--inject replay"])
        self.refused("run", "-p", "a", env={"NEXTN_ISA": "nonsense"}, mentions=["NEXTN_ISA", "'nonsense'"])
        self.refused("--version", env={"NEXTN_ISA": "nonsense"}, mentions=["NEXTN_ISA"])
        self.refused("run", "-m", NO_HEAD, "-p", "a", "--spec-type", "mtp", mentions=[NO_HEAD])

    def test_prompts(self):
        self.refused("run", "--logits", "x", mentions=["-p, -f or --tokens"])
        self.refused("run", "-p", "a", "--tokens", "1")
        self.refused("run", "-p", "a", "-f", "-")
        self.refused("run", "-f", "-", "--tokens", "1")
        self.refused("run", "-p", "a", "-r", "")
        self.refused("run", "-p", "a", "-r", "b", "-r", "")
        for ids in ("a", "1,", ",1", "1,,2", "1 2", "1.5", "99999999999"):
            self.refused("run", "--tokens", ids, mentions=["--tokens"])
        for bias in ("1", "x+1", "1+x", "1=x", "1+", "99999999+1", "1+nan"):
            self.refused("run", "-p", "a", "-l", bias)


class WrongFiles(Case):
    def no_good(self, path, *mentions):
        for args in (["run", "-p", "a", "-m", path], ["inspect", path], ["inspect", "--json", "-m", path]):
            self.refused(*args, status=1, mentions=[path, *mentions])

    def test_not_a_file(self):
        self.no_good(str(self.dir / "none.gguf"), "No such file")
        self.no_good(str(self.dir))
        self.no_good("/dev/null")
        self.no_good(self.write("empty.gguf", b""))

    def test_truncated(self):
        whole = Path(MIXED).read_bytes()
        for n in (1, 4, 8, 23, 24, 100, 5000, 60000, len(whole) // 2, len(whole) - 1000):
            self.no_good(self.write("cut.gguf", whole[:n]))

    def test_random(self):
        rng = random.Random(1)
        self.no_good(self.write("noise.gguf", rng.randbytes(10000)))
        self.no_good(self.write("magic.gguf", b"GGUF" + rng.randbytes(10000)))
        self.no_good(self.write("version.gguf", b"GGUF" + struct.pack("<IQQ", 3, 2**60, 2**60) + rng.randbytes(1000)))

    def test_damaged_anywhere(self):
        """Whatever the header says: an answer or one line of error, never a crash."""
        whole, rng = Path(MIXED).read_bytes(), random.Random(2)
        for i in range(60):
            data = bytearray(whole)
            for _ in range(rng.choice((1, 3, 20))):
                data[rng.randrange(24, 46000 if i % 2 else 2000)] = rng.choice((0, 1, 127, 255, rng.randrange(256)))
            path = self.write("damaged.gguf", data)
            for args in (["inspect", path], ["run", "-m", path, "-t", 1, "-p", "a", "-n", 1]):
                result = nextn(*args)
                with self.subTest(i=i, args=args):
                    self.assertIn(result.rc, (0, 1))
                    if result.rc == 1:
                        self.assert_error(result, 1)

    def test_another_architecture(self):
        path = self.write("mamba.gguf", gguf(MAMBA, MAMBA_TENSORS))
        self.refused("run", "-p", "a", "-m", path, status=1, mentions=[path, "general.architecture", "mamba"])

    def test_hostile_name(self):
        keys = [("general.architecture", STR, "ll\x1b]0;x\x07\nama")]
        path = self.write("hostile.gguf", gguf(keys, []))
        self.refused("run", "-p", "a", "-m", path, status=1, mentions=[r"ll\x1b]0;x\x07\x0aama"])

    def test_prompt_file(self):
        self.refused("run", "-f", str(self.dir / "none.txt"), status=1, mentions=["none.txt", "No such file"])
        self.refused("run", "-f", str(self.dir), status=1, mentions=[str(self.dir)])
        self.refused("run", "-p", "", status=1, mentions=["prompt"])
        self.refused("run", "-p", "a", "--spec-draft-n-min", 8, mentions=["expected 0 to 7"])

    def test_logits_prefix(self):
        prefix = str(self.dir / "none" / "x")
        self.refused("run", "-p", "a", "-n", 0, "--logits", prefix, status=1, mentions=[prefix])

    def test_ids_outside_the_vocabulary_with_logits(self):
        for ids in ("2000000000", "5,-1"):
            self.refused("run", f"--tokens={ids}", "--logits", str(self.dir / "x"), "-n", 0, "-m", MIXED, status=1,
                         mentions=["prompt: token"])

    def test_selftest_without_room(self):
        self.refused("selftest", "-m", MIXED, "-c", 1, mentions=["-c: expected"])

    def test_prompt_that_does_not_fit(self):
        self.refused("run", "-p", PROMPT, "-c", 4, status=1, mentions=["prompt", "at most 4"])
        self.refused("run", "-p", PROMPT, "-c", 4, "--logits", str(self.dir / "x"), status=1, mentions=["prompt"])
        for token in (-1, N_VOCAB, 2**31 - 1):
            self.refused("run", "--tokens", f"1,{token}", "-m", MIXED, status=1, mentions=["prompt: token 1", str(token)])

    def test_stdout(self):
        reader, gone = os.pipe()
        os.close(reader)
        with open("/dev/full", "wb") as full:
            for args in (["run", "-m", MIXED, "-p", "a", "-n", 40], ["run", "--json", "-m", MIXED, "-p", "a", "-n", 4],
                         ["inspect", MIXED], ["inspect", "--json", MIXED], ["--help"], ["--version"],
                         ["run", "--help"]):
                self.refused(*args, status=1, stdout=full, mentions=["stdout: cannot write"])
                self.refused(*args, status=1, stdout=gone, mentions=["stdout: cannot write"])
                self.refused(*args, status=1, stdout=None, preexec_fn=lambda: os.close(1),
                             mentions=["stdout: cannot write"])
        os.close(gone)

    def test_stderr(self):
        """Nobody to tell is no reason to fail, or to crash."""
        with open("/dev/full", "wb") as full:
            for args, rc in ((["run", "-m", MIXED, "-p", "a", "-n", "2"], 0), (["walk"], 2), (["run", "--json"], 2),
                             (["inspect", "none.gguf"], 1)):
                for options in ({"stderr": full}, {"preexec_fn": lambda: os.close(2)}):
                    done = subprocess.run([NEXTN, *args], stdout=subprocess.DEVNULL, **options)
                    self.assertEqual(done.returncode, rc, (args, options))


class Run(Case):
    def test_conversation(self):
        with tempfile.TemporaryDirectory() as folder:
            saved = folder + "/saved.json"
            said = ["Hi", "/stats on", "And\\", "you?", "/nope", "/regen", "/save " + saved, "/undo", "/system Be brief.", "Hm", "/save " + saved + "2"]
            r = nextn("run", "-n", 8, "--temp", 0, stdin=("\n".join(said) + "\n").encode())
            self.assertEqual(r.rc, 0)
            self.assertIn("nextn run: /nope: expected a command", r.err)
            self.assertIn("known]", r.err)
            first, second = (json.loads(Path(saved + end).read_text()) for end in ("", "2"))
            self.assertEqual([t["role"] for t in first], ["user", "assistant"] * 2)
            self.assertEqual(first[2]["content"], "And\nyou?")
            self.assertTrue(r.out.startswith(first[1]["content"] + "\n" + first[3]["content"] + "\n"), r.out)
            self.assertEqual([t["role"] for t in second], ["system"] + ["user", "assistant"] * 2)
            self.assertEqual(second[2], first[1])
            alone = nextn("run", "--chat", "-p", "Hi", "-n", 8, "--temp", 0, "--json").out
            self.assertEqual(json.loads(alone)["text"], first[1]["content"])
        self.assertEqual(nextn("run", stdin=b"").rc, 0)
        long = nextn("run", "-c", 64, "-n", 4, stdin=b"x " * 300 + b"\nHi\n")
        self.assertEqual(long.rc, 0)
        self.assertIn("prompt: expected at most 64 tokens", long.err)
        self.assertNotEqual(long.out.strip(), "")

    def test_conversation_at_a_terminal(self):
        with tempfile.TemporaryDirectory() as state:
            try:
                pid, fd = pty.fork()
            except OSError as error:
                self.skipTest(f"no terminal is to be had here: {error}")
            if pid == 0:
                os.environ.update({"XDG_CACHE_HOME": CACHE.name, "XDG_STATE_HOME": state, "TERM": "vt100"})
                os.execv(NEXTN, [NEXTN, "run", "-m", MIXED, "-t", "1", "-c", "8192", "--ignore-eos"])
            seen = b""

            def until(text, seconds=300):
                nonlocal seen
                end = time.monotonic() + seconds
                while text not in seen:
                    self.assertLess(time.monotonic(), end, seen[-300:])
                    if select.select([fd], [], [], 0.1)[0]:
                        seen += os.read(fd, 65536)
                seen = seen[seen.index(text) + len(text):]

            until(b"> ")
            os.write(fd, b"Hello\n")
            time.sleep(1)  # it writes, up to its context
            os.write(fd, b"\x03")
            until(b"known]")
            until(b"> ")
            os.write(fd, b"/exit\n")
            while True:
                try:
                    if not os.read(fd, 65536):
                        break
                except OSError:
                    break
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
            os.close(fd)
            history = Path(state) / "nextn" / "history"
            self.assertIn("Hello", history.read_text())
            self.assertEqual(history.stat().st_mode & 0o077, 0)

    def test_chat(self):
        said = self.json("--chat", "-p", "Hi", "-n", 4, "--temp", 0)
        raw = self.json("-p", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "-n", 4, "--temp", 0)
        self.assertEqual(said["tokens"], raw["tokens"])
        self.assertEqual(said["timings"]["prompt_n"], raw["timings"]["prompt_n"])
        with tempfile.NamedTemporaryFile("w", suffix=".jinja") as t:
            t.write("{{ messages[0].content }}{{ messages[1].content }}{{ x }}")
            t.flush()
            own = self.json("--chat", "-p", "b", "--system-prompt", "a", "--chat-template-file", t.name,
                            "--chat-template-kwargs", '{"x": "c"}', "-n", 4, "--temp", 0)
        self.assertEqual(own["tokens"], self.json("-p", "abc", "-n", 4, "--temp", 0)["tokens"])
        self.refused("run", "--json", mentions=["--json, --logits: expected -p, -f or --tokens"])
        self.refused("run", "--chat", "--tokens", "1", mentions=["--chat: expected -p or -f, found --tokens"])
        self.refused("run", "-p", "a", "--system-prompt", "b", mentions=["--system-prompt: expected --chat beside it"])
        self.refused("run", "-m", MIXED, "--chat", "-p", "a", "--chat-template-kwargs", "1",
                     mentions=["--chat-template-kwargs: expected a JSON object, found '1'"])

    def test_json(self):
        r = self.json("-p", PROMPT, "-n", 12)
        self.assertEqual(list(r), ["text", "tokens", "seed", "end_reason", "logits_digest", "state_digest", "timings",
                                   "model", "memory"])
        timings = r["timings"]
        self.assertEqual(set(timings), {
            "load_ms", "pack_ms", "calibrate_ms", "cache_n", "prompt_n", "prompt_ms", "prompt_per_second", "predicted_n", "predicted_ms",
            "predicted_per_second", "draft_n", "draft_n_accepted", "drafted_per_position", "accepted_per_position",
            "cycles", "cycles_per_length", "suffix_draft_n", "forced_draft_n", "forced_draft_n_accepted", "suffix_draft_n_accepted", "drafts_unverified",
            "model_draft_n", "model_draft_n_accepted", "draft_ms", "verify_ms", "draft_vocab", "draft_head_agreement"})
        self.assertEqual(timings["predicted_n"], len(r["tokens"]))
        self.assertEqual(timings["draft_n"], sum(timings["drafted_per_position"]))
        self.assertEqual(timings["draft_n_accepted"], sum(timings["accepted_per_position"]))
        self.assertRegex(r["logits_digest"], "^[0-9a-f]{16}$")
        self.assertRegex(r["state_digest"], "^[0-9a-f]{16}$")
        self.assertEqual(r["model"]["path"], MIXED)
        self.assertEqual((r["model"]["n_vocab"], r["model"]["n_embd"], r["model"]["n_layers"]), (N_VOCAB, N_EMBD, 4))
        self.assertEqual((r["model"]["head"], r["model"]["head_loaded"], r["model"]["threads"]), ("usable", True, 1))
        parts = {k: v for k, v in r["memory"].items() if k not in ("total", "peak_resident")}
        self.assertEqual(sum(parts.values()), r["memory"]["total"])

    def test_text_is_the_same_without_json(self):
        for temp in (0, 1.5):
            flags = ["-p", PROMPT, "-n", 24, "--temp", temp, "-s", 3]
            plain = run(*flags)
            self.assertEqual(plain.rc, 0)
            self.assertEqual(plain.out, self.json(*flags)["text"])
            for word in ("model", "prefill", "decode", "drafts", "memory", "seed 3", "ended by length"):
                self.assertIn(word, plain.err)

    def test_prompt_sources(self):
        flags = ["-n", 8, "--temp", 0]
        want = self.json("-p", PROMPT, *flags)
        path = self.write("prompt.txt", PROMPT.encode() + b"\n")
        same = ["tokens", "logits_digest", "state_digest"]
        for got in (self.json("-f", path, *flags), self.json("-f", "-", *flags, stdin=PROMPT.encode()),
                    self.json("-f", "-", *flags, stdin=PROMPT.encode() + b"\n")):
            self.assertEqual([got[k] for k in same], [want[k] for k in same])
        two = self.json("-f", "-", *flags, stdin=PROMPT.encode() + b"\n\n")
        self.assertEqual(two["timings"]["prompt_n"], want["timings"]["prompt_n"] + 1)

    def test_prompt_of_any_bytes(self):
        r = self.json("-f", "-", "-n", 4, stdin=bytes(range(256)))
        self.assertEqual(len(r["tokens"]), 4)

    def test_tokens(self):
        whole = self.json("--tokens", "300,301,302", "-n", 8, "--temp", 0)
        self.assertEqual(whole["timings"]["prompt_n"], 3)
        ids = [300, 301, 302] + whole["tokens"][:4]
        rest = self.json("--tokens", ",".join(map(str, ids)), "-n", 4, "--temp", 0)
        self.assertEqual(rest["tokens"], whole["tokens"][4:])
        self.assertEqual(rest["state_digest"], whole["state_digest"])

    def test_seed(self):
        flags = ["-p", PROMPT, "-n", 16, "--temp", 1.5]
        drawn = self.json(*flags)
        again = self.json(*flags, "-s", drawn["seed"])
        self.assertEqual(again["seed"], drawn["seed"])
        self.assertEqual(again["tokens"], drawn["tokens"])
        self.assertEqual(again["logits_digest"], drawn["logits_digest"])
        texts = {tuple(self.json(*flags, "-s", s)["tokens"]) for s in range(4)}
        self.assertEqual(len(texts), 4)

    def test_greedy_does_not_look_at_the_seed(self):
        texts = {self.json("-p", PROMPT, "-n", 16, "--temp", 0, "-s", s)["logits_digest"] for s in range(3)}
        self.assertEqual(len(texts), 1)

    def test_no_tokens_asked_for(self):
        r = self.json("-p", PROMPT, "-n", 0)
        self.assertEqual((r["text"], r["tokens"], r["end_reason"]), ("", [], "length"))
        self.assertEqual(r["timings"]["cycles"], 0)
        plain = run("-p", PROMPT, "-n", 0)
        self.assertEqual((plain.rc, plain.bytes), (0, b""))

    def test_length(self):
        for n in (1, 2, 3, 17):
            for k in (0, 1, 4):
                r = self.json("-p", PROMPT, "-n", n, "--spec-draft-n-max", k, "--temp", 0)
                self.assertEqual((len(r["tokens"]), r["end_reason"]), (n, "length"))

    def test_stop_strings(self):
        flags = ["-p", PROMPT, "-n", 40, "--temp", 0]
        text = self.json(*flags)["text"]
        word = text.split()[10]
        stops = {
            "a whole word": [" " + word],
            "inside a token": [word[1:3]],
            "across tokens": [text[text.index(word) - 4:text.index(word) + 2]],
            "a long one": [text[30:90]],
            "the first of several": ["not in it", text[60:66], text[20:25]],
            "at the end": [text[-3:]],
        }
        for name, strings in stops.items():
            with self.subTest(name):
                asked = [x for s in strings for x in ("-r", s)]
                found = min(text.index(s) for s in strings if s in text)
                results = [self.json(*flags, *asked, "--spec-draft-n-max", k) for k in (0, 1, 4)]
                for r in results:
                    self.assertEqual((r["text"], r["end_reason"]), (text[:found], "stop"))
                    self.assertEqual(r["tokens"], results[0]["tokens"])
                    self.assertEqual(r["logits_digest"], results[0]["logits_digest"])
                    self.assertEqual(r["state_digest"], results[0]["state_digest"])
                self.assertEqual(run(*flags, *asked).out, text[:found])

    def test_a_stop_string_that_only_begins(self):
        flags = ["-p", PROMPT, "-n", 20, "--temp", 0]
        text = self.json(*flags)["text"]
        r = self.json(*flags, "-r", text[-3:] + "!")
        self.assertEqual((r["text"], r["end_reason"]), (text, "length"))

    def test_end_of_text(self):
        force = ["-p", PROMPT, "-n", 5, "-l", f"{EOS}+inf"]
        r = self.json(*force)
        self.assertEqual((r["text"], r["tokens"], r["end_reason"]), ("", [], "eos"))
        r = self.json(*force, "--ignore-eos")
        self.assertEqual((r["tokens"], r["end_reason"]), ([EOS] * 5, "length"))

    def test_context(self):
        for k in (0, 1, 4):
            r = self.json("-p", PROMPT, "-c", 96, "--temp", 0, "--ignore-eos", "--spec-draft-n-max", k)
            self.assertEqual(r["end_reason"], "context")
            self.assertEqual(r["timings"]["prompt_n"] + len(r["tokens"]), 97)  # the last one needs no room
            if k == 0:
                first = r
            self.assertEqual([r[x] for x in ("tokens", "logits_digest", "state_digest")],
                             [first[x] for x in ("tokens", "logits_digest", "state_digest")])
        n = first["timings"]["prompt_n"]
        self.assertEqual(len(self.json("-p", PROMPT, "-c", n)["tokens"]), 1)

    def interrupted(self, *flags, twice=False):
        """A run that would go on for long, sent Ctrl-C while it writes."""
        child = subprocess.Popen([NEXTN, "run", "-m", MIXED, "-t", "1", "-p", PROMPT, "-c", "500000", "--ignore-eos",
                                  *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            while True:  # until it listens
                status = Path(f"/proc/{child.pid}/status").read_text()
                caught = int(status.split("SigCgt:")[1].split()[0], 16)
                if caught >> (signal.SIGINT - 1) & 1:
                    break
                self.assertIsNone(child.poll())
                time.sleep(0.01)
            time.sleep(0.3)
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=300)
        finally:
            child.kill()
        return Result(child.returncode, out, err.decode())

    def test_interrupt(self):
        r = self.interrupted()
        self.assertEqual(r.rc, 0)
        self.assertIn("ended by interrupt", r.err)
        self.assertGreater(len(r.out), 0)
        r = self.interrupted("--json")
        self.assertEqual((r.rc, r.out.count("\n")), (0, 1))
        got = json.loads(r.out)
        self.assertEqual(got["end_reason"], "interrupt")
        self.assertGreater(len(got["tokens"]), 0)

    def test_without_drafts(self):
        r = self.json("-p", PROMPT, "-n", 8, "--spec-type", "none")
        self.assertEqual(r["memory"]["weights_mtp_head"], 0)
        self.assertEqual((r["model"]["head"], r["model"]["head_loaded"]), ("usable", False))
        self.assertEqual(r["timings"]["draft_n"], 0)
        r = self.json("-p", PROMPT, "-n", 8, model=NO_HEAD)
        self.assertEqual((r["model"]["head"], r["model"]["head_loaded"]), ("absent", False))

    def test_drafts_are_counted(self):
        flags = ["-p", PROMPT, "-n", 200, "--temp", 0, "--ignore-eos"]
        fixed = self.json(*flags, "--spec-draft-n-max", 2, "--spec-adaptive", "off")["timings"]
        self.assertGreater(fixed["draft_n_accepted"], 0)
        self.assertLess(fixed["draft_n_accepted"], fixed["draft_n"])
        self.assertEqual(fixed["drafts_unverified"], 0)
        for r in (fixed, self.json(*flags)["timings"]):
            self.assertEqual(r["predicted_n"], 1 + r["cycles"] + r["draft_n_accepted"])
            self.assertEqual(sum(r["cycles_per_length"]), r["cycles"])
            self.assertEqual(sum(k * n for k, n in enumerate(r["cycles_per_length"])), r["draft_n"])

    def test_costs_are_measured_once(self):
        with tempfile.TemporaryDirectory() as home:
            flags = ["run", "-m", MIXED, "-t", 1, "-p", PROMPT, "-n", 4, "--json"]
            env = {"XDG_CACHE_HOME": home}
            first, second = (json.loads(nextn(*flags, env=env).out)["timings"]["calibrate_ms"] for _ in range(2))
            files = list(Path(home).glob("nextn/costs-*.json"))
            self.assertEqual(len(files), 1)
            self.assertLess(second, first)
            files[0].write_text("{}")
            self.assertEqual(nextn(*flags, env=env).rc, 0)
            self.assertIn("verify_ms", files[0].read_text())
            self.assertEqual(nextn(*flags, env={"XDG_CACHE_HOME": "/dev/null/x"}).rc, 0)
            self.assertEqual(json.loads(nextn(*flags, "--spec-adaptive", "off", env=env).out)["timings"]["calibrate_ms"], 0)
            # Nor where nothing drafts; drafts from the text need no head.
            flags[2] = NO_HEAD
            self.assertEqual(json.loads(nextn(*flags, env=env).out)["timings"]["calibrate_ms"], 0)
            suffix = nextn(*flags, "--spec-type", "suffix", env=env)
            self.assertGreater(json.loads(suffix.out)["timings"]["calibrate_ms"], 0)

    def test_draft_model(self):
        flags = ["-p", PROMPT, "-n", 40, "--temp", 0, "--spec-type", "draft", "--spec-adaptive", "off", "-md", MIXED]
        r = self.json(*flags, "--spec-draft-n-max", 3)["timings"]
        self.assertEqual((r["model_draft_n"], r["model_draft_n_accepted"]), (r["draft_n"], r["draft_n_accepted"]))
        self.assertGreater(r["draft_n"], 20)
        self.assertEqual(r["draft_n"], r["draft_n_accepted"])  # the model itself knows best
        shown = run(*flags, model=MIXED)
        self.assertIn(f"of them from {MIXED}", shown.err)
        plan = nextn("plan", MIXED, "-md", Q4, "--json")
        self.assertEqual(plan.rc, 0, plan.err)
        self.assertIn("draft_model_weights", plan.out)

    def test_incomplete_head(self):
        path = self.write("incomplete.gguf", Path(MIXED).read_bytes().replace(b"nextn.eh_proj", b"nextn.eh_prox"))
        r = run("-p", PROMPT, "-n", 4, model=path)
        self.assertEqual(r.rc, 0)
        self.assertTrue(r.err.startswith(f"nextn run: no drafts, the MTP head is incomplete: {path}: blk.4.nextn.eh_proj"))
        self.refused("run", "-m", path, "-p", "a", "--spec-type", "mtp", status=1, mentions=["blk.4.nextn.eh_proj.weight"])

    def test_built_in_model(self):
        r = nextn("run", "-p", "Hello", "-n", 4, "--json", "-t", 1)
        self.assertEqual(r.rc, 0, r.err)
        self.assertEqual(json.loads(r.out)["model"]["path"], "demo model")


class SameText(Case):
    """What D3 and the kernels promise: these flags change the speed, nothing else."""

    VARIANTS = [["--spec-draft-n-max", k] for k in (0, 1, 2, 3, 4)] + [
        ["--spec-type", "none"], ["-t", 2], ["-t", 2, "-ub", 7], ["-ub", 1], ["-ub", 7, "--spec-draft-n-max", 4],
        ["-b", 5], ["--spec-draft-p-min", 0.5], ["--spec-draft-vocab", 1000], ["--spec-draft-vocab", 10**9], ["--spec-draft-n-min", 2], ["--spec-draft-n-max", 33],
        ["--spec-adaptive", "off"], ["--spec-adaptive", "off", "--spec-draft-n-max", 4], ["--spec-type", "suffix"],
        ["--spec-type", "mtp,suffix", "--spec-adaptive", "off"], ["--spec-type", "auto,suffix", "--spec-draft-n-max", 40],
        ["-md", Q4], ["-md", Q4, "--spec-type", "draft", "--spec-adaptive", "off"], ["-md", MIXED, "--spec-type", "mtp,draft,suffix"],
        ["-md", NO_HEAD, "--spec-type", "draft", "--spec-draft-n-max", 2, "--spec-draft-p-min", 0.3]]

    def digests(self, *flags, **options):
        r = self.json(*flags, **options)
        return {k: r[k] for k in ("tokens", "text", "end_reason", "logits_digest", "state_digest")}

    def test_flags(self):
        for model in (MIXED, Q4):
            for temp in (0, 1.5):
                flags = ["-p", PROMPT, "-n", 40, "-s", 7, "--ignore-eos", "--temp", temp]
                want = self.digests(*flags, "--spec-draft-n-max", 0, model=model)
                self.assertEqual(len(want["tokens"]), 40)
                for variant in self.VARIANTS:
                    with self.subTest(model=Path(model).name, temp=temp, variant=variant):
                        result = nextn("run", "--json", "-m", model, *([] if "-t" in variant else ["-t", 1]), *flags,
                                       *variant)
                        got = json.loads(result.out)
                        self.assertEqual({k: got[k] for k in want}, want)

    def test_other_models_and_caches(self):
        for model in (TIED, NO_HEAD):
            flags = ["-p", PROMPT, "-n", 24, "-s", 7, "--ignore-eos"]
            self.assertEqual(self.digests(*flags, "--spec-draft-n-max", 4, model=model),
                             self.digests(*flags, "--spec-type", "none", model=model))
        for kv in ("f32", "f16", "q8_0"):
            flags = ["-p", PROMPT, "-n", 24, "--temp", 0, "-ctk", kv, "-ctv", kv]
            want = self.digests(*flags, "--spec-draft-n-max", 0)
            self.assertEqual(self.digests(*flags, "--spec-draft-n-max", 4), want)
            self.assertEqual(self.digests(*flags, "-ctkd", "q8_0", "-ctvd", "f32"), want)

    def test_penalties_and_bias(self):
        flags = ["-p", PROMPT, "-n", 32, "-s", 5, "--temp", 0.9, "--repeat-penalty", 1.3, "--frequency-penalty", 0.5,
                 "--presence-penalty", 0.5, "--repeat-last-n", 16, "-l", "300-inf", "-l", "400+2", "--min-p", 0.01]
        self.assertEqual(self.digests(*flags, "--spec-draft-n-max", 4), self.digests(*flags, "--spec-type", "none"))

    def test_instruction_sets(self):
        for model in (MIXED, Q4):
            flags = ["-p", 8 * PROMPT, "-n", 16, "-s", 7, "--temp", 1.2]  # a prompt of many rows
            want = self.digests(*flags, model=model)
            for isa in ("scalar", "avx2", "avx512", "avx512_vbmi", "amx"):
                if nextn("--version", env={"NEXTN_ISA": isa}).rc == 0:
                    self.assertEqual(self.digests(*flags, model=model, env={"NEXTN_ISA": isa}), want, isa)


def npy_header(path):
    """(type, shape) of an .npy file, whose size must fit."""
    data = Path(path).read_bytes()
    assert data[:8] == b"\x93NUMPY\x01\x00"
    (n,) = struct.unpack("<H", data[8:10])
    header = eval(data[10:10 + n], {"__builtins__": {}})  # a dict literal, written by us
    assert not header["fortran_order"] and (10 + n) % 64 == 0
    size = 4
    for x in header["shape"]:
        size *= x
    assert len(data) == 10 + n + size
    return header["descr"], header["shape"]


class Logits(Case):
    def test_shapes(self):
        prefix = str(self.dir / "x")
        r = self.json("--tokens", "300,301,302,303,304", "-n", 0, "--logits", prefix, "-ub", 2)
        self.assertEqual(r["tokens"], [])
        for name, width in (("logits", N_VOCAB), ("hidden", N_EMBD), ("mtp_logits", N_VOCAB), ("mtp_hidden", N_EMBD)):
            self.assertEqual(npy_header(f"{prefix}.{name}.npy"), ("<f4", (5, width)))
        drafts = [int(x) for x in Path(prefix + ".draft.txt").read_text().split(",")]
        self.assertEqual(len(drafts), 4)
        first = self.json("--tokens", "300,301,302,303,304", "-n", 1, "--temp", 0)
        self.assertEqual(first["tokens"], drafts[:1])

    def test_without_a_head(self):
        for name, flags, model in (("a", [], NO_HEAD), ("b", ["--spec-type", "none"], MIXED)):
            self.json("--tokens", "300,301", "-n", 0, "--logits", self.dir / name, *flags, model=model)
            self.assertEqual(sorted(p.name for p in self.dir.glob(f"{name}.*")),
                             [f"{name}.hidden.npy", f"{name}.logits.npy"])


class Plan(Case):
    def plan(self, *args, rc=0):
        result = nextn("plan", "--json", *args)
        self.assertEqual((result.rc, result.err), (rc, ""))
        self.assertEqual(result.out.count("\n"), 1)
        r = json.loads(result.out)
        self.assertEqual(list(r), ["parts", "total", "in_file", "available", "limited_by", "n_ctx", "mode", "fits",
                                   "note", "problem"])
        self.assertEqual(sum(r["parts"].values()), r["total"])
        self.assertEqual(r["fits"], rc == 0)
        self.assertEqual(r["fits"], r["total"] <= r["available"])
        return r

    def test_is_what_run_takes(self):
        for model, flags in ((MIXED, []), (MIXED, ["-c", 600, "-ctk", "f32"]), (MIXED, ["--spec-type", "none"]),
                             (MIXED, ["--no-mmap", "-t", 2]), (MOE, ["-t", 2]), (GLM, [])):
            plan = self.plan(model, *flags)
            self.assertEqual(plan["parts"]["weights_experts"] > 0, model != MIXED)
            run = json.loads(nextn("run", "-m", model, "--json", "--tokens", 1, "-n", 1, *flags).out)
            taken = {k: v for k, v in run["memory"].items() if k not in ("total", "peak_resident")}
            self.assertEqual(taken, plan["parts"])
            self.assertEqual(run["model"]["n_ctx"], plan["n_ctx"])

    def test_text(self):
        for args in ([MIXED], ["-m", MIXED], []):
            r = nextn("plan", *args)
            self.assertEqual((r.rc, r.err), (0, ""))
            for word in ("weights_trunk", "kv", "total", "available", "fits"):
                self.assertIn(word, r.out)

    def test_limits(self):
        whole = self.plan(MIXED)
        self.assertEqual((whole["n_ctx"], whole["mode"], whole["note"]), (8192, "repacked", ""))
        limit = whole["total"] - (2 << 20)
        less = self.plan(MIXED, "--memory-limit", limit)
        self.assertLess(less["n_ctx"], 8192)
        self.assertIn("instead of 8192", less["note"])
        refused = self.plan(MIXED, "--memory-limit", limit, "-c", 8192, rc=1)
        self.assertIn(f"-c {less['n_ctx']} would fit", refused["problem"])
        self.assert_error(run("-p", PROMPT, "--memory-limit", limit, "-c", 8192), 1, f"-c {less['n_ctx']} would fit")

        want = self.json("-p", PROMPT, "-n", 8, "--temp", 0)
        r = run("--json", "-p", PROMPT, "-n", 8, "--temp", 0, "--memory-limit", limit)
        self.assertEqual(r.rc, 0, r.err)
        self.assertEqual(len(r.err.splitlines()), 1)
        self.assertIn(f"context {less['n_ctx']} instead of 8192", r.err)
        got = json.loads(r.out)
        for key in ("tokens", "logits_digest", "state_digest"):
            self.assertEqual(got[key], want[key])

    def test_weights_in_the_file(self):
        for model, part in ((MIXED, "weights_trunk"), (MOE, "weights_experts"), (GLM, "weights_experts")):
            whole = self.plan(model, "-c", 512)
            limit = whole["total"] - whole["parts"][part] // 2
            plan = self.plan(model, "-c", 512, "--memory-limit", limit)
            self.assertEqual(plan["mode"], "in_place")
            if part == "weights_experts":  # they go first
                self.assertEqual(plan["parts"]["weights_trunk"], whole["parts"]["weights_trunk"])
            flags = ["--json", "-p", PROMPT, "-n", 24, "--temp", 0.8, "-s", 3, "-c", 512]
            want = json.loads(run(*flags, model=model).out)
            r = run(*flags, "--memory-limit", limit, model=model)
            self.assertIn("stay in the file", r.err)
            got = json.loads(r.out)
            for key in ("tokens", "logits_digest", "state_digest"):
                self.assertEqual(got[key], want[key])

    def test_flags(self):
        locked = run("-p", "a", "-n", 2, "--mlock", "--no-mmap")
        if locked.rc != 0:  # a machine that allows less
            self.assert_error(locked, 1, "--mlock", "ulimit -l")
        for size in ("x", "-1", "0", "2X"):
            self.refused("plan", MIXED, f"--memory-limit={size}", mentions=["--memory-limit"])
        self.refused("plan", MIXED, "--numa", "x", mentions=["--numa: expected distribute or isolate"])
        self.refused("plan", "/nowhere", status=1, mentions=["/nowhere: cannot open"])


class Inspect(Case):
    def text(self, *args):
        result = nextn("inspect", *args)
        self.assertEqual((result.rc, result.err), (0, ""))
        for byte in result.bytes:
            self.assertTrue(byte >= 0x20 or byte == 0x0a, result.bytes)
        return result.out

    def test_usable(self):
        r = self.inspect(Q4)
        self.assertEqual(list(r), ["file", "model", "tensors", "types", "tokenizer", "chat_template", "sampling",
                                   "mtp_head", "problems"])
        self.assertEqual(r["file"], {"path": Q4, "version": 3, "parts": 1, "bytes": os.path.getsize(Q4)})
        m = r["model"]
        self.assertEqual((m["architecture"], m["n_layers"], m["n_mtp_layers"]), ("qwen35", 4, 1))
        self.assertEqual((m["n_delta_net_layers"], m["n_attention_layers"], m["tied"]), (3, 1, False))
        self.assertEqual((m["n_embd"], m["n_ff"], m["n_heads"], m["n_kv_heads"], m["head_dim"], m["n_ctx_train"]),
                         (256, 512, 2, 1, 128, 32768))
        for groups in (r["tensors"], r["types"]):
            self.assertEqual(sum(g["tensors"] for g in groups), m["n_tensors"])
            self.assertEqual(sum(g["parameters"] for g in groups), m["parameters"])
        self.assertEqual({g["role"] for g in r["tensors"]},
                         {"embedding", "lm_head", "attention", "delta_net", "ffn", "small", "mtp_head"})
        self.assertEqual(r["tokenizer"]["special"]["eos"], {"id": EOS, "text": "<|im_end|>"})
        self.assertIn({"id": EOS, "text": "<|im_end|>"}, r["tokenizer"]["end_tokens"])
        self.assertTrue(r["chat_template"]["present"])
        head = r["mtp_head"]
        self.assertEqual((head["verdict"], head["block"], head["reason"]), ("usable", 4, ""))
        self.assertEqual(head["bytes"], sum(g["bytes"] for g in r["tensors"] if g["role"] == "mtp_head"))
        self.assertEqual(r["problems"], [])
        text = self.text(Q4)
        self.assertIn("MTP head: usable (blk.4, 502.0 KiB; embedding and LM head shared with the trunk)\n", text)
        self.assertIn("norms and vectors", text)

    def test_experts(self):
        for path, architecture, shared in ((MOE, "qwen35moe", True), (GLM, "glm4moe", False)):
            r = self.inspect(path)
            m = r["model"]
            self.assertEqual((m["architecture"], m["n_layers"], m["n_experts"], m["n_experts_used"], m["n_ff_expert"]),
                             (architecture, 4, 16, 4, 256))
            n = sum(g["parameters"] for g in r["tensors"] if g["role"] == "experts")
            self.assertEqual(n, (4 if shared else 3) * 16 * 3 * 256 * 256)  # GLM's first layer is dense
            self.assertEqual((r["mtp_head"]["verdict"], r["mtp_head"]["own_lm_head"], r["problems"]),
                             ("usable", not shared, []))
            self.assertIn("16, 4 used, FFN 256", self.text(path))

    def test_absent(self):
        self.assertEqual(self.inspect(NO_HEAD)["mtp_head"]["verdict"], "absent")
        self.assertTrue(self.text(NO_HEAD).endswith("\nMTP head: absent\n"))

    def test_tied(self):
        self.assertTrue(self.inspect(TIED)["model"]["tied"])
        self.assertIn("embedding, tied LM head", self.text(TIED))

    def test_incomplete(self):
        path = self.write("incomplete.gguf", Path(Q4).read_bytes().replace(b"nextn.eh_proj", b"nextn.eh_prox"))
        reason = f"{path}: blk.4.nextn.eh_proj.weight: expected [512, 256], the file has no such tensor"
        head = self.inspect(path)["mtp_head"]
        self.assertEqual((head["verdict"], head["reason"]), ("incomplete", reason))
        self.assertTrue(self.text(path).endswith(f"\nMTP head: incomplete: {reason}\n"))

    def test_without_trunk(self):
        data = Path(Q4).read_bytes()
        for i in b"0123":
            data = data.replace(b"blk.%c." % i, b"xlk.%c." % i)
        path = self.write("head.gguf", data)
        r = self.inspect(path)
        self.assertEqual(r["mtp_head"]["verdict"], "without trunk")
        self.assertEqual(len(r["problems"]), 1)
        self.assertIn("MTP head: without a trunk: the file holds the head (blk.4, 502.0 KiB) and no model", self.text(path))

    def test_another_architecture(self):
        path = self.write("mamba.gguf", gguf(MAMBA, MAMBA_TENSORS))
        r = self.inspect(path)
        self.assertEqual(r["mtp_head"]["verdict"], "not run")
        self.assertEqual(r["mtp_head"]["reason"], "nextn does not run the architecture mamba (yet)")
        self.assertEqual((r["model"]["name"], r["model"]["tied"], r["chat_template"]["present"]),
                         ("A mamba", True, False))
        self.assertFalse(r["tokenizer"]["usable"])
        self.assertEqual(r["tokenizer"]["special"], {"eos": {"id": 1, "text": "</s>"}})
        self.assertTrue(self.text(path).endswith(
            "\nMTP head: none found: nextn does not run the architecture mamba (yet)\n"))
        path = self.write("with_head.gguf", gguf(MAMBA, MAMBA_TENSORS + [("blk.1.nextn.enorm.weight", [256], "F32")]))
        self.assertIn("MTP head: present (blk.1, 1.0 KiB), not usable: nextn does not run", self.text(path))

    def test_types(self):
        path = self.write("types.gguf", gguf(MAMBA, MAMBA_TENSORS))
        computed = {t["type"]: t["computed_as"] for t in self.inspect(path)["types"]}
        self.assertEqual(computed, {"Q8_0": "Q8_0", "F32": "F32", "Q2_K": "Q2_K", "Q1_0": None, "Q2_0": None})
        text = self.text(path)
        self.assertRegex(text, r"Q2_K +21.0 KiB\n")
        self.assertRegex(text, r"Q1_0 +18.0 KiB   not supported\n")
        self.assertIn("blk.0.ffn_up.weight: expected a type that nextn computes with, found Q1_0 (2 such tensors)",
                      text)

    def test_sampling_and_file_type(self):
        keys = MAMBA + [("general.sampling.temp", F32, 0.7), ("general.sampling.top_k", I32, 20),
                        ("general.file_type", U32, 15), ("tokenizer.chat_template", STR, "{{ x }}")]
        path = self.write("sampling.gguf", gguf(keys, []))
        r = self.inspect(path)
        self.assertEqual(r["sampling"], {"temp": 0.7, "top_k": 20})
        self.assertEqual((r["model"]["file_type"], r["chat_template"]), ("Q4_K_M", {"present": True, "bytes": 7}))
        self.assertIn("temp 0.7, top_k 20", self.text(path))

    def test_keys_of_unexpected_types(self):
        keys = [("general.architecture", U32, 5), ("general.name", ARR, ["x"], STR), ("general.file_type", STR, "x"),
                ("tokenizer.ggml.tokens", U32, 1), ("tokenizer.chat_template", U32, 1),
                ("tokenizer.ggml.eos_token_id", F32, 1.5), ("general.sampling.temp", STR, "x")]
        r = self.inspect(self.write("types.gguf", gguf(keys, [])))
        self.assertEqual(r["mtp_head"]["verdict"], "not run")
        self.assertEqual((r["model"]["n_tensors"], r["tokenizer"]["special"], r["sampling"]), (0, {}, {}))
        keys = [("general.architecture", STR, "llama"), ("llama.block_count", U64, 2**64 - 1),
                ("llama.nextn_predict_layers", I32, -5), ("llama.attention.head_count", ARR, [4, 8, 2], U32),
                ("llama.embedding_length", F32, float("nan"))]
        path = self.write("numbers.gguf", gguf(keys, [("blk.99999999999999999999.x", [1], "F32"), ("blk.", [], "F32")]))
        self.assertEqual(self.inspect(path)["model"]["n_heads"], 8)
        self.text(path)

    def test_hostile_names(self):
        keys = [("general.architecture", STR, "qwen35\x1b[31m"), ("general.name", STR, b"\xff\xfe\x1b]0;owned\x07\r\n\xe2\x80\xae"),
                ("tokenizer.ggml.tokens", ARR, ["\x1b[2J"], STR), ("tokenizer.ggml.bos_token_id", U32, 0),
                ("general.sampling.\x1b", F32, 1)]
        path = self.write("hostile.gguf", gguf(keys, [("\x1b[5m", [256], "Q1_0")]))
        text = self.text(path)
        self.assertIn(r"\xff\xfe\x1b]0;owned\x07\x0d\x0a\u202e", text)
        self.assertEqual(self.inspect(path)["model"]["name"], "\ufffd\ufffd\x1b]0;owned\x07\r\n\u202e")
        copy = self.write("a\x1bb.gguf", b"")
        self.refused("inspect", copy, status=1, mentions=[r"a\x1bb.gguf"])

    def test_split(self):
        first = self.write("m-00001-of-00002.gguf",
                           gguf(MAMBA + [("split.no", U16, 0), ("split.count", U16, 2), ("split.tensors.count", I32, 5)], MAMBA_TENSORS[:2]))
        second = self.write("m-00002-of-00002.gguf",
                            gguf([("split.no", U16, 1), ("split.count", U16, 2), ("split.tensors.count", I32, 5)], MAMBA_TENSORS[2:]))
        r = self.inspect(first)
        self.assertEqual((r["file"]["parts"], r["model"]["n_tensors"]), (2, 5))
        self.assertEqual(r["file"]["bytes"], os.path.getsize(first) + os.path.getsize(second))
        self.assertIn("in 2 parts", self.text(first))
        os.remove(second)
        self.refused("inspect", first, status=1, mentions=[second])

    def test_no_file(self):
        self.assertEqual(self.inspect()["file"]["path"], "demo model")
        self.assertEqual(self.inspect("-m", Q4), self.inspect(Q4))


class Bench(Case):
    SHORT = ["-t", 1, "-n", 20, "--prompts", "factual,maths", "-c", 1024]
    FIXED = ["--spec-adaptive", "off", "--spec-draft-n-max", 3]
    PROMPTS = ["code_python", "code_cpp", "explain", "summary", "factual", "translation", "creative", "maths",
               "code_review"]

    def bench(self, *args, status=0, model=MIXED):
        result = nextn("bench", "-m", model, *args)
        self.assertEqual((result.rc, result.err), (status, ""), result.out)
        return result.out

    def bench_json(self, *args, **options):
        out = self.bench("--json", *args, **options)
        self.assertEqual(out.count("\n"), 1)
        return json.loads(out)

    def test_experts(self):
        r = self.bench_json(*self.SHORT, *self.FIXED, model=MOE)
        plain, drafts = (arm["experts"] for arm in r["arms"])
        self.assertEqual((plain["rows_per_step"], plain["shared_with_row_before"]), (1, 0))
        self.assertEqual(plain["touched_per_layer"], 4)  # as many as each row uses
        self.assertGreater(drafts["rows_per_step"], 2)
        self.assertGreater(drafts["touched_per_layer"], plain["touched_per_layer"])
        self.assertLess(drafts["touched_per_layer"], plain["touched_per_layer"] * drafts["rows_per_step"])
        self.assertGreater(drafts["shared_with_row_before"], 0)
        self.assertIn("touched by a layer in a step of", self.bench(*self.SHORT, model=MOE))
        self.assertNotIn("experts", self.bench(*self.SHORT))

    def test_draft_model(self):
        r = self.bench_json(*self.SHORT, *self.FIXED, "-md", MIXED, "--spec-type", "draft", "--temp", 0)
        self.assertEqual([(a["k"], a["model"]) for a in r["arms"]], [(0, 0), (0, 3)])
        self.assertEqual(r["arms"][1]["acceptance"], 1)
        self.assertIn(MIXED, self.bench(*self.SHORT, "-md", MIXED))

    def test_json(self):
        r = self.bench_json(*self.SHORT, *self.FIXED, "--pairs", 2)
        self.assertEqual(list(r), ["model", "settings", "machine", "plain_reading", "arms", "texts", "load_ms",
                                   "calibrate_ms", "memory", "interrupted"])
        self.assertEqual(r["texts"], {"compared": 8, "different": 0, "first_difference": ""})
        self.assertEqual(r["model"]["path"], MIXED)
        self.assertRegex(r["model"]["quantisation"], r"^Q8_0 \d+ %, F32 \d+ %$")
        self.assertEqual((r["model"]["n_ctx"], r["machine"]["threads"], r["settings"]["n_predict"]), (1024, 1, 20))
        self.assertRegex(r["machine"]["commit"], r"^([0-9a-f]+(-dirty)?|unknown)$")
        self.assertEqual([t["name"] for t in r["arms"][0]["prompts"]], ["factual", "maths"])
        plain, drafts = r["arms"]
        self.assertEqual((plain["name"], plain["k"], drafts["name"], drafts["k"]), ("plain", 0, "k = 3", 3))
        self.assertEqual((plain["pairs"], drafts["pairs"]), (8, 8))
        self.assertEqual(plain["cycles"], 8 * 19)  # the first token belongs to the prompt
        self.assertNotIn("ratio", plain)
        low, high = drafts["ratio_95"]
        self.assertTrue(0 < low <= drafts["ratio"] <= high)
        drafted, accepted = drafts["drafted_per_position"], drafts["accepted_per_position"]
        self.assertEqual((drafts["draft_n"], drafts["draft_n_accepted"]), (sum(drafted), sum(accepted)))
        self.assertAlmostEqual(drafts["acceptance"], sum(accepted) / sum(drafted))
        self.assertAlmostEqual(drafts["acceptance_length"], 8 * 19 / drafts["cycles"])
        self.assertAlmostEqual(drafts["conditional_acceptance"][0], accepted[0] / drafted[0])
        # what is written in a cycle is what was accepted and the token behind it
        self.assertEqual(drafts["cycles"] + sum(accepted), 8 * 19)
        histogram = drafts["k_histogram"]
        self.assertEqual(sum(histogram), drafts["cycles"])
        self.assertEqual(sum(k * n for k, n in enumerate(histogram)), sum(drafted))
        for arm in (plain, drafts):
            self.assertGreater(arm["ms_per_16_tokens"]["p50"], 0)
            self.assertLessEqual(arm["ms_per_16_tokens"]["p50"], arm["ms_per_16_tokens"]["p95"])
            cycle = sum(arm[f"{part}_ms_per_cycle"] for part in ("draft", "verify", "other"))
            self.assertAlmostEqual(cycle * arm["cycles_per_second"], 1000, delta=1)
            for rows in ("prompts", "temperatures"):
                self.assertEqual(sum(row["cycles"] for row in arm[rows]), arm["cycles"])
        self.assertGreater(r["machine"]["read_gb_per_second"], 0.2)
        self.assertGreater(r["memory"]["peak_resident"], 1 << 20)

    def test_table(self):
        out = self.bench(*self.SHORT)
        for text in ("\nfactual ", "\nmaths ", "\ntemp 0.7 ", "\nall ", "95 % bound", "draft head: full vocabulary",
                     "4 of 4 the same as the plain ones\n"):
            self.assertIn(text, out)

    def test_as_many_drafts_as_pay(self):
        r = self.bench_json(*self.SHORT)
        self.assertEqual([(arm["name"], arm["adaptive"]) for arm in r["arms"]], [("plain", False), ("auto", True)])
        auto = r["arms"][1]
        self.assertEqual(sum(auto["k_histogram"]), auto["cycles"])
        self.assertEqual(sum(k * n for k, n in enumerate(auto["k_histogram"])), auto["draft_n"])

    def test_nine_prompts(self):
        r = self.bench_json("-t", 2, "-n", 2, "--temp", 0, "-c", 512)
        self.assertEqual([t["name"] for t in r["arms"][0]["prompts"]], self.PROMPTS)
        self.assertEqual(r["arms"][0]["prompts"][8]["prompt_n"], 510)  # cut to the context, and said to be
        self.assertTrue(any(note.startswith("code_review: the last 510 of its ") for note in r["settings"]["notes"]))

    def test_own_prompt(self):
        path = self.write("prompt.txt", PROMPT.encode() + b"\n")
        a = self.bench_json("-t", 1, "-n", 4, "--temp", 0, "-p", PROMPT)["arms"][0]["prompts"]
        b = self.bench_json("-t", 1, "-n", 4, "--temp", 0, "-f", path)["arms"][0]["prompts"]
        self.assertEqual([(row["name"], row["prompt_n"]) for row in a + b],
                         [("prompt", a[0]["prompt_n"]), ("file", a[0]["prompt_n"])])

    def test_a_difference_is_found(self):
        r = self.bench_json(*self.SHORT, *self.FIXED, "--temp", 0, "--inject", "replay", status=1)
        self.assertEqual((r["texts"]["compared"], r["texts"]["different"] > 0), (2, True))
        self.assertRegex(r["texts"]["first_difference"], r"^factual, temperature 0, k = 3: token \d+: expected ")
        self.assertIn("DIFFER from the plain ones; first: factual, ",
                      self.bench(*self.SHORT, *self.FIXED, "--temp", 0, "--inject", "replay", status=1))

    def test_sweep_and_plot(self):
        path = self.dir / "sweep.svg"
        r = self.bench_json(*self.SHORT, "--temp", 0, "--sweep", "--spec-draft-n-max", 4, "--plot", path)
        self.assertEqual([arm["name"] for arm in r["arms"]], ["plain", "k = 1", "k = 2", "k = 3", "k = 4", "auto"])
        self.assertEqual([arm["adaptive"] for arm in r["arms"]], 5 * [False] + [True])
        self.assertEqual(r["texts"]["compared"], 10)
        self.assertEqual([len(arm["k_histogram"]) for arm in r["arms"][1:]], [2, 3, 4, 5, 5])
        svg = ElementTree.parse(path).getroot()
        self.assertEqual(svg.tag, "{http://www.w3.org/2000/svg}svg")
        text = path.read_text()
        self.assertIn(">auto ", text)
        for outside in ("<script", "href", "url(", "@import"):
            self.assertNotIn(outside, text)
        dots = [e for e in svg.iter() if e.tag.endswith("circle")]
        self.assertEqual(len(dots), 5 + 4 + 4)
        for e in svg.iter():
            for key in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy"):
                if key in e.attrib and not e.attrib[key].endswith("%"):
                    self.assertTrue(0 <= float(e.attrib[key]) <= 900, e.attrib)
        self.assertRegex(self.bench(*self.SHORT, "--temp", 0, "--sweep", "--spec-draft-n-max", 1), r"\nk = 1 +\d")

    def test_hostile_name_in_the_plot(self):
        data = Path(MIXED).read_bytes()
        name = b"synthetic tiny accept 0.6"
        self.assertIn(name, data)
        model = self.write("hostile.gguf", data.replace(name, b'<b>&"\x01\xff\xef\xbf\xbf</b>'.ljust(len(name), b"!")))
        path = self.dir / "hostile.svg"
        self.bench(*self.SHORT, "--temp", 0, "--sweep", "--spec-draft-n-max", 1, "--plot", path, model=model)
        title = ElementTree.parse(path).getroot().find("{http://www.w3.org/2000/svg}title").text
        self.assertIn('<b>&"\ufffd\ufffd\ufffd</b>!', title)

    def test_without_drafts(self):
        for args, why in (({"model": NO_HEAD}, "no MTP head"), ({}, "turned off")):
            flags = [] if args else ["--spec-type", "none"]
            r = self.bench_json(*self.SHORT, *flags, **args)
            self.assertEqual([arm["name"] for arm in r["arms"]], ["plain"])
            self.assertEqual(r["texts"]["compared"], 0)
            self.assertIn(why, r["settings"]["notes"][0])
            self.assertIn("nothing to compare", self.bench(*self.SHORT, *flags, **args))

    def test_refused(self):
        missing = str(self.dir / "none" / "x.svg")
        self.refused("bench", "-m", "none.gguf", "--sweep", "--plot", missing, status=1,
                     mentions=[missing, "cannot write"])  # seen before a large file is loaded
        self.refused("bench", "--plot", self.dir / "x.svg", mentions=["--sweep"])
        self.refused("bench", "-p", "a", "-f", "-")
        self.refused("bench", "--prompts", "maths,poems", mentions=["'poems'", "code_python"])
        for flag, values in {"-n": [1, -1, "x"], "--pairs": [0, -1, "x"], "--temp": ["nan", "x", "0,inf"], "-s": [-1],
                             "--inject": ["x"]}.items():
            for v in values:
                self.refused("bench", flag, v)
        self.refused("bench", "-m", MIXED, "-c", 64, "-n", 64, mentions=["-c"])
        self.refused("bench", "-m", MIXED, "-c", 64, "-n", 60, "-p", PROMPT, status=1, mentions=["prompt"])

    def test_interrupt(self):
        process = subprocess.Popen([NEXTN, "bench", "--json", "-m", MIXED, "-t", "1", "-n", "64", "--pairs", "10000"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
        self.assertEqual((process.returncode, err), (0, b""))
        r = json.loads(out)
        self.assertTrue(r["interrupted"])
        self.assertEqual(r["arms"][0]["pairs"], r["texts"]["compared"])


if __name__ == "__main__":
    unittest.main()
