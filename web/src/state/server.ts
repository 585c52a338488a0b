// What is known of the server: whether it answers, and which model it holds. Asked again while it does not answer.
import { signal } from "@preact/signals";
import * as client from "../api/client";
import { RequestFailed, type FailureKind } from "../api/failure";
import type { Props } from "../api/types";

export type ServerState = "unknown" | "ready" | FailureKind;

export const server_state = signal<ServerState>("unknown");
export const model_id = signal("");
export const model_props = signal<Props>({});
let timer = 0;

export function check_server(): void {
  window.clearTimeout(timer);
  void ask().then((state) => {
    server_state.value = state;
    if (state !== "ready" && state !== "key") timer = window.setTimeout(check_server, 2500);
  });
}

async function ask(): Promise<ServerState> {
  try {
    await client.health().catch((error) => {
      // Other servers have no /health.
      if (!(error instanceof RequestFailed && error.failure.kind === "refused")) throw error;
    });
    const [ids, props] = await Promise.all([client.models(), client.props().catch(() => ({}))]);
    model_id.value = ids[0] ?? "";
    model_props.value = props;
    return "ready";
  } catch (error) {
    return error instanceof RequestFailed ? error.failure.kind : "server";
  }
}

export function model_name(): string {
  return model_props.value.model?.name || model_id.value;
}

// What /props says of the head: absent, a name, true or false, or an object.
export function has_head(): boolean | undefined {
  const model = model_props.value.model;
  if (!model || !("head" in model)) return undefined;
  const head = model.head;
  if (typeof head === "object" && head !== null) return !("usable" in head) || !!head.usable;
  return !!head && head !== "none";
}
