// Markdown to safe HTML, block by block: while an answer grows only its last block is made anew.
//
// HTML in the text is shown as text. What comes out of marked goes through DOMPurify with a short list of tags and
// attributes all the same. Pictures are never loaded, because an address could carry the conversation away: they
// become links.
import DOMPurify from "dompurify";
import { Marked, type Token } from "marked";
import { highlighted } from "./highlight";

export interface Block {
  raw: string;
  start: number; // of raw in the text
  html: string;
}

const kTags =
  "p br hr em strong del code pre span div button a ul ol li input blockquote h1 h2 h3 h4 h5 h6 table thead tbody tr th td sub sup kbd";
const kAttributes = "href title target rel class align start type checked disabled";

const kHtmlAllowed = /^<\/?(br|sub|sup|kbd)\s*\/?>$/i;
const kAddress = /^(https?:|mailto:)/i;

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

function link(href: string, title: string | null | undefined, inner: string): string {
  if (!kAddress.test(href.trim())) return inner;
  const hint = title ? ` title="${escape(title)}"` : "";
  return `<a href="${escape(href)}"${hint} target="_blank" rel="noopener noreferrer">${inner}</a>`;
}

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html({ text }) {
      return kHtmlAllowed.test(text.trim()) ? text : escape(text);
    },
    link({ href, title, tokens }) {
      return link(href, title, this.parser.parseInline(tokens));
    },
    image({ href, title, text }) {
      return link(href, title, `${escape(text || "picture")} (picture)`);
    },
    table(token) {
      const row = (cells: typeof token.header, tag: string): string =>
        `<tr>${cells.map((cell) => `<${tag}${cell.align ? ` align="${cell.align}"` : ""}>${this.parser.parseInline(cell.tokens)}</${tag}>`).join("")}</tr>`;
      const body = token.rows.map((cells) => row(cells, "td")).join("");
      return `<div class="table"><table><thead>${row(token.header, "th")}</thead><tbody>${body}</tbody></table></div>`;
    },
    code({ text, lang }) {
      const language = /^[\w+#.-]+/.exec(lang ?? "")?.[0] ?? "";
      const body = highlighted(text, language.toLowerCase()) ?? escape(text);
      return (
        `<div class="code"><div class="code-head"><span>${escape(language)}</span>` +
        `<button type="button" class="quiet copy">Copy</button></div><pre><code>${body}</code></pre></div>`
      );
    },
  },
});

function clean(html: string): string {
  return DOMPurify.sanitize(html, {
    ALLOWED_TAGS: kTags.split(" "),
    ALLOWED_ATTR: kAttributes.split(" "),
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: kAddress,
    ADD_URI_SAFE_ATTR: ["target", "rel", "align", "start", "type", "checked", "disabled"], // else held against the above
  });
}

const kCacheSize = 3000;
const cache = new Map<string, string>();

function html_of(token: Token, links: string): string {
  const key = links + token.raw;
  let html = cache.get(key);
  if (html === undefined) {
    html = clean(marked.parser([token]));
    if (cache.size >= kCacheSize) cache.clear();
    cache.set(key, html);
  }
  return html;
}

export function blocks(text: string): Block[] {
  const tokens = marked.lexer(text);
  const links = Object.keys(tokens.links).length > 0 ? JSON.stringify(tokens.links) : "";
  const made: Block[] = [];
  let start = 0;
  for (const token of tokens) {
    if (token.type !== "space" && token.type !== "def") made.push({ raw: token.raw, start, html: html_of(token, links) });
    start += token.raw.length;
  }
  return made;
}
