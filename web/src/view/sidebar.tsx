// The list of conversations. Beside the page where it is wide, else over it.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Conversation } from "../state/conversation";
import { conversations, current_id, kept, open, open_new, remove, rename } from "../state/library";
import { is_running } from "../state/answer";
import { list_open, wide } from "../state/layout";
import { server_state, model_name, model_props, has_head } from "../state/server";
import { download, file_name } from "../text/download";
import { focus_question } from "./composer";
import { Close, Edit, Export, Plus, Trash } from "./icons";

export function Sidebar() {
  const ref = useRef<HTMLElement>(null);
  const over = !wide.value && list_open.value;
  useEffect(() => {
    if (over) ref.current?.querySelector<HTMLElement>("button")?.focus();
  }, [over]);
  if (!wide.value && !list_open.value) return null;

  const close = () => (list_open.value = false);
  const choose = (act: () => void) => () => {
    act();
    close();
    focus_question();
  };
  const full = conversations.value.filter((c) => c.messages.length > 0);

  return (
    <>
      {over && <div class="backdrop" onClick={close} />}
      <nav class="sidebar" aria-label="Conversations" ref={ref}>
        <div class="brand">
          <span class="wordmark">next<b>n</b></span>
          {over && <button class="quiet" type="button" aria-label="Close the list" onClick={close}><Close /></button>}
        </div>
        <button class="new" type="button" onClick={choose(open_new)}><Plus /> New conversation</button>
        <ul class="conversations">
          {full.map((c) => <Entry key={c.id} conversation={c} choose={choose(() => open(c.id))} />)}
        </ul>
        <footer>
          {full.length > 0 && (
            <button class="quiet" type="button" onClick={() => download("nextn-conversations.json", JSON.stringify({ conversations: full }, null, 1))}>
              <Export /> Export all
            </button>
          )}
          {!kept.value && <p class="warning">This browser does not let the page keep conversations. They are gone when it closes.</p>}
          <Model />
        </footer>
      </nav>
    </>
  );
}

function Entry({ conversation, choose }: { conversation: Conversation; choose: () => void }) {
  const { id, title } = conversation;
  const [naming, set_naming] = useState(false);
  const here = current_id.value === id;

  if (naming) {
    const done = (value: string | null) => {
      if (value !== null) rename(id, value);
      set_naming(false);
    };
    return (
      <li>
        <input
          class="naming" aria-label="Name of the conversation" defaultValue={title} maxLength={200}
          ref={(input) => input?.select()}
          onBlur={(e) => done(e.currentTarget.value)}
          onKeyDown={(e) => {
            if (e.isComposing) return;
            if (e.key === "Enter") e.currentTarget.blur();
            if (e.key === "Escape") {
              e.stopPropagation();
              done(null);
            }
          }}
        />
      </li>
    );
  }
  return (
    <li class={here ? "here" : ""}>
      <button class="open" type="button" aria-current={here ? "page" : undefined} onClick={choose} title={title}>
        {is_running(id) && <span class="pulse" role="img" aria-label="answering" />}
        <span class="title">{title}</span>
      </button>
      <span class="tools">
        <button class="quiet" type="button" aria-label={`Rename “${title}”`} title="Rename" onClick={() => set_naming(true)}><Edit /></button>
        <button class="quiet" type="button" aria-label={`Export “${title}”`} title="Export as JSON"
          onClick={() => download(file_name(title), JSON.stringify(conversation, null, 1))}><Export /></button>
        <button class="quiet" type="button" aria-label={`Delete “${title}”`} title="Delete" onClick={() => remove(id)}><Trash /></button>
      </span>
    </li>
  );
}

function Model() {
  const state = server_state.value;
  if (state === "unknown") return null;
  if (state !== "ready") {
    const text = state === "key" ? "The server asks for an API key." : state === "loading" ? "The model is loading …" : "The server does not answer.";
    return <p class="model warning">{text}</p>;
  }
  const length = model_props.value.model?.n_ctx;
  const head = has_head();
  const facts = [length && `${length.toLocaleString("en")} tokens of context`, head === true && "drafts with its own head", head === false && "no draft head"];
  return (
    <p class="model">
      <strong>{model_name() || "A model"}</strong>
      <span>{facts.filter(Boolean).join(", ")}</span>
    </p>
  );
}
