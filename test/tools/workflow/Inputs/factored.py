"""Trains tiny with AdaFactor, with clipping, decay and momentum, in several ways."""
import argparse
import json
import pathlib
import re
import shutil
import struct
import subprocess

parser = argparse.ArgumentParser()
for name in ("tools", "recipe", "work"):
    parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
options = parser.parse_args()
shutil.rmtree(options.work, ignore_errors=True)
options.work.mkdir(parents=True)


def run(tool, *arguments):
    return subprocess.run([options.tools / tool, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


RULE = """[optimizer]
name = "adafactor"
learning_rate = 0.02
beta1 = 0.9
weight_decay = 0.1
clip_norm = 1.0
min_dim_to_factor = 20
"""
text = options.recipe.read_text()
text = re.sub(r"\[optimizer\]\n(?:[^\[].*\n|\n)*", RULE, text)
text = re.sub(r"vocab_size = \d+", "vocab_size = 256", text)
path = options.work / "factored.toml"
path.write_text(text)
(options.work / "text.txt").write_text(" ".join(f"{i * i % 97} words" for i in range(4000)))
plan, tokens = options.work / "plan", options.work / "tokens.safetensors"
run("trainrun", "tokenize", "--model", "bytes", options.work / "text.txt", "-o", tokens)
run("trainc", "compile", path, "-o", plan)


def train(name, *arguments):
    folder = options.work / name
    run("trainrun", "train", plan, "--data", tokens, "--out", folder, *arguments)
    return folder, [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def shapes(file):
    with open(file, "rb") as stream:
        size, = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(size))
    return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}


folder, steps = train("whole", "--steps", 20, "--threads", 2)
weights = shapes(folder / "checkpoint-20/model.safetensors")
states = shapes(folder / "checkpoint-20/optimizer.safetensors")
factored = 0
for name, shape in weights.items():
    own = {key[len(name) + 1:]: value for key, value in states.items() if key.rpartition(".")[0] == name}
    if len(shape) == 2 and min(shape) >= 20:
        want = {"v_row": shape[:1], "v_col": shape[1:], "m": shape}
        factored += 1
    else:
        want = {"v": shape, "m": shape}
    assert own == want, (name, own, want)
assert 0 < factored < len(weights), factored
assert states["optimizer.t"] == () and states["optimizer.updates"] == (), states
print("states by row and column")
losses = [step["loss"] for step in steps]
assert losses[-1] < losses[0] - 0.2, losses
print("the loss falls")


def same(other):
    for file in ("model.safetensors", "optimizer.safetensors"):
        assert (folder / "checkpoint-20" / file).read_bytes() == (other / "checkpoint-20" / file).read_bytes(), (other, file)


same(train("one", "--steps", 20, "--threads", 1)[0])
same(train("three", "--steps", 20, "--threads", 3)[0])
print("the same bits for 1 and 3 threads")
train("resumed", "--steps", 7)
same(train("resumed", "--steps", 20, "--resume")[0])
print("the same bits after a resume at step 7")
