"""Peak memory of every command against the prediction: check_memory.py TRAINC TRAINRUN RECIPE FOLDER.

The token file, 64 MiB, is much larger than what the process may take besides the arena.
"""
import json
import os
import pathlib
import struct
import subprocess
import sys

import numpy as np

trainc, trainrun, recipe, folder = sys.argv[1:]
folder = pathlib.Path(folder)
plan, tokens, run = folder / "m.plan", folder / "tokens.safetensors", folder / "run"

count = 32 << 20
header = json.dumps({"tokens": {"dtype": "U16", "shape": [count],
                                "data_offsets": [0, 2 * count]}}).encode()
header += b" " * (-len(header) % 8)
with open(tokens, "wb") as file:
    file.write(struct.pack("<Q", len(header)) + header)
    np.random.default_rng(1).integers(0, 2000, count, dtype=np.uint16).tofile(file)


def peak_bytes(*command):
    """Runs it; the largest resident set of the process."""
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return usage.ru_maxrss * 1024


def fit(*options):
    out = subprocess.run([trainc, "fit", recipe, "--json", "--threads", "2", *options],
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out)


subprocess.run([trainc, "compile", recipe, "-o", plan], check=True, stderr=subprocess.DEVNULL)
predicted = fit()["predicted_bytes"]
two = ("--threads", "2")
peaks = {}
peaks["train"] = peak_bytes(trainrun, "train", plan, "--data", tokens, "--out", run,
                            "--steps", "3", *two)
summary = json.loads((run / "summary.json").read_text())
if summary["predicted_bytes"] != predicted:
    sys.exit(f"expected fit and summary.json to say the same, but got {predicted} and "
             f"{summary['predicted_bytes']}")
if summary["predicted_bytes"] != (summary["arena_bytes"] + summary["scratch_bytes"] +
                                  summary["overhead_bytes"]):
    sys.exit("expected arena + scratch + overhead to be the prediction, but it is not")
# The run reports before it ends.
if not 0 <= peaks["train"] - summary["peak_bytes"] < 4 << 20:
    sys.exit(f"expected peak_bytes near {peaks['train']}, but got {summary['peak_bytes']}")
# Training needs what the plan has: the prediction is neither beaten nor loose.
if not predicted - (16 << 20) <= peaks["train"] <= predicted:
    sys.exit(f"expected a peak of at most 16 MiB below {predicted}, but got {peaks['train']}")

peaks["resume"] = peak_bytes(trainrun, "train", plan, "--data", tokens, "--out", run,
                             "--steps", "4", "--resume", *two)
for command in (("eval", "--data", tokens), ("predict", "--data", tokens, "-o", folder / "out"),
                ("gradients", "--data", tokens, "-o", folder / "gradients")):
    weights = ("--init" if command[0] == "gradients" else "--weights")
    weights = (weights, run / "checkpoint-4" / "model.safetensors")
    # One epoch of 32 Mi tokens is too much for a test: eval gets a small file.
    if command[0] == "eval":
        small = folder / "small.safetensors"
        head = json.dumps({"tokens": {"dtype": "U16", "shape": [5000],
                                      "data_offsets": [0, 10000]}}).encode()
        head += b" " * (-len(head) % 8)
        small.write_bytes(struct.pack("<Q", len(head)) + head +
                          np.zeros(5000, np.uint16).tobytes())
        command = ("eval", "--data", small)
    peaks[command[0]] = peak_bytes(trainrun, command[0], plan, *command[1:], *weights, *two)
for name, peak in peaks.items():
    print(f"{name:<10} {peak / 2**20:8.1f} MiB of {predicted / 2**20:.1f} MiB")
    if peak > predicted:
        sys.exit(f"expected {name} to take at most {predicted} bytes, but got {peak}")
print("memory: as predicted")
