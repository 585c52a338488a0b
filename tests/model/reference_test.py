#!/usr/bin/env python3
"""The engine against tools/reference.py on the same file: quantised weights, tied and untied heads, no head.

    reference_test.py NEXTN FOLDER        the program, and the folder with the build's tiny models

The twin computes in float64 with the decoded weights; the engine multiplies quantised weights with activations of 8
bits, so the loud models, where every weight counts, differ by a few percent. The measure is the rms of the difference
over the rms of the twin's array, for logits and hidden states of trunk and head, in 40 tokens.
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import reference

BOUNDS = {  # file: the largest ratio allowed
    "tiny-loud-f32": 0.0005, "tiny-loud-f16": 0.0005, "tiny-loud-q8_0": 0.04, "tiny-loud-q4_k_m": 0.04,
    "tiny-loud-q5_k_m": 0.04, "tiny-loud-q6_k": 0.04, "tiny-tied-q4_k_m": 0.04, "tiny-tied-q8_0": 0.04,
    "tiny-moe-loud-f32": 0.0005, "tiny-glm45-loud-f32": 0.0005, "tiny-glm46-loud-f32": 0.0005,
    # activations of 8 bits send a row to another expert here and there, which changes all of it
    "tiny-moe-loud-q4_k_m": 0.08, "tiny-glm45-loud-q8_0": 0.08, "tiny-moe-mixed-q4_k_m": 0.16, "tiny-glm45-mixed-q8_0": 0.16,
    "tiny-glm46-mixed-q4_k_m": 0.16,
    "tiny-next-loud-f32": 0.0005, "tiny-qwen3-mixed-q8_0": 0.08, "tiny-qwen2-loud-q4_k_m": 0.08, "tiny-llama-mixed-q4_k_m": 0.08,
    "tiny-no-head": 0.08, "tiny-mixed-q8_0": 0.08, "tiny-mixed-q4_k_m": 0.09,
}


def main():
    nextn, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    failures = 0
    for name, bound in BOUNDS.items():
        path = folder / f"{name}.gguf"
        tokens = np.random.default_rng(len(name)).integers(0, 2048, 40).tolist()
        model = reference.Model(path)
        expected = dict(zip(("logits", "hidden"), model.trunk(tokens)))
        if model.n_mtp:
            expected.update(zip(("mtp_logits", "mtp_hidden"), model.mtp(model.shifted(expected["hidden"][:-1]), tokens)))
        with tempfile.TemporaryDirectory() as out:
            subprocess.run([nextn, "run", "-m", path, "-t", "1", "-n", "0", "--tokens", ",".join(map(str, tokens)), "--logits",
                            f"{out}/d"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            found = {p.name.split(".")[1]: np.load(p) for p in pathlib.Path(out).glob("*.npy")}
        assert found.keys() == expected.keys(), f"{name}: expected {[*expected]}, found {[*found]}"
        rms = lambda a: np.sqrt(np.mean(np.square(a)))
        ratio = {key: rms(found[key] - expected[key]) / rms(expected[key]) for key in expected}
        verdict = "ok" if all(r <= bound for r in ratio.values()) else "FAILED"
        failures += verdict != "ok"
        print(f"{name:23}", *(f"{key} {100 * r:.3f} %" for key, r in ratio.items()), f"(at most {100 * bound:g} %)", verdict)
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
