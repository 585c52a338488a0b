// What a new conversation says about itself.
import { has_head, model_name } from "../state/server";
import { settings } from "../state/settings";

export function Empty() {
  const name = model_name();
  const drafts = settings.value.drafts && has_head() !== false;
  return (
    <div class="empty">
      <h1>{name ? <>Ask {name}.</> : <>Ask the model.</>}</h1>
      <p>
        It runs on the machine that serves this page, and conversations stay in this browser.
        {drafts && <> Text <mark>tinted like this</mark> was drafted ahead and accepted: it came faster, and it is the same text.</>}
      </p>
    </div>
  );
}
