// One message: a question, or an answer with its reasoning, numbers and failure.
import { memo } from "preact/compat";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Message } from "../state/conversation";
import { edit, is_running, regenerate, remove_message } from "../state/answer";
import { editing, end_edit, start_edit } from "../state/editing";
import { show_meter, shown_message, touch } from "../state/layout";
import { tell } from "../state/notice";
import { settings } from "../state/settings";
import { forget_typed, use_draft } from "../state/typing";
import { copy } from "../text/clipboard";
import { acceptance, count, percent, rate, seconds } from "../text/numbers";
import { focus_question, grow } from "./composer";
import { FailureBox } from "./failure_box";
import { Again, Copy, Edit, Trash } from "./icons";
import { Prose } from "./prose";

interface Props {
  conversation: string;
  message: Message;
  index: number;
  live: boolean;
}

async function copy_message(text: string): Promise<void> {
  tell((await copy(text)) ? "Copied." : "The browser did not allow copying.");
}

export const Question = memo(({ conversation, message, index }: Props) => {
  if (editing.value === message.id) return <QuestionEditor conversation={conversation} message={message} index={index} />;
  return (
    <article class="question" aria-label="You">
      <div class="asked">{message.content}</div>
      <Tools>
        <Tool label="Copy" act={() => void copy_message(message.content)}><Copy /></Tool>
        <Tool label="Edit" act={() => start_edit(message.id)} disabled={is_running(conversation)}><Edit /></Tool>
        <Tool label="Delete" act={() => remove_message(conversation, index)} disabled={is_running(conversation)}><Trash /></Tool>
      </Tools>
    </article>
  );
});

function QuestionEditor({ conversation, message, index }: Omit<Props, "live">) {
  const [text, set_text] = use_draft(message.id, message.content);
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => grow(area.current), [text]);
  useEffect(() => {
    area.current?.focus();
    area.current?.setSelectionRange(text.length, text.length);
  }, []);
  const close = () => {
    forget_typed(message.id);
    end_edit();
    focus_question();
  };
  const send = () => {
    if (text.trim() === "" || is_running(conversation)) return;
    close();
    edit(conversation, index, text.trim());
  };
  return (
    <form class="question editor" onSubmit={(e) => { e.preventDefault(); send(); }}>
      <textarea ref={area} aria-label="Edit your message" value={text} rows={1} onInput={(e) => set_text(e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.isComposing) return;
          if (e.key === "Escape") {
            e.stopPropagation();
            close();
          }
          if (e.key === "Enter" && !e.shiftKey && !touch.value) {
            e.preventDefault();
            send();
          }
        }} />
      <div class="bar">
        <span class="hint">Sending it replaces everything below.</span>
        <button class="plain" type="button" onClick={close}>Cancel</button>
        <button class="plain strong" type="submit">Send again</button>
      </div>
    </form>
  );
}

export const Answer = memo(({ conversation, message, index, live }: Props) => {
  const { content, reasoning, failure, finish } = message;
  const tinted = settings.value.tint;
  const waiting = live && !content && !reasoning;
  return (
    <article class={`answer${live ? " live" : ""}`} aria-label="Answer" aria-busy={live}>
      {reasoning && <Reasoning message={message} live={live} />}
      {waiting && <p class="waiting"><span class="pulse" /> Reading the prompt</p>}
      {content && <Prose text={content} spans={tinted ? message.spans : undefined} />}
      {!live && !content && !failure && <p class="remark">{finish === "stopped" ? "Stopped before the first word." : "The model had nothing to say."}</p>}
      {content && finish === "stopped" && <p class="remark">Stopped.</p>}
      {finish === "length" && <p class="remark">Cut off: the limit of tokens is reached.</p>}
      {failure && <FailureBox failure={failure} retry={() => regenerate(conversation, index)} busy={is_running(conversation)} />}
      {!live && (
        <Tools>
          {content && <Tool label="Copy" act={() => void copy_message(content)}><Copy /></Tool>}
          {!failure && <Tool label="Regenerate" act={() => regenerate(conversation, index)} disabled={is_running(conversation)}><Again /></Tool>}
          <Tool label="Delete" act={() => remove_message(conversation, index)} disabled={is_running(conversation)}><Trash /></Tool>
          <Numbers message={message} />
        </Tools>
      )}
    </article>
  );
});

function Reasoning({ message, live }: { message: Message; live: boolean }) {
  const [chosen, choose] = useState<boolean | null>(null);
  const thinking = live && !message.content;
  const open = chosen ?? thinking;
  const time = message.reasoning_ms === undefined ? "" : ` for ${seconds(message.reasoning_ms)}`;
  return (
    <section class={`reasoning${open ? " open" : ""}`}>
      <button class="fold" type="button" aria-expanded={open} onClick={() => choose(!open)}>
        {thinking && <span class="pulse" />}{thinking ? "Thinking" : "Thought"}{time}
      </button>
      {open && <Prose text={message.reasoning ?? ""} spans={settings.value.tint ? message.reasoning_spans : undefined} />}
    </section>
  );
}

function Numbers({ message }: { message: Message }) {
  const { timings, id } = message;
  if (!timings?.predicted_n) return null;
  const accepted = acceptance(timings);
  return (
    <button class="numbers" type="button" title="Show these numbers in the panel" onClick={() => {
      shown_message.value = id;
      show_meter(true);
    }}>
      {count(timings.predicted_n, "token")} · {rate(timings.predicted_per_second)} tok/s
      {accepted !== undefined && <> · {percent(accepted)}<span class="word"> accepted</span></>}
    </button>
  );
}

function Tools({ children }: { children: preact.ComponentChildren }) {
  return <div class="tools">{children}</div>;
}

function Tool({ label, act, disabled, children }: { label: string; act: () => void; disabled?: boolean; children: preact.ComponentChildren }) {
  return <button class="quiet" type="button" aria-label={label} title={label} disabled={disabled} onClick={act}>{children}</button>;
}
