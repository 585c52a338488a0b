"""A `nextn serve` for tests: started on a free port, asked, told to end."""
import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

NEXTN = os.environ.get("NEXTN", "nextn")
MODELS = Path(os.environ.get("NEXTN_TEST_MODELS", "."))
MIXED = str(MODELS / "tiny-mixed-q8_0.gguf")
CACHE = tempfile.TemporaryDirectory(prefix="nextn-cache-")  # instead of the user's
ENVIRONMENT = {**os.environ, "XDG_CACHE_HOME": CACHE.name}


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def events(self):
        """The JSON of each server-sent event, less the one that says that it is over."""
        data = [line[6:] for line in self.body.decode().split("\n") if line.startswith("data: ")]
        return [json.loads(text) for text in data if text != "[DONE]"]


class Server:
    def __init__(self, *args, model=MIXED, tls=None):
        command = [NEXTN, "serve", "--port", "0", "--log-format", "json", *(["-m", model] if model else []), *map(str, args)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, env=ENVIRONMENT)
        self.tls, self.log = tls, []
        self.ready = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if not self.ready.wait(300) or not self.log or self.log[-1].get("event") == "failed":
            raise AssertionError(f"the server did not start: {self.log}")
        loading = next(line for line in self.log if line["event"] == "loading")
        self.port = int(re.search(r":(\d+)$", loading["address"])[1])

    def _read(self):
        for raw in self.process.stderr:
            try:
                line = json.loads(raw)
            except ValueError:
                line = {"event": "failed", "text": raw.decode(errors="replace")}
            self.log.append(line)
            if line["event"] in ("ready", "failed"):
                self.ready.set()
        self.ready.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.end()
        self.process.stderr.close()

    def end(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        status = self.process.wait(300)
        self.reader.join(10)
        return status

    def connect(self, timeout=300):
        if self.tls:
            return http.client.HTTPSConnection("localhost", self.port, timeout=timeout, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method, path, body=None, headers=None, connection=None):
        c = connection or self.connect()
        data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
        c.request(method, path, data, headers or {})
        response = c.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        if connection is None:
            c.close()
        return answer

    def post(self, path, body, **options):
        return self.ask("POST", path, body, **options)

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def text(self, **body):
        answer = self.post("/v1/completions", body)
        assert answer.status == 200, answer.body
        return answer.json["choices"][0]["text"]

    def busy(self):
        return sum(slot["is_processing"] for slot in self.get("/slots").json)

    def wait(self, what, seconds=300):
        end = time.monotonic() + seconds
        while not what():
            if time.monotonic() > end:
                raise AssertionError("it did not happen")
            time.sleep(0.02)


def run_alone(prompt, *args, model=MIXED):
    """What `nextn run` writes."""
    command = [NEXTN, "run", *(["-m", model] if model else []), "-p", prompt, "--json", *map(str, args)]
    return json.loads(subprocess.run(command, capture_output=True, env=ENVIRONMENT, timeout=600, check=True).stdout)
