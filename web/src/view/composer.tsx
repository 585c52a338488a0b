// Where questions are typed. What is typed is kept, per conversation, until it is sent.
import { useLayoutEffect, useRef } from "preact/hooks";
import { ask, is_running, stop } from "../state/answer";
import { current_id, find } from "../state/library";
import { touch } from "../state/layout";
import { set, settings } from "../state/settings";
import { use_draft } from "../state/typing";
import { start_edit } from "../state/editing";
import { Send, Stop } from "./icons";

export function focus_question(): void {
  if (!touch.value) document.getElementById("question")?.focus();
}

export function grow(area: HTMLTextAreaElement | null): void {
  if (!area) return;
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + area.offsetHeight - area.clientHeight}px`;
}

export function Composer() {
  const id = current_id.value;
  const running = is_running(id);
  const [text, set_text] = use_draft(id);
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => grow(area.current), [text, id]);

  const send = () => {
    if (running || text.trim() === "") return;
    ask(id, text.trim());
    set_text("");
    focus_question();
  };
  const on_key = (e: KeyboardEvent) => {
    if (e.isComposing) return;
    if (e.key === "Enter" && !e.shiftKey && !touch.value) {
      e.preventDefault();
      send();
    }
    if (e.key === "ArrowUp" && text === "" && !running) {
      const last = find(id)?.messages.findLast((m) => m.role === "user");
      if (last) {
        e.preventDefault();
        start_edit(last.id);
      }
    }
  };

  return (
    <form class="composer" onSubmit={(e) => { e.preventDefault(); send(); }}>
      <div class="box">
        <label class="unseen" for="question">Your message</label>
        <textarea id="question" ref={area} rows={1} value={text} placeholder="Ask something" enterkeyhint={touch.value ? "enter" : "send"}
          onInput={(e) => set_text(e.currentTarget.value)} onKeyDown={on_key} />
        <div class="bar">
          <Switch name="thinking" label="Think" hint="Let the model think before it answers" />
          <Switch name="drafts" label="Draft" hint="Speculation: draft tokens ahead and verify them; the text stays the same" />
          <span class="hint" aria-hidden="true">{running ? "Esc stops" : "Shift + Enter for a new line"}</span>
          {running
            ? <button class="main" type="button" aria-label="Stop" title="Stop (Esc)" onClick={() => { stop(id); focus_question(); }}><Stop /></button>
            : <button class="main" type="submit" aria-label="Send" title="Send (Enter)" disabled={text.trim() === ""}><Send /></button>}
        </div>
      </div>
    </form>
  );
}

function Switch({ name, label, hint }: { name: "thinking" | "drafts"; label: string; hint: string }) {
  const on = settings.value[name];
  return (
    <button class="switch" type="button" aria-pressed={on} title={hint} onClick={() => set(name, !on)}>
      <span class="dot" /> {label}
    </button>
  );
}
