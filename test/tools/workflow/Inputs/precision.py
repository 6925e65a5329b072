"""Trains a recipe in 16 bits and checks what its checkpoints and copies of parameters promise (docs/decisions/precision.md)."""
import argparse
import json
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


def run(tool, *arguments):
    return subprocess.run([options.tools / tool, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


(options.work / "text.txt").write_text(" ".join(f"{i * i % 97} words" for i in range(4000)))
tokens = options.work / "tokens.safetensors"
run("trainrun", "tokenize", "--model", "bytes", options.work / "text.txt", "-o", tokens)


adafactor = options.work / "adafactor.toml"
adafactor.write_text(re.sub(r"\[optimizer\][^\[]*", '[optimizer]\nname = "adafactor"\nlearning_rate = 1e-2\n\n', options.recipe.read_text()))


def compile(compute, *settings, recipe=options.recipe):
    plan = options.work / f"{compute}.{recipe.stem}{len(settings)}.plan"
    arguments = [word for text in ("model.vocab_size=256", f"precision.compute={compute}", *settings) for word in ("--set", text)]
    run("trainc", "compile", recipe, "-o", plan, *arguments)
    return plan


def train(plan, name, *arguments):
    folder = options.work / name
    run("trainrun", "train", plan, "--data", tokens, "--out", folder, *arguments)
    return folder, [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def header(path):
    data = path.read_bytes()
    entries = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
    return {name: (entry["dtype"], entry["shape"]) for name, entry in entries.items() if name != "__metadata__"}


def evaluate(plan, folder):
    weights = folder / "checkpoint-40/model.safetensors"
    return json.loads(run("trainrun", "eval", plan, "--data", tokens, "--weights", weights, "--json"))["loss"]


wide = compile("float32")
wide_folder, wide_steps = train(wide, "float32", "--steps", 40)
files = ("checkpoint-40/model.safetensors", "checkpoint-40/optimizer.safetensors")
for compute, bound in (("bfloat16", 2e-3), ("float16", 3e-4)):
    plan = compile(compute)
    folder, steps = train(plan, compute, "--steps", 40)
    difference = max(abs(a["loss"] - b["loss"]) / b["loss"] for a, b in zip(steps, wide_steps))
    assert 0 < difference <= bound, (compute, difference)

    def same(other):
        assert all((folder / file).read_bytes() == (other / file).read_bytes() for file in files), (compute, other)

    same(train(plan, f"{compute}.one", "--steps", 40, "--threads", 1)[0])
    same(train(plan, f"{compute}.three", "--steps", 40, "--threads", 3)[0])
    # A resumed run's copies are made from the file.
    train(plan, f"{compute}.resumed", "--steps", 13)
    same(train(plan, f"{compute}.resumed", "--steps", 40, "--resume")[0])
    # What is saved does not depend on the precision.
    for file in files:
        scaling = ("optimizer.loss_scale", "optimizer.clean_steps", "optimizer.overflows_left")
        mine = {name: entry for name, entry in header(folder / file).items() if name not in scaling}
        assert mine == header(wide_folder / file), compute
    assert all(kind == "F32" for kind, _ in header(folder / files[0]).values())
    # Weights of a file reach the copies: evaluation in 16 bits of the others' weights.
    here, there = evaluate(plan, wide_folder), evaluate(wide, wide_folder)
    assert 0 < abs(here - there) <= bound * there, (compute, here, there)
    start = evaluate(plan, folder)
    assert abs(start - evaluate(wide, folder)) <= bound * start, compute
    # Cut into more micro-batches, the loss is the same but for the rounding of sums.
    cut = compile(compute, "batch.sequences=1", "batch.micro_batches=2")
    _, parts = train(cut, f"{compute}.cut", "--steps", 3)
    assert all(abs(a["loss"] - b["loss"]) <= 1e-6 * b["loss"] for a, b in zip(parts[:1], steps[:1])), (parts, steps[:1])
    # AdaFactor's passes write copies as well.
    other = compile(compute, recipe=adafactor)
    folder, _ = train(other, f"{compute}.adafactor", "--steps", 40)
    same(train(other, f"{compute}.adafactor.one", "--steps", 40, "--threads", 1)[0])
    train(other, f"{compute}.adafactor.resumed", "--steps", 13)
    same(train(other, f"{compute}.adafactor.resumed", "--steps", 40, "--resume")[0])
    print(f"{compute}: close to float32, same bits for 1 and 3 threads and after a resume")
