#!/usr/bin/env python3
"""Checks what the folders of src/ include against the layer table below.

usage: check_layers.py [--selftest] [SRC]

SRC is the src/ folder, by default the one beside tools/. Prints one line for each include that should not be there and
exits 1, or the number of files checked and exits 0. --selftest tries the checks on made-up sources.

Besides the table: intrinsics only in the kernel folders that get instruction-set flags, sockets only in app/, nobody
includes app/, and an include names its folder, so that nothing slips by. Tests (*_test.cc, *_of_test.h) may include any folder but
app/ (those of app/ that too)."""

import re
import sys
import tempfile
from pathlib import Path

# What a folder may include besides itself: folders, or single headers with their path.
LAYERS = {
    "base": [],
    "tensor": ["base"],
    "quant": ["base", "tensor"],
    "gguf": ["base", "tensor"],
    "kernels": ["base", "tensor", "quant"],
    "ops": ["base", "tensor", "quant", "kernels"],
    "state": ["base", "tensor"],
    "model": ["base", "tensor", "quant", "gguf", "ops", "state"],
    "text": ["base"],
    "grammar": ["base"],
    "sampling": ["base"],
    "draft": ["base", "tensor", "model", "sampling", "state", "ops"],
    "engine": ["base", "tensor", "quant", "gguf", "kernels", "ops", "state", "model", "text", "grammar", "sampling",
               "draft"],
    "api": ["base", "text", "grammar", "engine/engine.h", "engine/session.h"],
    "app": ["base", "tensor", "quant", "gguf", "kernels", "ops", "state", "model", "text", "grammar", "sampling", "draft",
            "engine", "api"],
}

INTRINSICS = re.compile(r"(\w*mmintrin|x86intrin|x86gprintrin|avx\w*intrin|fmaintrin|f16cintrin|arm_\w+)\.h$")
INTRINSICS_ALLOWED = ("kernels/avx2/", "kernels/avx512/", "base/thread_pool.cc")  # the last for _mm_pause

SOCKETS = re.compile(r"(sys/socket\.h|sys/un\.h|netinet/.*|arpa/inet\.h|netdb\.h|boost/(asio|beast)([/.].*))$")
SOCKETS_ALLOWED = ("app/",)

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
SUFFIXES = {".h", ".cc", ".cu", ".cuh", ".inc"}


def check_include(file, quote, header):
    """What is wrong with `file` (a path from src/) including `header`, or None."""
    folder = file.split("/")[0]
    if INTRINSICS.match(header) and not file.startswith(INTRINSICS_ALLOWED):
        return f"intrinsics ({header}) belong in kernels/avx2/ and kernels/avx512/"
    if SOCKETS.match(header) and not file.startswith(SOCKETS_ALLOWED):
        return f"sockets ({header}) belong in app/"
    target = header.split("/")[0]
    if target not in LAYERS or "/" not in header:
        if quote == '"' and ("/" not in header or header.startswith(".")):
            return f'"{header}": expected a path that starts with a folder of src/'
        return None  # the standard library, the system, a library
    if target == folder:
        return None
    if ".." in header.split("/"):
        return f'"{header}": expected a path without ..'
    if file.endswith(("_test.cc", "_of_test.h")) and target != "app":
        return None
    if target in LAYERS[folder] or header in LAYERS[folder]:
        return None
    if any(entry.startswith(target + "/") for entry in LAYERS[folder]):
        allowed = ", ".join(entry for entry in LAYERS[folder] if entry.startswith(target + "/"))
        return f"{folder}/ may not include {header}, of {target}/ only {allowed}"
    return f"{folder}/ may not include {target}/"


def check(src):
    """(number of files, lines about what is wrong) of a src/ folder."""
    n_files, wrong = 0, []
    for path in sorted(p for p in src.rglob("*") if p.suffix in SUFFIXES and p.is_file()):
        file = path.relative_to(src).as_posix()
        if "/" not in file or file.split("/")[0] not in LAYERS:
            wrong.append(f"{file}:1: expected a folder of the layer table (tools/check_layers.py)")
            continue
        n_files += 1
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if include := INCLUDE.match(line):
                if problem := check_include(file, *include.groups()):
                    wrong.append(f"{file}:{number}: {problem}")
    return n_files, wrong


