#!/usr/bin/env python3
"""Load on a running server (nextn serve, or any with OpenAI's /v1/completions): requests arrive at random times at a given
rate, whether those before have ended or not, as users do.

    bench/server_load.py --base http://127.0.0.1:8080 --rate 0.5 --seconds 120 [--tokens 32:128] [--prompt 20:400] [--json]

Prints time to first token, time between streamed tokens, time of a whole answer (p50, p95, p99), tokens a second of all
together, and errors by kind. Only Python's own library."""
import argparse
import asyncio
import json
import random
import time
from urllib.parse import urlsplit

WORDS = "time year people way day man thing woman life child world school state family student group country problem".split()


def between(text):
    low, _, high = text.partition(":")
    return int(low), int(high or low)


async def ask(url, body, record):
    start = time.perf_counter()
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    data = json.dumps(body).encode()
    writer.write(f"POST {url.path}/v1/completions HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
                 f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data)
    last = None
    try:
        status = int((await reader.readline()).split()[1])
        if status != 200:
            raise RuntimeError(f"status {status}")
        while line := await reader.readline():
            if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                continue
            event = json.loads(line[6:])
            if "error" in event:
                raise RuntimeError("error in the stream")
            if not any(choice["text"] for choice in event["choices"]):
                continue
            now = time.perf_counter()
            if last is None:
                record["first"].append(now - start)
            else:
                record["between"].append(now - last)
            last = now
            record["tokens"] += 1
        record["whole"].append(time.perf_counter() - start)
    finally:
        writer.close()


async def one(url, body, record):
    record["asked"] += 1
    try:
        await asyncio.wait_for(ask(url, body, record), 600)
    except (RuntimeError, OSError, ValueError, IndexError, asyncio.TimeoutError) as e:
        kind = str(e) or type(e).__name__
        record["errors"][kind] = record["errors"].get(kind, 0) + 1


async def load(options):
    random.seed(options.seed)
    url = urlsplit(options.base.rstrip("/"))
    record = {"asked": 0, "tokens": 0, "first": [], "between": [], "whole": [], "errors": {}}
    start, tasks = time.perf_counter(), []
    while time.perf_counter() - start < options.seconds:
        prompt = " ".join(random.choice(WORDS) for _ in range(random.randint(*options.prompt)))
        body = {"model": "any", "prompt": prompt, "max_tokens": random.randint(*options.tokens), "stream": True,
                "temperature": options.temp, "ignore_eos": True}
        if options.no_drafts:
            body["speculative"] = {"enabled": False}
        tasks.append(asyncio.create_task(one(url, body, record)))
        await asyncio.sleep(random.expovariate(options.rate))
    await asyncio.gather(*tasks)
    record["seconds"] = time.perf_counter() - start
    return record


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="http://127.0.0.1:8080")
    parser.add_argument("--rate", type=float, default=1, help="requests a second, on average")
    parser.add_argument("--seconds", type=float, default=60, help="for how long requests arrive")
    parser.add_argument("--tokens", type=between, default=(32, 128), help="of an answer: LOW:HIGH")
    parser.add_argument("--prompt", type=between, default=(20, 200), help="words of a prompt: LOW:HIGH")
    parser.add_argument("--temp", type=float, default=0)
    parser.add_argument("--no-drafts", action="store_true", help="ask for plain decoding")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    record = asyncio.run(load(options))
    times = {name: {f"p{int(100 * share)}": 1000 * percentile(record[name], share) for share in (0.5, 0.95, 0.99)}
             for name in ("first", "between", "whole")}
    result = {"asked": record["asked"], "answered": len(record["whole"]), "errors": record["errors"], "seconds": record["seconds"],
              "tokens": record["tokens"], "tokens_per_second": record["tokens"] / record["seconds"], "ms": times}
    if options.json:
        print(json.dumps(result))
        return
    print(f"{result['answered']} of {result['asked']} answered in {result['seconds']:.1f} s, {result['tokens']} pieces of text, "
          f"{result['tokens_per_second']:.1f} a second")
    for name, text in (("first", "to the first"), ("between", "between two"), ("whole", "whole answer")):
        print(f"{text:<14}" + "".join(f"{p} {ms:9.1f} ms   " for p, ms in times[name].items()))
    for kind, n in record["errors"].items():
        print(f"error          {n} times: {kind}")


if __name__ == "__main__":
    main()
