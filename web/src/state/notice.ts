// One line at the foot of the page for some seconds, with a way back where something was taken away.
import { signal } from "@preact/signals";

export interface Notice {
  text: string;
  undo?: () => void;
}

export const notice = signal<Notice | null>(null);
export const spoken = signal(""); // for screen readers alone
let timer = 0;

function show(value: Notice, ms: number): void {
  window.clearTimeout(timer);
  notice.value = value;
  timer = window.setTimeout(() => (notice.value = null), ms);
}

export const tell = (text: string): void => show({ text }, 4000);
export const offer_undo = (text: string, undo: () => void): void => show({ text, undo }, 10000);

export function hide_notice(): void {
  window.clearTimeout(timer);
  notice.value = null;
}
