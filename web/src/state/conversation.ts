// A conversation and its messages, as they are kept and exported. Values are replaced, never changed in place.
import type { Failure } from "../api/failure";
import type { Timings } from "../api/types";
import type { Sample } from "./samples";

export interface Message {
  id: string;
  role: "user" | "assistant";
  content: string;
  reasoning?: string;
  spans?: number[]; // accepted draft text in content: start, end, start, end, ...
  reasoning_spans?: number[];
  reasoning_ms?: number;
  model?: string;
  finish?: string; // the server's finish_reason, or "stopped"
  failure?: Failure;
  timings?: Timings;
  context?: number; // tokens of prompt and answer together
  samples?: Sample[];
}

export interface Conversation {
  id: string;
  title: string;
  renamed: boolean;
  created: number;
  updated: number;
  messages: Message[];
}

// crypto.randomUUID exists only on https and localhost; this page is also read over a plain home network.
export function new_id(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function new_conversation(): Conversation {
  const now = Date.now();
  return { id: new_id(), title: "New conversation", renamed: false, created: now, updated: now, messages: [] };
}

export function title_of(text: string): string {
  const line = text.trim().split("\n", 1)[0] ?? "";
  return line.length > 60 ? `${line.slice(0, 57).trimEnd()}…` : line || "New conversation";
}

// Adds a piece of text to spans when it was drafted; touching spans grow together.
export function add_span(spans: number[], start: number, end: number): number[] {
  if (start === end) return spans;
  if (spans.length > 0 && spans[spans.length - 1] === start) return [...spans.slice(0, -1), end];
  return [...spans, start, end];
}
