// Finds where the text of rendered Markdown stands in its source.
//
// Rendering drops marks and keeps the order of what it shows, so each piece of text is looked for after the one
// before it. What is in the source and never shown (addresses of links, the language of a code block, list marks) is
// taken out first, or a full stop after a link would be found inside its address.

const kUnshown = [
  /\]\([^)\n]*\)/g, // address of a link
  /^[ \t]*(`{3,}|~{3,}).*$/gm, // fence and language
  /^[ \t>]*([-*+]|\d+[.)])[ \t]/gm, // list mark
  /^[ \t]*\|?[ \t]*:?-{2,}[-| :\t]*$/gm, // rule of a table, underline of a heading
];
const kReach = 24; // how many shown characters may be missing between two pieces

// For every character of every text its place in source, or -1.
export function align(texts: string[], source: string): number[][] {
  let blanked = source;
  for (const pattern of kUnshown) blanked = blanked.replace(pattern, (unshown) => "\0".repeat(unshown.length));
  const places: number[] = [];
  for (let i = 0; i < blanked.length; ++i) if (blanked[i] !== "\0") places.push(i);
  const shown = places.map((place) => source[place]).join("");

  let at = 0;
  const find = (text: string): number => {
    const found = shown.indexOf(text, at);
    if (found < 0 || found - at > kReach) return -1;
    at = found + text.length;
    return found;
  };
  return texts.map((text) => {
    const whole = find(text);
    if (whole >= 0) return places.slice(whole, whole + text.length);
    return Array.from({ length: text.length }, (_, i) => {
      const found = find(text[i]!);
      return found < 0 ? -1 : places[found]!;
    });
  });
}
