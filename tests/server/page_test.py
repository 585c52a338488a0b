#!/usr/bin/env python3
"""The page of `nextn serve` in a browser, with a model behind it: web/test/page_test.py against a server started here.

    NEXTN=build/release/nextn NEXTN_TEST_MODELS=build/release/tests/models python3 tests/server/page_test.py [TEST..]

Needs Playwright and Debian's chromium. One thread and a long context: answers last long enough to be stopped."""
import subprocess
import sys
from pathlib import Path

from serving import Server

# What depends on a server; the others are as good against the mock.
TESTS = ["policy", "send_and_stream", "stop", "regenerate_and_undo", "history_is_sent", "reload_keeps_conversations",
         "closed_while_answering"]
PAGE_TEST = Path(__file__).resolve().parents[2] / "web" / "test" / "page_test.py"

with Server("-t", 1, "-c", 16384) as server:
    sys.exit(subprocess.run([sys.executable, PAGE_TEST, "--base", f"http://127.0.0.1:{server.port}", *(sys.argv[1:] or TESTS)]).returncode)
