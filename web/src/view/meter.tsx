// What drafting gains, in numbers: of the answer on its way, or of one that was chosen.
import type { Message } from "../state/conversation";
import { meter_open, roomy, show_meter, shown_message } from "../state/layout";
import { current } from "../state/library";
import { model_props } from "../state/server";
import { set, settings } from "../state/settings";
import { can_tint } from "../text/tint";
import { acceptance, count, percent, rate, seconds } from "../text/numbers";
import { Chart } from "./chart";
import { Close, Meter as MeterIcon } from "./icons";

function measured(): Message | undefined {
  const answers = current.value?.messages.filter((m) => m.role === "assistant") ?? [];
  return answers.find((m) => m.id === shown_message.value) ?? answers.findLast((m) => m.timings?.predicted_n);
}

// The short form, in the page's head.
export function MeterButton() {
  const timings = measured()?.timings;
  const share = acceptance(timings);
  const open = meter_open.value;
  return (
    <button class="quiet pill" type="button" aria-expanded={open} aria-controls="meter" title="Speed and drafts" onClick={() => show_meter(!open)}>
      <MeterIcon />
      {timings?.predicted_n
        ? <span class="tabular">{rate(timings.predicted_per_second)} tok/s{share !== undefined && <> · {percent(share)}</>}</span>
        : <span>Speed</span>}
    </button>
  );
}

export function Meter() {
  if (!meter_open.value) return null;
  const message = measured();
  const timings = message?.timings;
  const over = !roomy.value;
  const close = () => show_meter(false);
  return (
    <>
      {over && <div class="backdrop" onClick={close} />}
      <aside class="meter" id="meter" aria-label="Speed and drafts">
        <header>
          <h2>Speed</h2>
          <button class="quiet" type="button" aria-label="Close the panel" onClick={close}><Close /></button>
        </header>
        {timings?.predicted_n ? <Figures message={message!} /> : <p class="muted">The next answer shows here how fast it comes and how many of its drafted tokens are accepted.</p>}
        {can_tint && (
          <label class="check">
            <input type="checkbox" checked={settings.value.tint} onChange={(e) => set("tint", e.currentTarget.checked)} />
            <span>Tint <mark>accepted drafts</mark> in the text</span>
          </label>
        )}
        <p class="muted small">The model drafts some tokens ahead and checks them in one step. What it accepts is what it would have written anyway.</p>
      </aside>
    </>
  );
}

function Figures({ message }: { message: Message }) {
  const timings = message.timings!;
  const share = acceptance(timings);
  const { predicted_n = 0, cycles, draft_n, draft_n_accepted, prompt_n, prompt_per_second, prompt_ms } = timings;
  const context = model_props.value.model?.n_ctx;
  return (
    <>
      <div class="figures">
        <p><b class="tabular">{rate(timings.predicted_per_second)}</b> tokens per second</p>
        <p class="share"><b class="tabular">{percent(share)}</b> of drafts accepted</p>
      </div>
      <Chart samples={message.samples ?? []} />
      <Positions timings={timings} />
      <dl>
        <Fact name="Answer">{count(predicted_n, "token")}</Fact>
        {!!draft_n && <Fact name="Drafts">{(draft_n_accepted ?? 0).toLocaleString("en")} of {draft_n.toLocaleString("en")} accepted</Fact>}
        {!!cycles && <Fact name="Per step">{(predicted_n / cycles).toFixed(2)} tokens</Fact>}
        {!!prompt_n && <Fact name="Prompt">{count(prompt_n, "token")}{prompt_ms !== undefined && <> in {seconds(prompt_ms)}</>}{prompt_per_second !== undefined && <>, {rate(prompt_per_second)} tok/s</>}</Fact>}
        {message.context !== undefined && <Fact name="Context">{message.context.toLocaleString("en")}{context ? <> of {context.toLocaleString("en")} tokens</> : " tokens"}</Fact>}
      </dl>
    </>
  );
}

// Accepted of drafted, for the first draft after a sure token, the second, and so on.
function Positions({ timings }: { timings: NonNullable<Message["timings"]> }) {
  const drafted = timings.drafted_per_position ?? [];
  const accepted = timings.accepted_per_position ?? [];
  const rows = drafted.flatMap((n, i) => (n > 0 ? [{ place: i + 1, n, yes: accepted[i] ?? 0 }] : []));
  if (rows.length === 0) return null;
  return (
    <table class="positions">
      <caption>Accepted, by place in the draft</caption>
      <tbody>
        {rows.map(({ place, n, yes }) => (
          <tr key={place} title={`${yes} of ${n}`}>
            <th scope="row">{place}</th>
            <td class="bar"><span ref={(bar) => { if (bar) bar.style.width = `${(100 * yes) / n}%`; }} /></td>
            <td class="tabular">{percent(yes / n)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return <><dt>{name}</dt><dd class="tabular">{children}</dd></>;
}
