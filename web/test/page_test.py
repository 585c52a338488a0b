"""Tests the page in Chromium: against the mock server, or with --base against any server that shows it.

    python3 web/test/page_test.py [--base URL] [--shots DIR] [--chromium FILE] [NAME ...]

Every test gets a fresh browser profile, and fails as well if the page asked another origin for anything, broke its
content security policy or threw an error. Tests that need the mock's texts are left out with --base.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

HERE = Path(__file__).resolve().parent
POLICY = {
    "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self' data:", "connect-src": "'self'",
    "font-src": "'self'", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
}
CHAT = "**/v1/chat/completions"
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}

tests = {}
mock_only = set()


def test(function):
    tests[function.__name__] = function
    return function


def with_mock(function):
    mock_only.add(function.__name__)
    return test(function)


# -- what a reader does ---------------------------------------------------------------------------------------------

def question(page):
    return page.locator("#question")


def say(page, text):
    question(page).fill(text)
    question(page).press("Enter")


def wait_answer(page):
    expect(page.get_by_role("button", name="Send")).to_be_visible(timeout=120_000)


def ask(page, text):
    say(page, text)
    wait_answer(page)


def answers(page):
    return page.locator("article.answer")


def sent(page):
    """The bodies of all chat requests from now on."""
    bodies = []
    page.on("request", lambda r: bodies.append(r.post_data_json) if r.url.endswith("/v1/chat/completions") else None)
    return bodies


def sse(*chunks):
    return "".join(f"data: {json.dumps(c)}\n\n" for c in chunks) + "data: [DONE]\n\n"


def reply(page, text):
    """Lets the next chat request be answered with text, whatever the server."""
    body = sse({"choices": [{"delta": {"content": text}, "finish_reason": None}]}, {"choices": [{"delta": {}, "finish_reason": "stop"}]})
    page.route(CHAT, lambda route: route.fulfill(status=200, content_type="text/event-stream", body=body), times=1)


def fail(page, status, message, headers=None):
    body = json.dumps({"error": {"message": message, "type": "server_error", "param": None, "code": status}})
    page.route(CHAT, lambda route: route.fulfill(status=status, content_type="application/json", headers=headers or {}, body=body), times=1)


def open_settings(page):
    page.get_by_role("button", name="Settings", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def no_sideways_scroll(page):
    page.wait_for_timeout(100)
    wide = page.evaluate("""() => [...document.querySelectorAll('html, body, .page, main, .scroll')]
        .filter(e => e.scrollWidth > Math.ceil(e.getBoundingClientRect().width) + 1).map(e => e.className || e.tagName)""")
    assert wide == [], f"scrolls sideways: {wide}"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# -- tests ----------------------------------------------------------------------------------------------------------

@test
def policy(page, base):
    header = page.request.get(base).headers.get("content-security-policy", "")
    found = dict(part.strip().split(" ", 1) for part in header.split(";") if part.strip())
    assert found == POLICY, header


@test
def explains_itself_when_empty(page, base):
    expect(page.locator(".empty h1")).to_be_visible()
    expect(page.locator(".empty p")).to_contain_text("conversations stay in this browser")
    expect(question(page)).to_be_focused()


@test
def send_and_stream(page, base):
    bodies = sent(page)
    say(page, "Why is the sky blue? A slow and long answer, please.")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    live = answers(page).last
    expect(live.locator(".prose").first).not_to_be_empty(timeout=60_000)
    lengths = set()
    for _ in range(15):
        lengths.add(len(live.inner_text()))
        page.wait_for_timeout(100)
    if page.get_by_role("button", name="Stop").is_visible():
        page.keyboard.press("Escape")
    wait_answer(page)
    assert len(lengths) > 2, f"the answer did not grow: {lengths}"
    body = bodies[0]
    assert body["stream"] is True and body["timings_per_token"] is True and body["stream_options"] == {"include_usage": True}
    assert body["messages"] == [{"role": "user", "content": "Why is the sky blue? A slow and long answer, please."}]
    assert body["chat_template_kwargs"] == {"enable_thinking": True} and body["speculative"] == {"enabled": True}
    assert "temperature" not in body and "seed" not in body
    expect(question(page)).to_be_focused()
    expect(question(page)).to_have_value("")


@test
def stop(page, base):
    say(page, "Tell a very long and slow story.")
    expect(answers(page).last.locator(".prose").first).not_to_be_empty(timeout=60_000)
    page.get_by_role("button", name="Stop").click(timeout=2000)
    wait_answer(page)
    expect(answers(page).last.locator(".remark").last).to_have_text("Stopped.")
    before = answers(page).last.inner_text()
    page.wait_for_timeout(400)
    assert answers(page).last.inner_text() == before


@test
def regenerate_and_undo(page, base):
    reply(page, "First answer.")
    ask(page, "One question")
    reply(page, "Second answer.")
    page.get_by_role("button", name="Regenerate").click()
    expect(answers(page)).to_have_count(1)
    expect(answers(page).last).to_contain_text("Second answer.")
    page.get_by_role("button", name="Undo").click()
    expect(answers(page).last).to_contain_text("First answer.")
    expect(answers(page)).to_have_count(1)


@test
def edit_truncates_and_sends(page, base):
    for n in (1, 2):
        reply(page, f"Answer {n}.")
        ask(page, f"Question {n}")
    bodies = sent(page)
    reply(page, "Answer to the edit.")
    first = page.locator("article.question").first
    first.hover()
    first.get_by_role("button", name="Edit").click()
    box = page.get_by_label("Edit your message")
    expect(box).to_be_focused()
    expect(box).to_have_value("Question 1")
    box.fill("Question 1, better")
    box.press("Enter")
    expect(answers(page)).to_have_count(1)
    expect(answers(page)).to_contain_text("Answer to the edit.")
    assert bodies[-1]["messages"] == [{"role": "user", "content": "Question 1, better"}]


@test
def edit_can_be_left(page, base):
    reply(page, "Answer.")
    ask(page, "Question")
    question(page).press("ArrowUp")
    page.get_by_label("Edit your message").fill("something else")
    page.keyboard.press("Escape")
    expect(page.locator(".asked")).to_have_text("Question")
    expect(question(page)).to_be_focused()


@test
def history_is_sent(page, base):
    reply(page, "Answer 1.")
    ask(page, "Question 1")
    bodies = sent(page)
    reply(page, "Answer 2.")
    ask(page, "Question 2")
    assert [m["content"] for m in bodies[0]["messages"]] == ["Question 1", "Answer 1.", "Question 2"]


@test
def delete_message_and_undo(page, base):
    reply(page, "Answer.")
    ask(page, "Question")
    answers(page).last.get_by_role("button", name="Delete").click()
    expect(answers(page)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(answers(page)).to_have_count(1)


@test
def reload_keeps_conversations(page, base):
    reply(page, "Answer A.")
    ask(page, "Conversation A")
    page.get_by_role("button", name="New conversation").click()
    reply(page, "Answer B.")
    ask(page, "Conversation B")
    question(page).fill("half a thou")
    page.wait_for_timeout(300)
    page.reload()
    expect(answers(page).last).to_contain_text("Answer B.")
    expect(question(page)).to_have_value("half a thou")
    page.locator(".conversations .open", has_text="Conversation A").click()
    expect(answers(page).last).to_contain_text("Answer A.")
    expect(question(page)).to_have_value("")


@test
def rename_export_delete(page, base):
    reply(page, "Answer.")
    ask(page, "Old name")
    item = page.locator(".conversations li").first
    item.hover()
    item.get_by_role("button", name="Rename").click()
    page.get_by_label("Name of the conversation").fill("New name")
    page.keyboard.press("Enter")
    expect(item.locator(".title")).to_have_text("New name")
    item.hover()
    with page.expect_download() as download:
        item.get_by_role("button", name="Export").click()
    assert download.value.suggested_filename == "new-name.json"
    exported = json.loads(Path(download.value.path()).read_text())
    assert exported["title"] == "New name" and [m["content"] for m in exported["messages"]] == ["Old name", "Answer."]
    item.get_by_role("button", name="Delete").click()
    expect(page.locator(".conversations li")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".conversations .title")).to_have_text("New name")
    item.hover()
    item.get_by_role("button", name="Delete").click()
    page.wait_for_timeout(200)
    page.reload()
    expect(page.locator(".empty")).to_be_visible()


@test
def errors_are_shown_and_retried(page, base):
    cases = [
        (400, "The prompt is too long.", {}, "did not accept"),
        (429, "Too many requests.", {"Retry-After": "3"}, "busy"),
        (503, "Loading model", {}, "not ready"),
        (500, "Out of memory.", {}, "failed"),
    ]
    for status, message, headers, words in cases:
        page.get_by_role("button", name="New conversation").click()
        fail(page, status, message, headers)
        ask(page, f"Question for {status}")
        box = page.get_by_role("alert")
        expect(box).to_contain_text(words)
        expect(box).to_contain_text(message)
        if status == 429:
            expect(box).to_contain_text("s of patience")
            page.wait_for_timeout(3500)
            expect(box).not_to_contain_text("patience")
        expect(page.locator(".asked").last).to_have_text(f"Question for {status}")
        reply(page, f"Answer after {status}.")
        page.get_by_role("button", name="Retry").click()
        expect(answers(page).last).to_contain_text(f"Answer after {status}.")
        expect(page.get_by_role("alert")).to_have_count(0)


@test
def server_gone(page, base):
    page.route(CHAT, lambda route: route.abort("connectionrefused"), times=1)
    ask(page, "Is anybody there?")
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    reply(page, "Yes.")
    page.get_by_role("button", name="Retry").click()
    expect(answers(page).last).to_contain_text("Yes.")


@with_mock
def error_in_stream_and_cut(page, base):
    for text, words in (("error in stream", "Out of memory while decoding."), ("cut", "ended before the answer did")):
        ask(page, text)
        expect(page.get_by_role("alert")).to_contain_text(words)
        expect(answers(page).last.locator(".prose")).not_to_be_empty()
        page.get_by_role("button", name="Retry").click()
        wait_answer(page)
        expect(page.get_by_role("alert")).to_have_count(0)


@test
def closed_while_answering(page, base):
    say(page, "A long and slow answer, please.")
    expect(answers(page).last.locator(".prose").first).not_to_be_empty(timeout=60_000)
    page.wait_for_timeout(1500)
    if not page.get_by_role("button", name="Stop").is_visible():
        return  # too fast a server
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("was closed")
    expect(answers(page).last.locator(".prose")).not_to_be_empty()


@test
def key_is_asked_for(page, base):
    fail(page, 401, "Invalid API key")
    ask(page, "Who am I?")
    expect(page.get_by_role("alert")).to_contain_text("API key")
    page.get_by_role("button", name="Enter the key").click()
    page.get_by_label("API key").fill("secret")
    page.keyboard.press("Escape")
    headers = []
    page.on("request", lambda r: headers.append(r.headers.get("authorization")) if r.url.endswith("completions") else None)
    reply(page, "Somebody.")
    page.get_by_role("button", name="Retry").click()
    expect(answers(page).last).to_contain_text("Somebody.")
    assert headers == ["Bearer secret"]
    assert page.evaluate("JSON.stringify(localStorage).includes('secret')") is False
    assert page.evaluate("sessionStorage.getItem('nextn.key')") == "secret"


HOSTILE = """Before <img src=x onerror="window.hacked=1"> and <script>window.hacked=2</script> after.

