// Finds where the text of rendered Markdown stands in its source.
//
// Rendering drops marks and keeps the order of what it shows, so each piece of text is looked for after the one
// before it. What is in the source and never shown (addresses of links, the language of a code block, list marks) is
// blanked first, or a full stop after a link would be found inside its address.

const kUnshown = [
  /\]\([^)\n]*\)/g, // address of a link
  /^[ \t]*(`{3,}|~{3,}).*$/gm, // fence and language
  /^[ \t>]*([-*+]|\d+[.)])[ \t]/gm, // list mark
  /^[ \t]*\|?[ \t]*:?-{2,}[-| :\t]*$/gm, // rule of a table, underline of a heading
];
const kReach = 80; // how far a single character is looked for

// For every character of every text its place in source, or -1.
export function align(texts: string[], source: string): number[][] {
  let shown = source;
  for (const pattern of kUnshown) shown = shown.replace(pattern, (unshown) => "\0".repeat(unshown.length));
  let at = 0;
  return texts.map((text) => {
    const whole = shown.indexOf(text, at);
    if (whole >= 0) {
      at = whole + text.length;
      return Array.from({ length: text.length }, (_, i) => whole + i);
    }
    return Array.from({ length: text.length }, (_, i) => {
      const place = shown.indexOf(text[i]!, at);
      if (place < 0 || place - at > kReach) return -1;
      at = place + 1;
      return place;
    });
  });
}
