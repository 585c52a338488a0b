// The server's API. Addresses are relative to the page: a proxy may put it under a path.
import { events } from "./event_stream";
import { failure_of, kCut, kGone, RequestFailed, stream_failure } from "./failure";
import type { ChatChunk, ChatRequest, Props } from "./types";
import { api_key } from "../state/settings";

function headers(): Record<string, string> {
  const key = api_key.value.trim();
  return { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
}

async function send(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers: headers(), cache: "no-store" });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new RequestFailed(kGone);
  }
  if (!response.ok) throw new RequestFailed(await failure_of(response));
  return response;
}

// The chunks of an answer. Throws RequestFailed; AbortError after signal. A stream that ends early is an error.
export async function* chat(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatChunk> {
  const response = await send("v1/chat/completions", { method: "POST", body: JSON.stringify(request), signal });
  if (response.headers.get("Content-Type")?.includes("application/json")) {
    yield (await response.json()) as ChatChunk;
    return;
  }
  let finished = false;
  try {
    if (response.body) {
      for await (const data of events(response.body)) {
        if (data.trim() === "[DONE]") return;
        let chunk: ChatChunk;
        try {
          chunk = JSON.parse(data) as ChatChunk;
        } catch {
          continue;
        }
        if (chunk.error) throw new RequestFailed(stream_failure(chunk.error));
        finished ||= !!chunk.choices?.[0]?.finish_reason;
        yield chunk;
      }
    }
  } catch (error) {
    if (error instanceof RequestFailed || (error as Error).name === "AbortError") throw error;
    throw new RequestFailed(kCut);
  }
  if (!finished) throw new RequestFailed(kCut);
}

export async function models(): Promise<string[]> {
  const body = (await (await send("v1/models", {})).json()) as { data?: { id?: string }[] };
  return (body.data ?? []).flatMap((model) => (model.id ? [model.id] : []));
}

export async function props(): Promise<Props> {
  return (await (await send("props", {})).json()) as Props;
}

export async function health(): Promise<void> {
  await send("health", {});
}
