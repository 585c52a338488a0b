// Which question is being edited.
import { signal } from "@preact/signals";

export const editing = signal("");

export function start_edit(message_id: string): void {
  editing.value = message_id;
}

export function end_edit(): void {
  editing.value = "";
}
