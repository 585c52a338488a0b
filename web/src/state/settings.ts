// What the reader has chosen: kept in localStorage; the API key only for as long as the tab lives.
import { effect, signal, type Signal } from "@preact/signals";

export interface Settings {
  temperature: number | null; // null: what the server thinks best
  top_p: number | null;
  top_k: number | null;
  max_tokens: number | null;
  seed: number | null;
  system: string;
  thinking: boolean;
  drafts: boolean;
  tint: boolean;
  theme: "system" | "light" | "dark";
  meter: boolean | null; // null: open where there is room
}

const kDefaults: Settings = {
  temperature: null,
  top_p: null,
  top_k: null,
  max_tokens: null,
  seed: null,
  system: "",
  thinking: true,
  drafts: true,
  tint: true,
  theme: "system",
  meter: null,
};

export function read(storage: () => Storage, name: string): string | null {
  try {
    return storage().getItem(name);
  } catch {
    return null; // storage is switched off
  }
}

export function write(storage: () => Storage, name: string, value: string): void {
  try {
    if (value === "") storage().removeItem(name);
    else storage().setItem(name, value);
  } catch {
    // Full or switched off: the page works on without memory.
  }
}

export const local = (): Storage => localStorage;
const session = (): Storage => sessionStorage;

function load(): Settings {
  try {
    return { ...kDefaults, ...(JSON.parse(read(local, "nextn.settings") ?? "{}") as Partial<Settings>) };
  } catch {
    return kDefaults;
  }
}

export const settings: Signal<Settings> = signal(load());
export const api_key = signal(read(session, "nextn.key") ?? "");

export function set<K extends keyof Settings>(name: K, value: Settings[K]): void {
  settings.value = { ...settings.value, [name]: value };
}

export function reset_sampling(): void {
  settings.value = { ...settings.value, temperature: null, top_p: null, top_k: null, max_tokens: null, seed: null };
}

effect(() => write(local, "nextn.settings", JSON.stringify(settings.value)));
effect(() => write(session, "nextn.key", api_key.value));
effect(() => {
  const root = document.documentElement;
  if (settings.value.theme === "system") delete root.dataset.theme;
  else root.dataset.theme = settings.value.theme;
});
