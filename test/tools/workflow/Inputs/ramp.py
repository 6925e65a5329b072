"""Trains tiny with a ramp and compares every step with the formulas of training-semantics.md 6.1 and 6.2."""
import argparse
import json
import math
import pathlib
import re
import shutil
import subprocess

parser = argparse.ArgumentParser()
for name in ("tools", "recipe", "work"):
    parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
options = parser.parse_args()
shutil.rmtree(options.work, ignore_errors=True)
options.work.mkdir(parents=True)

LENGTH, MOST, FIRST, OVER = 16, 5, 1, 600
WARMUP, TOTAL, RATE = 200, 3000, 1e-3


def run(tool, *arguments):
    return subprocess.run([options.tools / tool, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def recipe():
    text = options.recipe.read_text()
    text = re.sub(r"sequences = \d+", "sequences = 1", text)
    text = re.sub(r"length = \d+", f"length = {LENGTH}", text)
    text = re.sub(r"micro_batches = \d+.*\n", "", text)
    text = text.replace("[optimizer]", f"micro_batches = {MOST}\nramp_from = {FIRST}\nramp_tokens = {OVER}\n[optimizer]")
    text = re.sub(r"warmup_steps = \d+", f"warmup_tokens = {WARMUP}", text)
    text = re.sub(r"total_steps = \d+", f"total_tokens = {TOTAL}", text)
    text = re.sub(r"learning_rate = \S+", f"learning_rate = {RATE}", text)
    text = re.sub(r"vocab_size = \d+", "vocab_size = 256", text)
    return re.sub(r"final_ratio = \S+", "final_ratio = 0.1", text)


path = options.work / "ramp.toml"
path.write_text(recipe())
(options.work / "text.txt").write_text(" ".join(f"{i * i % 97} words" for i in range(4000)))
plan, tokens = options.work / "plan", options.work / "tokens.safetensors"
run("trainrun", "tokenize", "--model", "bytes", options.work / "text.txt", "-o", tokens)
run("trainc", "compile", path, "-o", plan)


def train(name, *arguments):
    folder = options.work / name
    run("trainrun", "train", plan, "--data", tokens, "--out", folder, *arguments)
    return folder, [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


folder, steps = train("whole", "--steps", 40, "--threads", 2)
consumed, counts = 0, []
for step in steps:
    counts.append(MOST if consumed >= OVER else math.floor(FIRST + (MOST - FIRST) * consumed / OVER + 0.5))
    consumed += counts[-1] * LENGTH
    assert step["tokens"] == consumed, (step, consumed)
    if consumed <= WARMUP:
        rate = RATE * consumed / WARMUP
    else:
        r = min(1, (consumed - WARMUP) / (TOTAL - WARMUP))
        rate = RATE * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * r)))
    assert abs(step["learning_rate"] - rate) <= 1e-9 * rate, (step, rate)
print(", ".join(map(str, counts)))
print(f"{len(steps)} steps as the ramp says")


def same(other):
    files = ("checkpoint-40/model.safetensors", "checkpoint-40/optimizer.safetensors")
    assert all((folder / file).read_bytes() == (other / file).read_bytes() for file in files), other


same(train("one", "--steps", 40, "--threads", 1)[0])
same(train("three", "--steps", 40, "--threads", 3)[0])
print("the same bits for 1 and 3 threads")
train("resumed", "--steps", 7)
same(train("resumed", "--steps", 40, "--resume")[0])
print("the same bits after a resume at step 7")
_, steps = train("default")
assert steps[-1]["tokens"] >= TOTAL > steps[-2]["tokens"], steps[-2:]
print("the default is all of the schedule")
