// All conversations and the one that is open. Tabs of the same browser tell each other what they changed.
import { computed, signal } from "@preact/signals";
import { kClosed } from "../api/failure";
import { new_conversation, title_of, type Conversation, type Message } from "./conversation";
import * as database from "./database";
import { offer_undo } from "./notice";
import { local, read, write } from "./settings";

export const conversations = signal<Conversation[]>([]);
export const current_id = signal<string>("");
export const loaded = signal(false);
export const kept = signal(true); // false: the browser does not let the page keep anything
export const current = computed(() => conversations.value.find((c) => c.id === current_id.value));

const tabs = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("nextn");
const late = new Map<string, number>(); // timers of saves to come

export function find(id: string): Conversation | undefined {
  return conversations.value.find((c) => c.id === id);
}

// A new conversation exists only here until its first message.
export function open_new(): void {
  const empty = conversations.value.find((c) => c.messages.length === 0);
  const conversation = empty ?? new_conversation();
  if (!empty) conversations.value = [conversation, ...conversations.value];
  open(conversation.id);
}

export function open(id: string): void {
  current_id.value = id;
  write(local, "nextn.open", id);
}

// Puts changed into the list. Saves at once, or soon when more changes are on their way.
export function replace(changed: Conversation, save: "now" | "soon" = "now"): void {
  conversations.value = conversations.value.map((c) => (c.id === changed.id ? changed : c));
  if (save === "now") save_now(changed.id);
  else if (!late.has(changed.id)) late.set(changed.id, window.setTimeout(() => save_now(changed.id), 700));
}

function save_now(id: string): void {
  window.clearTimeout(late.get(id));
  late.delete(id);
  const conversation = find(id);
  if (!conversation || conversation.messages.length === 0) return;
  database.put(conversation).then(
    () => tabs?.postMessage(id),
    () => (kept.value = false),
  );
}

export function set_messages(id: string, messages: Message[], save: "now" | "soon" = "now"): void {
  const conversation = find(id);
  if (!conversation) return;
  const first = messages.find((m) => m.role === "user");
  const title = conversation.renamed || !first ? conversation.title : title_of(first.content);
  replace({ ...conversation, title, messages, updated: Date.now() }, save);
}

export function set_message(id: string, message: Message, save: "now" | "soon" = "now"): void {
  const conversation = find(id);
  if (!conversation) return;
  replace({ ...conversation, messages: conversation.messages.map((m) => (m.id === message.id ? message : m)) }, save);
}

export function rename(id: string, title: string): void {
  const conversation = find(id);
  if (conversation && title.trim()) replace({ ...conversation, title: title.trim(), renamed: true });
}

export function remove(id: string): void {
  const before = conversations.value;
  const gone = find(id);
  if (!gone) return;
  const index = before.indexOf(gone);
  conversations.value = before.filter((c) => c.id !== id);
  database.remove(id).then(() => tabs?.postMessage(id), () => {});
  if (current_id.value === id) {
    const next = conversations.value[Math.min(index, conversations.value.length - 1)];
    if (next) open(next.id);
    else open_new();
  }
  if (gone.messages.length === 0) return;
  offer_undo(`“${gone.title}” is deleted.`, () => {
    conversations.value = [...conversations.value, gone].sort((a, b) => b.created - a.created);
    replace(gone);
    open(id);
  });
}

// What a closed page left unfinished gets said.
function closed(conversation: Conversation): Conversation {
  const last = conversation.messages[conversation.messages.length - 1];
  if (last?.role !== "assistant" || last.finish || last.failure) return conversation;
  return { ...conversation, messages: [...conversation.messages.slice(0, -1), { ...last, failure: kClosed }] };
}

export async function load(): Promise<void> {
  let all: Conversation[] = [];
  try {
    all = (await database.read_all()).map(closed).sort((a, b) => b.created - a.created);
  } catch {
    kept.value = false;
  }
  conversations.value = all;
  const last = read(local, "nextn.open");
  if (last && find(last)) open(last);
  else open_new();
  loaded.value = true;
}

// Another tab changed a conversation. busy: this tab is writing it, and knows better.
export function follow_tabs(busy: (id: string) => boolean): void {
  tabs?.addEventListener("message", (event: MessageEvent<string>) => {
    const id = event.data;
    if (busy(id)) return;
    database.read_one(id).then((conversation) => {
      const others = conversations.value.filter((c) => c.id !== id);
      if (conversation) conversations.value = [conversation, ...others].sort((a, b) => b.created - a.created);
      else if (id !== current_id.value) conversations.value = others;
    }, () => {});
  });
  addEventListener("pagehide", () => late.forEach((_, id) => save_now(id)));
}
