// Numbers as they are shown.
import type { Timings } from "../api/types";

export function count(n: number, noun: string): string {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}

export function rate(per_second: number | undefined): string {
  if (per_second === undefined || !Number.isFinite(per_second)) return "–";
  return per_second >= 100 ? per_second.toFixed(0) : per_second.toFixed(1);
}

export function percent(share: number | undefined): string {
  return share === undefined ? "–" : `${Math.round(share * 100)} %`;
}

export function seconds(ms: number): string {
  return ms < 10000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}

// Accepted of drafted, or undefined where nothing was drafted.
export function acceptance(timings: Timings | undefined): number | undefined {
  const { draft_n: drafted, draft_n_accepted: accepted } = timings ?? {};
  return drafted && accepted !== undefined ? accepted / drafted : undefined;
}
