// How wide the window is and what is open in it.
import { computed, signal } from "@preact/signals";
import { set, settings } from "./settings";

function media(query: string) {
  const list = matchMedia(query);
  const matches = signal(list.matches);
  list.addEventListener("change", () => (matches.value = list.matches));
  return matches;
}

export const wide = media("(min-width: 860px)"); // room for the list of conversations
export const roomy = media("(min-width: 1200px)"); // and for the meter
export const touch = media("(hover: none) and (pointer: coarse)");
export const dark_system = media("(prefers-color-scheme: dark)");

export const list_open = signal(false); // over the page, where it is not wide
const meter_over = signal(false);

export const meter_open = computed(() => (roomy.value ? (settings.value.meter ?? true) : meter_over.value));

export function show_meter(open: boolean): void {
  if (roomy.value) set("meter", open);
  else meter_over.value = open;
}

export const settings_open = signal(false);
export const shown_message = signal<string>(""); // whose numbers the meter shows; none: the last answer's
