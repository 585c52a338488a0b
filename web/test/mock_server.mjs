// Serves web/dist as nextn serve does, and imitates its API, so that the page can be tried without a model.
//
//   node test/mock_server.mjs [--port N] [--key SECRET]     port 0: any free one; prints the address
//
// What is answered follows from the last message: "markdown", "hostile", "think", "long" and "slow" choose the text and
// the speed; "error 400", "error 429", "error 500", "error 503", "error in stream" and "cut" fail every other time, so
// that a retry succeeds. Anything else gets a short text.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { port: { type: "string", default: "8080" }, key: { type: "string" } } });

const kPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const kTypes = { html: "text/html; charset=utf-8", js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8", svg: "image/svg+xml", txt: "text/plain; charset=utf-8" };
const kFiles = ["index.html", "app.js", "app.css", "favicon.svg", "licenses.txt"];

const kPlain =
  "A head that predicts several tokens lets the model look a few words ahead. The trunk then reads those words in one " +
  "pass and keeps the ones it would have written itself. What it keeps costs almost nothing, because reading four rows " +
  "takes hardly longer than reading one: the weights are the same, and they are fetched only once.";
const kLong = Array.from({ length: 40 }, (_, i) => `${i + 1}. ${kPlain}`).join("\n\n");
const kMarkdown = `## Reading a file line by line

The loop below keeps **one line** in memory, whatever the size of the file. It returns \`0\` for an empty file and says so.

\`\`\`python
from pathlib import Path

def longest(path: Path) -> int:
    """Length of the longest line, without its end."""
    best = 0
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            best = max(best, len(line.rstrip("\\n")))
    return best
\`\`\`

Two things to know:

- *Text* is decoded as it is read; a byte that is no UTF-8 raises an error.
- The end of the line is taken off, so that \`\\r\\n\` files differ by one. See [the manual](https://docs.python.org/3/library/io.html).

| file | lines | longest |
|:-----|------:|--------:|
| short.txt | 12 | 80 |
| log.txt | 1204311 | 4096 |

> A line of four thousand characters is rarely meant for reading.
`;
const kHostile = `Before <img src=x onerror="window.hacked=1"> and <script>window.hacked=2</script> after.

[click](javascript:window.hacked=3) [data](data:text/html,<script>1</script>) <a href="javascript:window.hacked=4" onclick="window.hacked=5">raw</a>

![pixel](https://elsewhere.invalid/pixel.png?secret)

<style>body{display:none}</style><iframe src="https://elsewhere.invalid/"></iframe><div style="position:fixed">styled</div>

| a | b |
|---|---|
| <svg/onload=window.hacked=6> | <br> two |

\`\`\`html"><img src=y onerror=window.hacked=7>
<b onmouseover="window.hacked=8">x</b>
\`\`\`
`;
const kThoughts = "The question is about speed. First I should say what limits it: memory bandwidth.\n\nThen the drafts: several rows share one pass over the weights.";

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const tokens_of = (text) => text.match(/\s*[^\s]{1,5}|\s+$/g) ?? [];
const asked = new Map(); // how often a text was asked

function fails(text) {
  const times = asked.get(text) ?? 0;
  asked.set(text, times + 1);
  return times % 2 === 0;
}

function send_json(response, status, body, headers = {}) {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

function send_error(response, status, message, headers = {}) {
  send_json(response, status, { error: { message, type: "invalid_request_error", param: status === 400 ? "messages" : null, code: status } }, headers);
}

async function answer(request, response, body) {
  const text = String(body.messages?.findLast((m) => m.role === "user")?.content ?? "");
  const status = Number(/error (\d{3})/.exec(text)?.[1] ?? 0);
  if (status && fails(text)) {
    if (status === 429) return send_error(response, 429, "Too many requests are waiting.", { "Retry-After": "3" });
    if (status === 503) return send_error(response, 503, "Loading model");
    return send_error(response, status, "The prompt has 9001 tokens, the context only 8192.");
  }
  const breaks = /error in stream|cut/.exec(text)?.[0];
  const broken = breaks && fails(text) ? breaks : "";

  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  const event = (data) => response.write(`data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`);
  let gone = false;
  response.on("close", () => (gone = true));

  const thinks = /think/.test(text) && body.chat_template_kwargs?.enable_thinking !== false;
  const said = /markdown/.test(text) ? kMarkdown : /hostile/.test(text) ? kHostile : /long|slow/.test(text) ? kLong : kPlain;
  const thoughts = thinks ? tokens_of(kThoughts).map((t) => ["reasoning_content", t]) : [];
  const all = [...thoughts, ...tokens_of(said).map((t) => ["content", t])];
  const last = Math.min(all.length, body.max_tokens ?? Infinity, broken ? 20 : Infinity);
  const drafts = body.speculative?.enabled !== false;
  const step_ms = /slow/.test(text) ? 220 : /fast/.test(text) ? 1 : 24;
  const prompt_n = 11 + JSON.stringify(body.messages).length;
  const timings = {
    prompt_n, prompt_ms: prompt_n * 2.5, prompt_per_second: 400, predicted_n: 0, predicted_ms: 0, predicted_per_second: 0, draft_n: 0,
    draft_n_accepted: 0, drafted_per_position: [], accepted_per_position: [], cycles: 0, draft_ms: 0, verify_ms: 0,
  };
  const chunk = (choice, more = {}) => event({ id: "chatcmpl-1", object: "chat.completion.chunk", model: "mock", choices: [{ index: 0, finish_reason: null, ...choice }], ...more });
  chunk({ delta: { role: "assistant", content: "" } });
  await wait(/slow/.test(text) ? 900 : 60);

  const start = performance.now();
  for (let i = 0; i < last && !gone; ) {
    await wait(step_ms * (0.7 + 0.6 * Math.random()));
    let accepted = 0;
    for (let place = 0, on = drafts; place < (drafts ? 3 : 0); ++place) {
      on &&= Math.random() < [0.9, 0.8, 0.7][place] - 0.25 * (Math.sin(i / 60) > 0.3);
      timings.draft_n += 1;
      timings.drafted_per_position[place] = (timings.drafted_per_position[place] ?? 0) + 1;
      timings.accepted_per_position[place] = (timings.accepted_per_position[place] ?? 0) + (on ? 1 : 0);
      if (on) accepted += 1;
    }
    timings.draft_n_accepted += accepted;
    timings.cycles += 1;
    for (let n = 0; n <= accepted && i < last; ++n, ++i) {
      timings.predicted_n += 1;
      timings.predicted_ms = performance.now() - start;
      timings.predicted_per_second = (timings.predicted_n / timings.predicted_ms) * 1000;
      const [kind, piece] = all[i];
      chunk({ delta: { [kind]: piece }, nextn: { drafted: n < accepted } }, body.timings_per_token ? { timings } : {});
    }
  }
  if (gone) return;
  if (broken === "cut") return response.destroy();
  if (broken) event({ error: { message: "Out of memory while decoding.", type: "server_error", param: null, code: 500 } });
  else {
    chunk({ delta: {}, finish_reason: last < all.length ? "length" : "stop" });
    event({ choices: [], usage: { prompt_tokens: prompt_n, completion_tokens: last, total_tokens: prompt_n + last }, timings });
  }
  event("[DONE]");
  response.end();
}

async function serve(request, response) {
  const path = new URL(request.url, "http://mock").pathname;
  if (path === "/health") return send_json(response, 200, { status: "ok" });
  const file = path === "/" ? "index.html" : path.slice(1);
  if (request.method === "GET" && kFiles.includes(file)) {
    response.writeHead(200, {
      "Content-Type": kTypes[file.split(".").pop()], "Content-Security-Policy": kPolicy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache",
    });
    return response.end(readFileSync(new URL(`../dist/${file}`, import.meta.url)));
  }
  if (values.key && request.headers.authorization !== `Bearer ${values.key}`) return send_error(response, 401, "Invalid API key");
  if (path === "/v1/models") return send_json(response, 200, { object: "list", data: [{ id: "mock", object: "model" }] });
  if (path === "/props")
    return send_json(response, 200, {
      model: { name: "Mock-27B-Q4_K_M", architecture: "qwen35", n_ctx: 8192, head: "mtp" },
      default_generation_settings: { temperature: 0.6, top_k: 20, top_p: 0.95, min_p: 0 },
    });
  if (path === "/v1/chat/completions" && request.method === "POST") {
    let text = "";
    for await (const piece of request) text += piece;
    return answer(request, response, JSON.parse(text));
  }
  return send_error(response, 404, "Not found");
}

const server = createServer((request, response) => {
  serve(request, response).catch((error) => {
    console.error(error);
    response.destroy();
  });
});
server.listen(Number(values.port), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