[click](javascript:window.hacked=3) [data](data:text/html,<script>1</script>) [tab](java&#9;script:window.hacked=3) <a href="javascript:window.hacked=4" onclick="window.hacked=5">raw</a>

![pixel](https://elsewhere.invalid/pixel.png?secret)

<style>body{display:none}</style><iframe src="https://elsewhere.invalid/"></iframe><div style="position:fixed">styled</div>

| a | b |
|---|---|
| <svg/onload=window.hacked=6> | <br> two |

```html"><img src=y onerror=window.hacked=7>
<b onmouseover="window.hacked=8">x</b>
```

[x]: javascript:window.hacked=9
[good](https://example.org/ "a \\"title\\" onclick=1") [x]
"""


@test
def markdown_is_sanitised(page, base):
    reply(page, HOSTILE)
    ask(page, "Show me something hostile")
    prose = answers(page).last.locator(".prose")
    expect(prose).to_contain_text("Before <img src=x")
    for selector in ("img", "script", "style", "iframe", "svg", "[style]", "[onerror]", "[onclick]", "[onmouseover]", "[onload]"):
        assert prose.locator(selector).count() == 0, selector
    links = prose.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert links == ["https://elsewhere.invalid/pixel.png?secret", "https://example.org/"], links
    assert prose.locator("a").last.get_attribute("rel") == "noopener noreferrer"
    for word in ("click", "data", "raw", "x"):
        prose.get_by_text(word, exact=False).first.click(trial=True)
    prose.get_by_text("click", exact=False).first.click()
    page.wait_for_timeout(200)
    assert page.evaluate("window.hacked") is None


@test
def markdown_is_rendered(page, base):
    reply(page, "# Title\n\n**bold** and `code`\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n\n- [x] done\n\n```python\nprint('hi')\n```\n")
    ask(page, "Markdown, please")
    prose = answers(page).last.locator(".prose")
    expect(prose.locator("h1")).to_have_text("Title")
    expect(prose.locator("strong")).to_have_text("bold")
    expect(prose.locator("td").last).to_have_attribute("align", "right")
    expect(prose.locator("pre .hljs-string")).to_have_text("'hi'")
    prose.get_by_role("button", name="Copy").click()
    expect(prose.locator("button.copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "print('hi')"


@test
def reasoning_folds(page, base):
    body = sse({"choices": [{"delta": {"reasoning_content": "Let me see."}}]}, {"choices": [{"delta": {"content": "Four."}}]},
               {"choices": [{"delta": {}, "finish_reason": "stop"}]})
    page.route(CHAT, lambda route: route.fulfill(status=200, content_type="text/event-stream", body=body), times=1)
    ask(page, "2 + 2?")
    fold = page.locator(".fold")
    expect(fold).to_have_attribute("aria-expanded", "false")
    fold.click()
    expect(page.locator(".reasoning .prose")).to_have_text("Let me see.")
    fold.click()
    expect(page.locator(".reasoning .prose")).to_have_count(0)


@test
def tint_follows_the_source(page, base):
    pieces = [("Some ", 0), ("**bo", 1), ("ld** text", 0), (" with [a li", 1), ("nk](https://example.org/a.b)", 1), (".", 0), ("\n\n- it", 0), ("em <one>", 1),
              ("\n- two\n\n```py\n", 0), ("x = 1", 1), (" < 2\n```\n", 0), ("\n```y\n", 1), ("y\n```\n", 0)]
    body = sse(*({"choices": [{"delta": {"content": t}, "nextn": {"drafted": bool(d)}}]} for t, d in pieces), {"choices": [{"delta": {}, "finish_reason": "stop"}]})
    page.route(CHAT, lambda route: route.fulfill(status=200, content_type="text/event-stream", body=body), times=1)
    ask(page, "Drafts?")
    expect(answers(page).last).to_contain_text("x = 1")
    read = "() => { const runs = []; for (const r of CSS.highlights.get('drafted')) runs.push(r.startContainer.data.slice(r.startOffset, r.endOffset)); return runs.join('|'); }"
    found = page.evaluate(read)
    assert found == "bo|with|a link|em <one>|x =|1", found
    page.get_by_label("Tint accepted drafts").uncheck()
    assert page.evaluate(read) == ""
    page.get_by_label("Tint accepted drafts").check()
    assert page.evaluate(read) == found


@test
def meter_shows_the_numbers(page, base):
    timings = {"prompt_n": 12, "prompt_ms": 40, "prompt_per_second": 300, "predicted_n": 40, "predicted_ms": 1600, "predicted_per_second": 25, "draft_n": 30,
               "draft_n_accepted": 24, "drafted_per_position": [15, 10, 5], "accepted_per_position": [14, 8, 2], "cycles": 16, "draft_ms": 300, "verify_ms": 1200}
    half = dict(timings, predicted_n=20, predicted_ms=800, draft_n=15, draft_n_accepted=12)
    body = sse({"choices": [{"delta": {"content": "One "}, "nextn": {"drafted": True}}], "timings": half}, {"choices": [{"delta": {"content": "two."}}], "timings": timings},
               {"choices": [{"delta": {}, "finish_reason": "length"}]}, {"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 40}, "timings": timings})
    page.route(CHAT, lambda route: route.fulfill(status=200, content_type="text/event-stream", body=body), times=1)
    ask(page, "Numbers?")
    meter = page.locator("#meter")
    expect(meter.locator(".figures")).to_contain_text("25.0 tokens per second")
    expect(meter.locator(".figures")).to_contain_text("80 % of drafts accepted")
    expect(meter.locator(".positions tr")).to_have_text(["193 %", "280 %", "340 %"])
    expect(meter).to_contain_text("2.50 tokens")
    expect(meter).to_contain_text("52")
    expect(meter.locator("canvas")).to_be_visible()
    expect(page.locator(".pill")).to_contain_text("25.0 tok/s · 80 %")
    expect(answers(page).last).to_contain_text("limit of tokens")
    page.get_by_role("button", name="Close the panel").click()
    expect(meter).to_have_count(0)
    page.reload()
    expect(answers(page)).to_have_count(1)
    expect(meter).to_have_count(0)


@test
def live_numbers(page, base):
    ask(page, "Tell me something short.")
    expect(page.locator(".pill")).to_contain_text("tok/s")
    expect(answers(page).last.locator(".numbers")).to_contain_text("tok/s")


@test
def settings_are_sent_and_kept(page, base):
    open_settings(page)
    for label, value in (("Temperature", "0.3"), ("Top p", "0.9"), ("Top k", "12"), ("Max tokens", "9"), ("Seed", "77")):
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("Think before answering").uncheck()
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_role("button", name="Draft", exact=True).click()
    page.reload()
    bodies = sent(page)
    reply(page, "Yes.")
    ask(page, "Settings?")
    body = bodies[0]
    assert {k: body.get(k) for k in ("temperature", "top_p", "top_k", "max_tokens", "seed")} == {"temperature": 0.3, "top_p": 0.9, "top_k": 12, "max_tokens": 9, "seed": 77}, body
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert body["chat_template_kwargs"] == {"enable_thinking": False} and body["speculative"] == {"enabled": False}
    open_settings(page)
    page.get_by_role("button", name="Reset").click()
    expect(page.get_by_label("Seed")).to_have_value("")


@test
def dark_and_light(page, base):
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(paper)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(paper)
    assert light != dark, light
    open_settings(page)
    page.get_by_text("Light", exact=True).click()
    assert page.evaluate(paper) == light
    page.reload()
    expect(question(page)).to_be_visible()
    assert page.evaluate(paper) == light
    page.emulate_media(color_scheme="light")
    open_settings(page)
    page.get_by_text("Dark", exact=True).click()
    assert page.evaluate(paper) == dark


@test
def contrast(page, base):
    script = """() => {
      const probe = document.createElement('i'); document.querySelector('.page').append(probe);
      const light = (name) => { probe.style.color = `var(--${name})`; const [r, g, b] = getComputedStyle(probe).color.match(/[\\d.]+/g).map(c => c / 255)
        .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const ratio = (a, b) => { const [x, y] = [light(a), light(b)]; return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05); };
      return [['ink','paper'],['ink','tint'],['muted','paper'],['muted','raised'],['green','paper'],['red','red-wash'],['amber','raised']].map(([a, b]) => [a, b, ratio(a, b)]);
    }"""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for ink, paper, ratio in page.evaluate(script):
            assert ratio >= 4.5, (scheme, ink, paper, ratio)


@test
def phone(page, base):
    page.set_viewport_size(PHONE)
    no_sideways_scroll(page)
    reply(page, "# A heading\n\n" + "word" * 60 + "\n\n| a | b | c | d |\n|--|--|--|--|\n| " + " | ".join(["a wide cell of a table"] * 4) + " |\n\n```c\n" + "int x; " * 40 + "\n```\n\nhttps://example.org/" + "a" * 120)
    ask(page, "A question for the phone, with averyveryveryveryveryveryveryveryveryveryverylongwordinit")
    no_sideways_scroll(page)
    page.get_by_role("button", name="Conversations").click()
    no_sideways_scroll(page)
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".sidebar")).to_have_count(0)
    page.locator(".pill").click()
    expect(page.locator("#meter")).to_be_visible()
    no_sideways_scroll(page)
    page.keyboard.press("Escape")
    expect(page.locator("#meter")).to_have_count(0)
    open_settings(page)
    no_sideways_scroll(page)


@test
def keyboard_only(page, base):
    keys = page.keyboard
    expect(question(page)).to_be_focused()
    keys.type("first line")
    keys.press("Shift+Enter")
    keys.type("second line, slow and long")
    expect(question(page)).to_have_value("first line\nsecond line, slow and long")
    keys.press("Enter")
    expect(page.locator(".asked")).to_have_text("first line\nsecond line, slow and long")
    expect(answers(page).last.locator(".prose").first).not_to_be_empty(timeout=60_000)
    keys.press("Escape")
    wait_answer(page)
    seen = set()
    for _ in range(60):
        keys.press("Tab")
        name, visible = page.evaluate("""() => { const e = document.activeElement; const s = getComputedStyle(e); const r = e.getBoundingClientRect();
            return [e.getAttribute('aria-label') || e.textContent.trim() || e.tagName, e === document.body || s.outlineStyle !== 'none' || e.tagName === 'TEXTAREA' || r.width < 2]; }""")
        seen.add(re.sub(r"“.*”", "", name).strip())
        assert visible, f"no visible focus: {name}"
    for name in ("To the message box", "New conversation", "Rename", "Export", "Delete", "Settings", "Copy", "Edit", "Regenerate", "Think", "Draft"):
        assert name in seen, (name, seen)
    page.locator("button[aria-label=Settings]").focus()
    keys.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


@test
def names_and_live_regions(page, base):
    reply(page, "Answer.")
    ask(page, "Question")
    nameless = page.evaluate("""() => [...document.querySelectorAll('button, input, textarea, a')].filter(e =>
        !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length || e.title)).map(e => e.outerHTML)""")
    assert nameless == [], nameless
    expect(page.locator("[role=log][aria-live=polite]")).to_have_count(1)
    expect(page.locator(".unseen[role=status]")).to_have_text("The answer is complete.")


@test
def two_tabs(page, base):
    other = page.context.new_page()
    other.goto(base)
    expect(question(other)).to_be_visible()
    reply(page, "Answer.")
    ask(page, "Seen in both")
    expect(other.locator(".conversations .title")).to_have_text("Seen in both")


@with_mock
def long_answer_stays_quick(page, base):
    page.evaluate("""() => { window.slow = 0; new PerformanceObserver(l => { for (const e of l.getEntries()) window.slow = Math.max(window.slow, e.duration); }).observe({type: 'longtask'}); }""")
    say(page, "A long and fast answer")
    wait_answer(page)
    expect(answers(page).last.locator("li")).to_have_count(40)
    slow = page.evaluate("window.slow")
    assert slow < 400, f"the page was busy for {slow:.0f} ms at once"


@with_mock
def screenshots(page, base):
    if not shots:
        return
    shots.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=shots / "empty.png")
    say(page, "Can you think, and show some markdown about reading files?")
    expect(answers(page).last.locator("pre")).to_be_visible(timeout=20_000)
    page.wait_for_timeout(700)
    page.screenshot(path=shots / "streaming.png")
    wait_answer(page)
    page.wait_for_timeout(300)
    page.locator(".scroll").evaluate("e => e.scrollTop = 0")
    page.screenshot(path=shots / "light.png")
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(200)
    page.screenshot(path=shots / "dark.png")
    open_settings(page)
    page.screenshot(path=shots / "settings.png")
    page.keyboard.press("Escape")
    fail(page, 429, "Too many requests are waiting.", {"Retry-After": "8"})
    ask(page, "And once more?")
    page.screenshot(path=shots / "error.png")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    page.locator(".scroll").evaluate("e => e.scrollTop = 0")
    page.wait_for_timeout(200)
    page.screenshot(path=shots / "phone.png")
    page.locator(".pill").click()
    page.wait_for_timeout(200)
    page.screenshot(path=shots / "phone_speed.png")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Conversations").click()
    page.wait_for_timeout(200)
    page.screenshot(path=shots / "phone_list.png")


# -- running --------------------------------------------------------------------------------------------------------

def run(browser, base, name):
    origin = re.match(r"https?://[^/]+", base).group(0)
    context = browser.new_context(viewport=WIDE, permissions=["clipboard-read", "clipboard-write"], color_scheme="light")
    context.set_default_timeout(10_000)
    complaints = []

    def watch(page: Page):
        page.on("console", lambda m: complaints.append(f"console: {m.text}") if re.search("Content Security|violates|Refused to", m.text) else None)
        page.on("pageerror", lambda e: complaints.append(f"error: {e}"))

    context.on("page", watch)
    context.on("request", lambda r: complaints.append(f"request: {r.url}") if not r.url.startswith((origin, "data:", "blob:")) else None)
    context.add_init_script("addEventListener('securitypolicyviolation', e => console.log('violates ' + e.violatedDirective + ' ' + e.blockedURI))")
    page = context.new_page()
    try:
        page.goto(base)
        expect(question(page)).to_be_visible()
        tests[name](page, base)
        page.wait_for_timeout(50)
        assert complaints == [], complaints
    except Exception:
        if shots:
            shots.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=shots / f"failed_{name}.png")
        raise
    finally:
        context.close()


def main():
    global shots
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", help="a running server; default: the mock server")
    parser.add_argument("--shots", type=Path, help="folder for screenshots")
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM", "/usr/bin/chromium"))
    parser.add_argument("names", nargs="*", help="tests to run; default: all")
    arguments = parser.parse_args()
    shots = arguments.shots
    names = arguments.names or [name for name in tests if not (arguments.base and name in mock_only)]

    mock = None
    base = arguments.base
    if not base:
        mock = subprocess.Popen(["node", HERE / "mock_server.mjs", "--port", "0"], stdout=subprocess.PIPE, text=True)
        base = mock.stdout.readline().strip()
    base = base.rstrip("/") + "/"

    failed = []
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=arguments.chromium, args=["--no-sandbox"])
            for name in names:
                start = time.monotonic()
                try:
                    run(browser, base, name)
                    print(f"ok    {name} ({time.monotonic() - start:.1f} s)", flush=True)
                except Exception as error:
                    failed.append(name)
                    print(f"FAIL  {name}: {str(error)[:1500]}", flush=True)
                    if not isinstance(error, AssertionError):
                        traceback.print_exc(limit=-3)
            browser.close()
    finally:
        if mock:
            mock.terminate()
    print(f"{len(names) - len(failed)} of {len(names)} passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