# file, line, and what the checker must say after "file:1: ", or None
SELFTEST = [
    ("base/a.cc", '#include "ops/matmul.h"', "base/ may not include ops/"),
    ("base/b.cc", '  #  include "tensor/dtype.h"', "base/ may not include tensor/"),
    ("base/c.cc", '#include "base/error.h"', None),
    ("base/d.cc", "#include <vector>", None),
    ("base/e.cc", "#include <ops/matmul.h>", "base/ may not include ops/"),
    ("tensor/a.h", '#include "quant/blocks.h"', "tensor/ may not include quant/"),
    ("gguf/a.cc", '#include "quant/blocks.h"', "gguf/ may not include quant/"),
    ("kernels/scalar/a.cc", '#include "quant/blocks.h"', None),
    ("kernels/cuda/a.cu", '#include "gguf/file.h"', "kernels/ may not include gguf/"),
    ("kernels/simd/a.inc", '#include "ops/ctx.h"', "kernels/ may not include ops/"),
    ("state/a.h", '#include "kernels/kernels.h"', "state/ may not include kernels/"),
    ("model/a.cc", '#include "kernels/kernels.h"', "model/ may not include kernels/"),
    ("model/b.cc", '#include "ops/matmul.h"', None),
    ("text/tokenizer/a.cc", '#include "gguf/file.h"', "text/ may not include gguf/"),
    ("grammar/a.cc", '#include "text/tokenizer/tokenizer.h"', "grammar/ may not include text/"),
    ("sampling/a.cc", '#include "tensor/dtype.h"', "sampling/ may not include tensor/"),
    ("sampling/a_test.cc", '#include "tensor/dtype.h"', None),
    ("sampling/b_test.cc", '#include "app/run.h"', "sampling/ may not include app/"),
    ("draft/a.cc", '#include "gguf/file.h"', "draft/ may not include gguf/"),
    ("engine/a.cc", '#include "draft/drafter.h"', None),
    ("engine/b.cc", '#include "api/chat.h"', "engine/ may not include api/"),
    ("engine/c.cc", '#include "app/run.h"', "engine/ may not include app/"),
    ("api/a.cc", '#include "engine/engine.h"', None),
    ("api/b.cc", '#include "engine/scheduler.h"',
     "api/ may not include engine/scheduler.h, of engine/ only engine/engine.h, engine/session.h"),
    ("app/a.cc", '#include "api/chat.h"', None),
    ("app/b_test.cc", '#include "app/run.h"', None),
    ("kernels/avx2/a.cc", "#include <immintrin.h>", None),
    ("base/thread_pool.cc", "#include <immintrin.h>", None),
    ("base/f.cc", "#include <immintrin.h>", "intrinsics (immintrin.h) belong in kernels/avx2/ and kernels/avx512/"),
    ("ops/a_test.cc", "#include <emmintrin.h>", "intrinsics (emmintrin.h) belong in kernels/avx2/ and kernels/avx512/"),
    ("kernels/scalar/b.cc", "#include <arm_neon.h>",
     "intrinsics (arm_neon.h) belong in kernels/avx2/ and kernels/avx512/"),
    ("app/serve/a.cc", "#include <boost/beast/http.hpp>", None),
    ("api/c.cc", "#include <boost/asio.hpp>", "sockets (boost/asio.hpp) belong in app/"),
    ("engine/d.cc", "#include <sys/socket.h>", "sockets (sys/socket.h) belong in app/"),
    ("text/a.cc", "#include <netinet/in.h>", "sockets (netinet/in.h) belong in app/"),
    ("quant/a.cc", '#include "blocks.h"', '"blocks.h": expected a path that starts with a folder of src/'),
    ("quant/b.cc", '#include "../ops/a.h"', '"../ops/a.h": expected a path that starts with a folder of src/'),
    ("quant/c.cc", '#include "base/../ops/a.h"', '"base/../ops/a.h": expected a path without ..'),
    ("quant/d.cc", '// #include "ops/a.h"', None),
    ("misc/a.cc", "", "expected a folder of the layer table (tools/check_layers.py)"),
]


def selftest():
    with tempfile.TemporaryDirectory() as folder:
        src = Path(folder)
        for file, line, _ in SELFTEST:
            (src / file).parent.mkdir(parents=True, exist_ok=True)
            (src / file).write_text(line + "\n")
        _, wrong = check(src)
    expected = sorted(f"{file}:1: {message}" for file, _, message in SELFTEST if message)
    for line in sorted(set(expected) ^ set(wrong)):
        print(f"selftest: {'missing' if line in expected else 'unexpected'}: {line}")
    if sorted(wrong) != expected:
        return 1
    print(f"layers: selftest passed, {len(expected)} of {len(SELFTEST)} made-up files refused")
    return 0


def main(arguments):
    if "-h" in arguments or "--help" in arguments:
        print(__doc__)
        return 0
    if arguments == ["--selftest"]:
        return selftest()
    if len(arguments) > 1 or any(a.startswith("-") for a in arguments):
        print(__doc__, file=sys.stderr)
        return 2
    src = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent / "src"
    n_files, wrong = check(src)
    for line in wrong:
        print(line)
    if n_files == 0:
        print(f"{src}: expected a folder with sources, found none", file=sys.stderr)
        return 2
    if wrong:
        return 1
    print(f"layers: {n_files} files checked")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
