// A failed request, in words for the reader.
import type { ErrorBody } from "./types";

export type FailureKind = "gone" | "key" | "busy" | "loading" | "refused" | "server" | "cut";

export interface Failure {
  kind: FailureKind;
  text: string;
  detail?: string;
  retryAt?: number; // ms since the epoch, from Retry-After
}

export class RequestFailed extends Error {
  constructor(readonly failure: Failure) {
    super(failure.text);
  }
}

function message_of(body: unknown): string | undefined {
  const error = (body as { error?: ErrorBody | string } | null)?.error;
  if (typeof error === "string") return error;
  if (typeof error?.message === "string") return error.param ? `${error.message} (${error.param})` : error.message;
  return undefined;
}

// Retry-After is seconds or a date.
export function retry_time(header: string | null, now: number): number | undefined {
  if (!header) return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return now + Math.max(0, seconds) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : date;
}

export async function failure_of(response: Response): Promise<Failure> {
  let detail: string | undefined;
  try {
    const text = await response.text();
    try {
      detail = message_of(JSON.parse(text));
    } catch {
      detail = text.trimStart().startsWith("<") ? undefined : text.slice(0, 300) || undefined;
    }
  } catch {
    // The status alone has to do.
  }
  const failure = by_status(response.status);
  if (detail) failure.detail = detail;
  const at = retry_time(response.headers.get("Retry-After"), Date.now());
  if (at !== undefined) failure.retryAt = at;
  return failure;
}

function by_status(status: number): Failure {
  if (status === 401 || status === 403) return { kind: "key", text: "The server asks for an API key." };
  if (status === 429) return { kind: "busy", text: "The server is busy." };
  if (status === 503) return { kind: "loading", text: "The server is not ready yet." };
  if (status >= 500) return { kind: "server", text: `The server failed (status ${status}).` };
  return { kind: "refused", text: `The server did not accept the request (status ${status}).` };
}

export function stream_failure(error: ErrorBody | string): Failure {
  const detail = message_of({ error });
  return { kind: "server", text: "The server stopped with an error.", ...(detail ? { detail } : {}) };
}

export const kGone: Failure = { kind: "gone", text: "The server cannot be reached." };
export const kCut: Failure = { kind: "cut", text: "The connection ended before the answer did." };
export const kClosed: Failure = { kind: "cut", text: "The page was closed while the answer was being written." };
