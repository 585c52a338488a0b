// Text that is typed and not yet sent: survives reloads, failures and a change of conversation.
import { useState } from "preact/hooks";
import { local, read, write } from "./settings";

const name_of = (id: string): string => `nextn.typed.${id}`;
const typed = new Map<string, string>();

function get(id: string): string {
  let text = typed.get(id);
  if (text === undefined) {
    text = read(local, name_of(id)) ?? "";
    typed.set(id, text);
  }
  return text;
}

export function forget_typed(id: string): void {
  typed.delete(id);
  write(local, name_of(id), "");
}

export function use_draft(id: string, otherwise = ""): [string, (text: string) => void] {
  const [, again] = useState(0);
  const change = (text: string): void => {
    typed.set(id, text);
    write(local, name_of(id), text);
    again((n) => n + 1);
  };
  return [get(id) || otherwise, change];
}
