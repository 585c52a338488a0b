// Speed and acceptance over the time of one answer, from the running totals that come with each chunk.
import type { Timings } from "../api/types";

export interface Sample {
  s: number; // seconds since the first token
  rate: number | null; // tokens per second, over the last second or so
  accepted: number | null; // share of the drafts accepted, over about the last 32 drafts
}

interface Total {
  ms: number;
  tokens: number;
  drafted: number;
  accepted: number;
}

const kWindowMs = 1200;
const kWindowDrafts = 32;
const kMaxSamples = 240;

export class Sampler {
  private totals: Total[] = [{ ms: 0, tokens: 0, drafted: 0, accepted: 0 }];
  private step_ms = 100;
  samples: Sample[] = [];

  add(timings: Timings): void {
    const total: Total = {
      ms: timings.predicted_ms ?? 0,
      tokens: timings.predicted_n ?? 0,
      drafted: timings.draft_n ?? 0,
      accepted: timings.draft_n_accepted ?? 0,
    };
    const last = this.totals[this.totals.length - 1]!;
    if (total.ms < last.ms + this.step_ms) return;
    this.totals.push(total);
    const early = this.before((t) => t.ms <= total.ms - kWindowMs);
    const drafts = this.before((t) => t.drafted <= total.drafted - kWindowDrafts);
    const drafted = total.drafted - drafts.drafted;
    this.samples = [
      ...this.samples,
      {
        s: Math.round(total.ms / 10) / 100,
        rate: Math.round(((total.tokens - early.tokens) / (total.ms - early.ms)) * 10000) / 10,
        accepted: drafted > 0 ? Math.round(((total.accepted - drafts.accepted) / drafted) * 1000) / 1000 : null,
      },
    ];
    if (this.samples.length > kMaxSamples) {
      this.samples = this.samples.filter((_, index) => index % 2 === 1);
      this.step_ms *= 2;
    }
  }

  private before(holds: (total: Total) => boolean): Total {
    for (let i = this.totals.length - 2; i > 0; --i) if (holds(this.totals[i]!)) return this.totals[i]!;
    return this.totals[0]!;
  }
}
