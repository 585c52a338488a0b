#!/usr/bin/env python3
"""A long time of everything at once: clients that ask, stream, leave, send garbage and ask for forms, with drafts and
without. Nothing may be lost, no text may change, memory may not grow.

    NEXTN=build/release/nextn NEXTN_TEST_MODELS=build/release/tests/models python3 tests/server/soak.py [SECONDS]

Prints a line every ten seconds and what went wrong; exit status 1 if anything did."""
import json
import random
import socket
import sys
import threading
import time

from serving import Server, run_alone

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 1200
CLIENTS = 8
SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "array", "items": {"type": "integer"}, "maxItems": 4}}}


def resident(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024


class Soak:
    def __init__(self, server, alone):
        self.server, self.alone = server, alone
        self.counts, self.wrong = {}, []
        self.end = time.monotonic() + SECONDS

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def check(self, right, *what):
        if not right:
            self.wrong.append(what)
            print("WRONG", *[str(w)[:300] for w in what], flush=True)

    def ask(self, r):
        body, want = r.choice(self.alone)
        body = {**body, "stream": r.random() < 0.5, "speculative": {"enabled": r.random() < 0.7, "n_max": r.randrange(8)}}
        answer = self.server.post("/v1/completions", body)
        if answer.status == 429:
            return self.count("429")
        if body["stream"]:
            text = "".join(c["text"] for e in answer.events for c in e["choices"])
        else:
            text = answer.json["choices"][0]["text"]
        self.check(text == want, body, text, want)
        self.count("texts")

    def leave(self, r):
        c = self.server.connect()
        c.request("POST", "/v1/completions", json.dumps({"prompt": "x", "max_tokens": 2000, "stream": True, "ignore_eos": True}))
        if r.random() < 0.7:
            response = c.getresponse()
            for _ in range(r.randrange(20)):
                response.readline()
            response.close()
        c.close()
        self.count("left")

    def garbage(self, r):
        with socket.create_connection(("127.0.0.1", self.server.port)) as s:
            s.settimeout(5)
            try:
                s.sendall(bytes(r.randrange(256) for _ in range(r.randrange(400))))
                s.recv(100)
            except OSError:
                pass
        self.count("garbage")

    def refused(self, r):
        body = r.choice([b"{", b'{"prompt": 3}', b'{"prompt": "x", "temperature": "y"}', b'{"prompt": "x", "stop": [""]}'])
        self.check(self.server.post("/v1/completions", body).status == 400, body)
        self.count("refused")

    def form(self, r):
        body = {"messages": [{"role": "user", "content": f"{r.random()}"}], "max_tokens": 300, "temperature": 1,
                "response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}}
        answer = self.server.post("/v1/chat/completions", body)
        if answer.status == 429:
            return self.count("429")
        choice = answer.json["choices"][0]
        if choice["finish_reason"] == "stop":
            self.check(isinstance(json.loads(choice["message"]["content"])["a"], list), choice)
        self.count("forms")

    def look(self, r):
        path = r.choice(["/metrics", "/slots", "/health", "/props", "/v1/models", "/"])
        self.check(self.server.get(path).status == 200, path)
        self.count("looks")

    def client(self, seed):
        r = random.Random(seed)
        while time.monotonic() < self.end:
            act = r.choices([self.ask, self.leave, self.garbage, self.refused, self.form, self.look], [10, 3, 1, 1, 2, 1])[0]
            try:
                act(r)
            except Exception as e:  # whatever a client meets is told
                self.check(False, act.__name__, repr(e))


def main():
    alone = []
    for i, prompt in enumerate(["Once upon a time", "The quick brown fox", "ba be bi bo bu " * 30, "x", "a b c d e f g " * 60]):
        for temp in (0, 1):
            n = 30 + 11 * i
            text = run_alone(prompt, "-n", n, "--temp", temp, "--seed", i, "--spec-type", "none")["text"]
            alone.append(({"prompt": prompt, "max_tokens": n, "temperature": temp, "seed": i}, text))
    with Server("-np", 4, "--queue-limit", 6, "-c", 2048) as server:
        soak = Soak(server, alone)
        threads = [threading.Thread(target=soak.client, args=(i,)) for i in range(CLIENTS)]
        for thread in threads:
            thread.start()
        base = None
        while any(thread.is_alive() for thread in threads):
            time.sleep(10)
            mib = resident(server.process.pid)
            base = base or mib
            print(f"{soak.end - time.monotonic():6.0f} s left, {mib:.1f} MiB ({mib / base:.3f} of the first)", soak.counts, flush=True)
        server.wait(lambda: server.busy() == 0)
        mib = resident(server.process.pid)
        soak.check(mib < 1.05 * base + 8, "memory grew", base, mib)
        soak.check(server.end() == 0, "exit status")
    print("wrong:", len(soak.wrong))
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
