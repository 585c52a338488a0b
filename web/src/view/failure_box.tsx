// What went wrong, at the message where it did, and the way on.
import { useEffect, useState } from "preact/hooks";
import type { Failure } from "../api/failure";
import { settings_open } from "../state/layout";

interface Props {
  failure: Failure;
  retry: () => void;
  busy: boolean;
}

export function FailureBox({ failure, retry, busy }: Props) {
  const wait = use_countdown(failure.retryAt);
  return (
    <div class="failure" role="alert">
      <p>
        <strong>{failure.text}</strong>{failure.detail && failure.detail !== failure.text && <> {failure.detail}</>}
        {failure.kind === "loading" && !failure.detail && <> The model may still be loading.</>}
      </p>
      <div class="ways">
        <button class="plain strong" type="button" onClick={retry} disabled={busy}>Retry</button>
        {failure.kind === "key" && <button class="plain" type="button" onClick={() => (settings_open.value = true)}>Enter the key</button>}
        {wait > 0 && <span class="wait" aria-hidden="true">The server asks for {wait} s of patience.</span>}
      </div>
    </div>
  );
}

function use_countdown(until: number | undefined): number {
  const left = () => (until === undefined ? 0 : Math.max(0, Math.ceil((until - Date.now()) / 1000)));
  const [seconds, set_seconds] = useState(left);
  useEffect(() => {
    set_seconds(left());
    if (left() === 0) return;
    const timer = window.setInterval(() => {
      set_seconds(left());
      if (left() === 0) window.clearInterval(timer);
    }, 250);
    return () => window.clearInterval(timer);
  }, [until]);
  return seconds;
}
