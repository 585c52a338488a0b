#!/usr/bin/env python3
"""Checks that code built with instruction-set flags cannot leak out of its folder.

usage: check_symbols.py [--selftest] PATH...

PATH is an object file, or a folder: every *.o below a folder with avx2 or avx512 in its name is taken, so a build folder
will do. Use debug objects (-O0): with optimisation, what would leak is mostly inlined and not seen. In them there must be

  no weak symbol (nm: W, V, u)     an inline function or a template that other files have too: the linker keeps one copy,
                                   and the one with AVX-512 in it may serve everybody
  no external definition outside namespace nextn::avx2 or nextn::avx512, whichever the path names
  no .init_array                   a constructor that runs before the program has asked what the CPU can do

Prints one line for each and exits 1, or the number of objects checked and exits 0; exits 2 when there is nothing to check.
--selftest compiles small sources with c++ and tries the checks on them. Needs nm and readelf."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

WEAK = "WVu"
ISA = re.compile(r"avx512|avx2")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def isa_of(path):
    """The namespaces that an object at `path` may define: the last instruction set its path names, else both."""
    names = ISA.findall(path.as_posix())
    return names[-1:] or ["avx2", "avx512"]


def symbols(path):
    """(type, mangled name, readable name) of every symbol; -p keeps both listings in the order of the file."""
    mangled, readable = (run("nm", "-p", flag, str(path)).splitlines() for flag in ("--no-demangle", "--demangle"))
    for m, r in zip(mangled, readable, strict=True):
        head, name = re.match(r"(.{16} .) (.*)$", m).groups()
        yield head[-1], name, r[len(head) + 1:]


def check(path):
    wrong = []
    inside = re.compile(r"_Z(T[VTIS]|GV|GR)?N[rVKRO]*5nextn(" + "|".join(f"{len(i)}{i}" for i in isa_of(path)) + ")")
    for kind, mangled, readable in symbols(path):
        if mangled.startswith("DW.ref."):
            continue  # a word that points to the unwinder's routine: the same in every object, and no code
        if kind in WEAK:
            wrong.append(f"{path}: weak symbol ({kind}): {readable}")
        elif (kind.isupper() and kind != "U" or kind == "i") and not inside.match(mangled):
            namespaces = " or ".join(f"nextn::{i}" for i in isa_of(path))
            wrong.append(f"{path}: external definition ({kind}) outside {namespaces}: {readable}")
    if re.search(r"\s\.(init_array|ctors)\b", run("readelf", "-S", "-W", str(path))):
        wrong.append(f"{path}: has .init_array: something is constructed before main")
    return wrong


def objects(path):
    if path.is_dir():
        above = path.resolve().parent
        return sorted(p for p in path.rglob("*.o") if ISA.search(p.resolve().parent.relative_to(above).as_posix()))
    return [path]


# name of the object, source, and what a line about it must contain, or None
SELFTEST = [
    ("avx2/good.o", "namespace nextn::avx2 { namespace { int f() { return 1; } } int g() { return f(); } int v; }", None),
    ("avx2/static.o", "static inline int f() { return 1; } namespace nextn::avx2 { int g() { return f(); } }", None),
    ("avx512/type.o", "namespace nextn::avx512 { struct S { int f() const; }; int S::f() const { return 1; } }", None),
    ("avx2/unwind.o", "struct S { ~S(); }; void h(); namespace nextn::avx2 { void g() { S s; h(); } }", None),
    ("avx2/weak.o", "inline int f() { return 1; } namespace nextn::avx2 { int g() { return f(); } }", "weak symbol (W): f()"),
    ("avx2/inner.o", "namespace nextn::avx2 { inline int f() { return 1; } int g() { return f(); } }", "weak symbol (W)"),
    ("avx512/template.o", "template <class T> T f(T x) { return x; } namespace nextn::avx512 { int g() { return f(1); } }",
     "weak symbol (W)"),
    ("avx2/once.o", "inline int n; namespace nextn::avx2 { int* g() { return &n; } }", "weak symbol (u): n"),
    ("avx2/outside.o", "namespace nextn { int f() { return 1; } }", "external definition (T) outside nextn::avx2: nextn::f()"),
    ("avx2/global.o", "int n = 1;", "external definition (D) outside nextn::avx2: n"),
    ("avx2/other.o", "namespace nextn::avx512 { int f() { return 1; } }", "outside nextn::avx2: nextn::avx512::f()"),
    ("avx512/like.o", "namespace nextn::avx5120 { int f() { return 1; } }", "outside nextn::avx512: nextn::avx5120::f()"),
    ("avx2/init.o", "int f(); namespace nextn::avx2 { int n = f(); }", "has .init_array"),
]


def selftest():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, source, message in SELFTEST:
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            subprocess.run(["c++", "-std=c++20", "-O0", "-c", "-x", "c++", "-", "-o", str(path)], input=source, text=True,
                           check=True)
            wrong = check(path)
            if bool(wrong) != bool(message) or (message and not any(message in line for line in wrong)):
                print(f"selftest: {name}: expected {message or 'nothing'}, found {wrong}")
                failed += 1
        n_found = len(objects(Path(folder)))
        if n_found != len(SELFTEST):
            print(f"selftest: expected {len(SELFTEST)} objects in the folder, found {n_found}")
            failed += 1
    if failed:
        return 1
    print(f"symbols: selftest passed, {sum(1 for s in SELFTEST if s[2])} of {len(SELFTEST)} objects refused")
    return 0


def main(arguments):
    if "-h" in arguments or "--help" in arguments:
        print(__doc__)
        return 0
    if arguments == ["--selftest"]:
        return selftest()
    if not arguments or any(a.startswith("-") for a in arguments):
        print(__doc__, file=sys.stderr)
        return 2
    paths = [p for argument in arguments for p in objects(Path(argument))]
    missing = [p for p in paths if not p.is_file()]
    if missing or not paths:
        print(f"{missing[0] if missing else ' '.join(arguments)}: expected object files, found none", file=sys.stderr)
        return 2
    try:
        wrong = [line for path in paths for line in check(path)]
    except subprocess.CalledProcessError as e:
        print(f"{e.cmd[-1]}: {(e.stderr or 'not an object file').strip().splitlines()[-1]}", file=sys.stderr)
        return 2
    for line in wrong:
        print(line)
    if wrong:
        return 1
    print(f"symbols: {len(paths)} objects checked")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
