// Markdown on the page, block by block, with the accepted drafts tinted.
import { memo } from "preact/compat";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { blocks } from "../text/markdown";
import { copy } from "../text/clipboard";
import { cut, tint } from "../text/tint";

interface Props {
  text: string;
  spans: number[] | undefined; // none: no tint
}

export function Prose({ text, spans }: Props) {
  const made = useMemo(() => blocks(text), [text]);
  return (
    <div class="prose" onClick={copy_code}>
      {made.map(({ raw, start, html }, index) => (
        <Block key={index} html={html} raw={raw} spans={cut(spans, start, start + raw.length).join(" ")} />
      ))}
    </div>
  );
}

const Block = memo(({ html, raw, spans }: { html: string; raw: string; spans: string }) => {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => (spans ? tint(ref.current!, raw, spans.split(" ").map(Number)) : undefined), [html, raw, spans]);
  return <div class="block" ref={ref} dangerouslySetInnerHTML={{ __html: html }} />;
});

// The copy buttons of code blocks.
async function copy_code(event: MouseEvent): Promise<void> {
  const button = (event.target as Element).closest<HTMLButtonElement>("button.copy");
  const code = button?.closest(".code")?.querySelector("code");
  if (!button || !code) return;
  button.textContent = (await copy(code.textContent ?? "")) ? "Copied" : "Not copied";
  window.setTimeout(() => (button.textContent = "Copy"), 1500);
}
