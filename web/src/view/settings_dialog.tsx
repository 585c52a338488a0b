// What can be set. Numbers that are left empty are the server's to choose, and their default is shown in grey.
import { useEffect, useRef } from "preact/hooks";
import { settings_open } from "../state/layout";
import { check_server, model_props } from "../state/server";
import { api_key, reset_sampling, set, settings, type Settings } from "../state/settings";
import { can_tint } from "../text/tint";
import { Close } from "./icons";

export function SettingsDialog() {
  const ref = useRef<HTMLDialogElement>(null);
  const open = settings_open.value;
  useEffect(() => {
    if (open) ref.current?.showModal();
    else ref.current?.close();
  }, [open]);
  const close = () => (settings_open.value = false);
  const defaults = model_props.value.default_generation_settings;

  return (
    <dialog ref={ref} class="settings" aria-labelledby="settings-title" onClose={close} onClick={(e) => e.target === e.currentTarget && close()}>
      {open && (
        <form method="dialog">
          <header>
            <h2 id="settings-title">Settings</h2>
            <button class="quiet" type="button" aria-label="Close" onClick={close}><Close /></button>
          </header>

          <fieldset>
            <legend>Answers</legend>
            <label class="wide">System prompt
              <textarea rows={3} value={settings.value.system} placeholder="None" onInput={(e) => set("system", e.currentTarget.value)} />
            </label>
            <Check name="thinking" label="Think before answering" />
            <Check name="drafts" label="Draft tokens ahead (speculation)" />
          </fieldset>

          <fieldset class="numbers-grid">
            <legend>Sampling <button class="link" type="button" onClick={reset_sampling}>Reset</button></legend>
            <Field name="temperature" label="Temperature" min={0} max={2} step={0.05} otherwise={defaults?.temperature} />
            <Field name="top_p" label="Top p" min={0} max={1} step={0.01} otherwise={defaults?.top_p} />
            <Field name="top_k" label="Top k" min={0} max={1000} step={1} otherwise={defaults?.top_k} />
            <Field name="max_tokens" label="Max tokens" min={1} max={1048576} step={1} empty="no limit" />
            <Field name="seed" label="Seed" min={0} max={Number.MAX_SAFE_INTEGER} step={1} empty="random" />
          </fieldset>

          <fieldset>
            <legend>Page</legend>
            <div class="choice" role="radiogroup" aria-label="Colours">
              {(["system", "light", "dark"] as const).map((theme) => (
                <label key={theme}>
                  <input type="radio" name="theme" checked={settings.value.theme === theme} onChange={() => set("theme", theme)} />
                  <span>{{ system: "As the system", light: "Light", dark: "Dark" }[theme]}</span>
                </label>
              ))}
            </div>
            {can_tint && <Check name="tint" label="Tint accepted drafts in the text" />}
          </fieldset>

          <fieldset>
            <legend>Server</legend>
            <label class="wide">API key
              <input type="password" autocomplete="off" value={api_key.value} placeholder="Only if the server asks for one"
                onInput={(e) => (api_key.value = e.currentTarget.value)} onChange={check_server} />
            </label>
            <p class="muted small">Kept until this tab closes, and sent to this server alone.</p>
          </fieldset>
        </form>
      )}
    </dialog>
  );
}

function Check({ name, label }: { name: "thinking" | "drafts" | "tint"; label: string }) {
  return (
    <label class="check">
      <input type="checkbox" checked={settings.value[name]} onChange={(e) => set(name, e.currentTarget.checked)} />
      <span>{label}</span>
    </label>
  );
}

interface FieldProps {
  name: "temperature" | "top_p" | "top_k" | "max_tokens" | "seed";
  label: string;
  min: number;
  max: number;
  step: number;
  otherwise?: number | undefined;
  empty?: string;
}

function Field({ name, label, min, max, step, otherwise, empty }: FieldProps) {
  const change = (text: string) => {
    const value = Number(text);
    const whole = step === 1 ? Math.round(value) : value;
    set(name, (text.trim() === "" || Number.isNaN(value) ? null : Math.min(max, Math.max(min, whole))) as Settings[typeof name]);
  };
  return (
    <label>{label}
      <input type="number" inputMode="decimal" min={min} max={max} step={step} value={settings.value[name] ?? ""}
        placeholder={empty ?? (otherwise === undefined ? "the server's" : String(Math.round(otherwise * 1000) / 1000))}
        onChange={(e) => change(e.currentTarget.value)} />
    </label>
  );
}
