// Tints the accepted draft text of a rendered block with the CSS Custom Highlight API: no element is added, so the
// tint cannot disturb layout, selection or copying. Browsers without the API show the text untinted.
import { align } from "./alignment";

const highlight = typeof Highlight === "undefined" || !CSS.highlights ? null : new Highlight();
if (highlight) CSS.highlights.set("drafted", highlight);

export const can_tint = highlight !== null;

// The part of spans (start, end, ...) inside [start, end), relative to start.
export function cut(spans: number[] | undefined, start: number, end: number): number[] {
  const part: number[] = [];
  if (!spans) return part;
  let low = 0; // the first pair that ends after start
  for (let high = spans.length / 2; low < high; ) {
    const middle = (low + high) >> 1;
    if (spans[2 * middle + 1]! > start) high = middle;
    else low = middle + 1;
  }
  for (let i = 2 * low; i + 1 < spans.length && spans[i]! < end; i += 2) {
    const from = Math.max(spans[i]!, start);
    const to = Math.min(spans[i + 1]!, end);
    part.push(from - start, to - start);
  }
  return part;
}

// Line ends that the renderer puts between its elements are not in the source.
function is_layout(node: Text): boolean {
  return node.data === "" || (/^\s*\n\s*$/.test(node.data) && !node.parentElement?.closest("pre"));
}

// Returns what takes the tint away again.
export function tint(root: HTMLElement, source: string, spans: number[]): () => void {
  if (!highlight || spans.length === 0) return () => {};
  const nodes: Text[] = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode as Text;
    if (!is_layout(node) && !node.parentElement?.closest(".code-head")) nodes.push(node);
  }
  const drafted = new Uint8Array(source.length);
  for (let i = 0; i + 1 < spans.length; i += 2) drafted.fill(1, spans[i], spans[i + 1]);

  const ranges: StaticRange[] = [];
  align(nodes.map((node) => node.data), source).forEach((places, index) => {
    const node = nodes[index]!;
    const add = (start: number, end: number) => ranges.push(new StaticRange({ startContainer: node, startOffset: start, endContainer: node, endOffset: end }));
    let from = -1;
    for (let i = 0; i <= places.length; ++i) {
      const place = places[i];
      const on = place !== undefined && place >= 0 && drafted[place] === 1;
      if (on && from < 0) from = i;
      if (!on && from >= 0) {
        // Words and the spaces between them; no indents and line ends.
        for (const words of node.data.slice(from, i).matchAll(/\S+(?:[^\S\n]+\S+)*/g)) add(from + words.index, from + words.index + words[0].length);
        from = -1;
      }
    }
  });
  for (const range of ranges) highlight.add(range);
  return () => {
    for (const range of ranges) highlight.delete(range);
  };
}
