#!/usr/bin/env python3
"""What a long prompt does to those who are being answered: some answers stream from a running server; after a while somebody
comes with a long prompt.

    bench/prefill_stall.py --base http://127.0.0.1:8080 [--streams 3] [--prompt 4096] [--seconds 15] [--no-drafts] [--json]

Prints the time between the tokens of the streams (a token's share of the time; p95 of the waits between steps, tokens of one
step counted as one) before the prompt and while it is read, and the prompt's time to first token. Only Python's own library."""
import argparse
import asyncio
import json
import statistics
import time
from urllib.parse import urlsplit

ONE_STEP = 0.005  # seconds: tokens that come closer than this come of one step


async def stream(url, prompt, n_tokens, times, drafts):
    """Notes when each piece of the answer comes."""
    body = {"model": "any", "prompt": prompt, "max_tokens": n_tokens, "stream": True, "temperature": 0, "ignore_eos": True,
            "speculative": {"enabled": drafts}}
    data = json.dumps(body).encode()
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(f"POST {url.path}/v1/completions HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
                 f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data)
    try:
        status = await reader.readline()
        if b" 200 " not in status:
            raise SystemExit(f"expected status 200, found {status.decode().strip()}")
        while line := await reader.readline():
            if line.startswith(b"data: {") and any(choice["text"] for choice in json.loads(line[6:])["choices"]):
                times.append(time.perf_counter())
    finally:
        writer.close()


def waits(streams, begin, end):
    """ms a token, and the p95 of waits in ms."""
    tokens, gaps = 0, []
    for times in streams:
        inside = [t for t in times if begin <= t <= end]
        tokens += len(inside)
        gaps += [b - a for a, b in zip(inside, inside[1:]) if b - a > ONE_STEP]
    if tokens == 0 or len(gaps) < 2:
        raise SystemExit(f"expected tokens of the streams, found {tokens} in {end - begin:.1f} s")
    return 1000 * len(streams) * (end - begin) / tokens, 1000 * statistics.quantiles(gaps, n=20)[18]


async def measure(options):
    url = urlsplit(options.base.rstrip("/"))
    streams = [[] for _ in range(options.streams)]
    tasks = [asyncio.create_task(stream(url, [5 + i] * 16, 100000, times, not options.no_drafts)) for i, times in enumerate(streams)]
    while not all(len(times) > 16 for times in streams):
        await asyncio.sleep(0.1)
    begin = time.perf_counter()
    await asyncio.sleep(options.seconds)
    asked, first = time.perf_counter(), []
    await stream(url, [7] * options.prompt, 1, first, not options.no_drafts)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    before, during = waits(streams, begin, asked), waits(streams, asked, first[0])
    return {"prompt_s": first[0] - asked, "before_ms": before[0], "before_p95_ms": before[1], "during_ms": during[0],
            "during_p95_ms": during[1], "ratio": during[0] / before[0], "p95_ratio": during[1] / before[1]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="http://127.0.0.1:8080")
    parser.add_argument("--streams", type=int, default=3)
    parser.add_argument("--prompt", type=int, default=4096, help="tokens")
    parser.add_argument("--seconds", type=float, default=15, help="before the prompt comes")
    parser.add_argument("--no-drafts", action="store_true", help="ask for plain decoding")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = asyncio.run(measure(options))
    if options.json:
        return print(json.dumps(result))
    print("                ms a token   p95 of waits\n"
          f"before        {result['before_ms']:12.1f} {result['before_p95_ms']:14.1f}\n"
          f"beside it     {result['during_ms']:12.1f} {result['during_p95_ms']:14.1f}\n"
          f"ratio         {result['ratio']:12.2f} {result['p95_ratio']:14.2f}\n"
          f"the prompt of {options.prompt} tokens took {result['prompt_s']:.1f} s")


if __name__ == "__main__":
    main()
