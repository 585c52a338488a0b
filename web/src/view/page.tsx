// The page: conversations, the open one, the meter.
import { useEffect } from "preact/hooks";
import { stop } from "../state/answer";
import { list_open, meter_open, roomy, settings_open, show_meter, wide } from "../state/layout";
import { current, current_id, loaded } from "../state/library";
import { Composer, focus_question } from "./composer";
import { Gear, Menu } from "./icons";
import { Meter, MeterButton } from "./meter";
import { NoticeBar } from "./notice_bar";
import { SettingsDialog } from "./settings_dialog";
import { Sidebar } from "./sidebar";
import { Thread } from "./thread";

export function Page() {
  useEffect(() => {
    const on_key = (e: KeyboardEvent) => {
      if (e.key !== "Escape" || e.isComposing || e.defaultPrevented || settings_open.value) return;
      if (list_open.value && !wide.value) list_open.value = false;
      else if (meter_open.value && !roomy.value) show_meter(false);
      else stop(current_id.value);
    };
    addEventListener("keydown", on_key);
    return () => removeEventListener("keydown", on_key);
  }, []);
  useEffect(() => {
    if (loaded.value) focus_question();
  }, [loaded.value]);
  const title = current.value?.messages.length ? current.value.title : "";
  useEffect(() => {
    document.title = title ? `${title} – nextn` : "nextn";
  }, [title]);
  if (!loaded.value) return null;

  return (
    <div class="page">
      <a class="skip" href="#question" onClick={(e) => { e.preventDefault(); document.getElementById("question")?.focus(); }}>To the message box</a>
      <Sidebar />
      <main>
        <header class="head">
          {!wide.value && (
            <button class="quiet" type="button" aria-label="Conversations" aria-expanded={list_open.value} onClick={() => (list_open.value = true)}><Menu /></button>
          )}
          <span class="title">{title}</span>
          <MeterButton />
          <button class="quiet" type="button" aria-label="Settings" title="Settings" onClick={() => (settings_open.value = true)}><Gear /></button>
        </header>
        <Thread />
        <Composer />
      </main>
      <Meter />
      <NoticeBar />
      <SettingsDialog />
    </div>
  );
}
