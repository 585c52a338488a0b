// One answer on its way: sends the conversation, puts what comes into the last message, and can be stopped.
// Several conversations may be answered at once, each by one run.
import { signal } from "@preact/signals";
import { chat } from "../api/client";
import { kGone, RequestFailed } from "../api/failure";
import type { ChatChunk, ChatMessage, ChatRequest } from "../api/types";
import { add_span, new_id, type Conversation, type Message } from "./conversation";
import { find, set_message, set_messages } from "./library";
import { offer_undo, spoken } from "./notice";
import { Sampler } from "./samples";
import { check_server, model_id } from "./server";
import { settings } from "./settings";

const running = signal<ReadonlyMap<string, AbortController>>(new Map());

export const is_running = (id: string): boolean => running.value.has(id);

export function stop(id: string): void {
  running.value.get(id)?.abort();
}

export function ask(id: string, text: string): void {
  const conversation = find(id);
  if (!conversation || is_running(id)) return;
  void answer(id, [...conversation.messages, { id: new_id(), role: "user", content: text }]);
}

// Writes the answer at index again; what followed it goes.
export function regenerate(id: string, index: number): void {
  const conversation = find(id);
  if (!conversation) return;
  const lost = conversation.messages.slice(index).some((m) => m.content !== "");
  restart(conversation, conversation.messages.slice(0, index), lost ? "The earlier answer is replaced." : "");
}

// Replaces the question at index; what followed it goes.
export function edit(id: string, index: number, text: string): void {
  const conversation = find(id);
  const old = conversation?.messages[index];
  if (!conversation || !old) return;
  const question: Message = { ...old, id: new_id(), content: text };
  restart(conversation, [...conversation.messages.slice(0, index), question], "The earlier question is replaced.");
}

export function remove_message(id: string, index: number): void {
  const conversation = find(id);
  if (!conversation) return;
  const before = conversation.messages;
  set_messages(id, before.filter((_, i) => i !== index));
  offer_undo("The message is deleted.", () => set_messages(id, before));
}

function restart(conversation: Conversation, messages: Message[], text: string): void {
  const { id, messages: before } = conversation;
  if (is_running(id)) return;
  void answer(id, messages);
  if (text) offer_undo(text, () => {
    const run = running.value.get(id);
    running.value = without(id);
    run?.abort();
    set_messages(id, before);
  });
}

function without(id: string): ReadonlyMap<string, AbortController> {
  const rest = new Map(running.value);
  rest.delete(id);
  return rest;
}

// Answers that failed before their first word are left out; questions that follow each other become one.
function to_send(messages: Message[]): ChatMessage[] {
  const sent: ChatMessage[] = [];
  const system = settings.value.system.trim();
  if (system) sent.push({ role: "system", content: system });
  for (const { role, content } of messages) {
    const last = sent[sent.length - 1];
    if (content === "") continue;
    if (last?.role === role) last.content += `\n\n${content}`;
    else sent.push({ role, content });
  }
  return sent;
}

function request_of(messages: Message[]): ChatRequest {
  const { temperature, top_p, top_k, max_tokens, seed, thinking, drafts } = settings.value;
  return {
    ...(model_id.value ? { model: model_id.value } : {}),
    messages: to_send(messages),
    stream: true,
    stream_options: { include_usage: true },
    timings_per_token: true,
    ...(temperature === null ? {} : { temperature }),
    ...(top_p === null ? {} : { top_p }),
    ...(top_k === null ? {} : { top_k }),
    ...(max_tokens === null ? {} : { max_tokens }),
    ...(seed === null ? {} : { seed }),
    chat_template_kwargs: { enable_thinking: thinking },
    speculative: { enabled: drafts },
  };
}

async function answer(id: string, messages: Message[]): Promise<void> {
  const abort = new AbortController();
  running.value = new Map(running.value).set(id, abort);
  let message: Message = { id: new_id(), role: "assistant", content: "" };
  set_messages(id, [...messages, message]);
  spoken.value = "Answering.";

  // At most one change of the page per frame, however fast the tokens come.
  let frame = 0;
  const mine = (): boolean => running.value.get(id) === abort;
  const show = (): void => {
    frame = 0;
    if (mine()) set_message(id, message, "soon");
  };

  const draft = new Draft(message);
  try {
    for await (const chunk of chat(request_of(messages), abort.signal)) {
      message = draft.take(chunk);
      frame ||= requestAnimationFrame(show);
    }
    message = { ...message, finish: message.finish ?? "stop" };
    spoken.value = "The answer is complete.";
  } catch (error) {
    if ((error as Error).name === "AbortError") {
      message = { ...message, finish: "stopped" };
      spoken.value = "Stopped.";
    } else {
      const failure = error instanceof RequestFailed ? error.failure : { ...kGone, text: "Something went wrong.", detail: String(error) };
      message = { ...message, failure };
      if (failure.kind !== "busy" && failure.kind !== "refused") check_server();
    }
  }
  cancelAnimationFrame(frame);
  if (!mine()) return;
  running.value = without(id);
  set_message(id, message);
}

// The message that grows.
class Draft {
  private sampler = new Sampler();
  private started = performance.now();
  private first = 0;
  private chunks = 0;

  constructor(private message: Message) {}

  take(chunk: ChatChunk): Message {
    const choice = chunk.choices?.[0];
    const piece = choice?.delta ?? choice?.message;
    const drafted = !!(choice?.nextn?.drafted ?? piece?.nextn?.drafted);
    const next: Message = { ...this.message };
    const content = (piece?.content ?? "").replaceAll("\r", "");
    const reasoning = (piece?.reasoning_content ?? "").replaceAll("\r", "");
    const now = performance.now();
    if (content || reasoning) {
      this.first ||= now;
      this.chunks += 1;
    }
    if (reasoning) {
      const before = next.reasoning ?? "";
      next.reasoning = before + reasoning;
      next.reasoning_ms = now - this.started;
      if (drafted) next.reasoning_spans = add_span(next.reasoning_spans ?? [], before.length, next.reasoning.length);
    }
    if (content) {
      const before = next.content;
      next.content = before + content;
      if (drafted) next.spans = add_span(next.spans ?? [], before.length, next.content.length);
    }
    if (choice?.finish_reason) next.finish = choice.finish_reason;
    if (chunk.model) next.model = chunk.model;
    if (chunk.timings) {
      next.timings = { ...next.timings, ...chunk.timings };
      this.sampler.add(next.timings);
    } else if ((content || reasoning) && this.chunks > 1 && next.timings?.prompt_n === undefined) {
      // No timings from the server: chunks and the clock of this page.
      const ms = now - this.first;
      next.timings = { predicted_n: this.chunks, predicted_ms: ms, predicted_per_second: ms > 0 ? ((this.chunks - 1) / ms) * 1000 : 0 };
      this.sampler.add(next.timings);
    }
    if (this.sampler.samples.length > 0) next.samples = this.sampler.samples;
    const { prompt_tokens, completion_tokens } = chunk.usage ?? {};
    if (prompt_tokens !== undefined) next.context = prompt_tokens + (completion_tokens ?? 0);
    this.message = next;
    return next;
  }
}
