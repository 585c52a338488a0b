// `nextn serve` as npm's clients see it: openai, @anthropic-ai/sdk, and ai with its strict checks. Run by clients_test.py.
import assert from "node:assert";
import OpenAI from "openai";
import Anthropic from "@anthropic-ai/sdk";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";

const base = process.argv[2];
const messages = [{ role: "user", content: "hi" }];

{
  const client = new OpenAI({ baseURL: base + "/v1", apiKey: "key", maxRetries: 0 });
  const ask = { model: "x", messages, max_tokens: 9, temperature: 0 };
  const whole = await client.chat.completions.create(ask);
  let text = "";
  for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) {
    text += chunk.choices[0]?.delta.content ?? "";
  }
  assert.strictEqual(text, whole.choices[0].message.content);
  const response = await client.responses.create({ model: "x", input: "hi", max_output_tokens: 9, temperature: 0 });
  assert.strictEqual(response.output_text, text);
  await assert.rejects(client.chat.completions.create({ ...ask, temperature: "hot" }), { status: 400, param: "temperature" });
}
{
  const client = new Anthropic({ baseURL: base, apiKey: "key", maxRetries: 0 });
  const ask = { model: "x", messages, max_tokens: 9, temperature: 0 };
  const whole = await client.messages.create(ask);
  const stream = client.messages.stream(ask);
  assert.strictEqual(await stream.finalText(), whole.content[0].text);
}
{
  const provider = createOpenAICompatible({ name: "nextn", baseURL: base + "/v1", apiKey: "key", includeUsage: true });
  const ask = { model: provider("x"), prompt: "hi", maxOutputTokens: 9, temperature: 0, maxRetries: 0 };
  const whole = await generateText(ask);
  const streamed = streamText(ask);
  let text = "";
  for await (const piece of streamed.textStream) text += piece;
  assert.strictEqual(text, whole.text);
  assert.strictEqual((await streamed.usage).outputTokens, whole.usage.outputTokens);
}
