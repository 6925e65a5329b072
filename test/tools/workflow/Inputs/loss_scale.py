"""Trains tiny with a scaled loss, from the recipe to the run's folder, and compares every line with the rules of
training-semantics.md 5. Overflows are real ones: scales that float32's gradients do not fit in."""
import argparse
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "parity"))
from safetensors_io import read as load, write

parser = argparse.ArgumentParser()
for name in ("tools", "recipe", "work"):
    parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
options = parser.parse_args()
shutil.rmtree(options.work, ignore_errors=True)
options.work.mkdir(parents=True)
STATES = ("optimizer.loss_scale", "optimizer.clean_steps", "optimizer.overflows_left")


def run(tool, *arguments):
    return subprocess.run([options.tools / tool, *map(str, arguments)], check=True, capture_output=True, text=True)


def compile_plan(name, *settings):
    plan = options.work / f"{name}.plan"
    overrides = [word for setting in settings for word in ("--set", setting)]
    run("trainc", "compile", options.recipe, "--set", "model.vocab_size=256", *overrides, "-o", plan)
    return plan


def train(plan, name, *arguments):
    folder = options.work / name
    log = run("trainrun", "train", plan, "--data", tokens, "--out", folder, *arguments).stderr
    return folder, [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()], log


def states(folder, step):
    return {**load(folder / f"checkpoint-{step}" / "model.safetensors"),
            **load(folder / f"checkpoint-{step}" / "optimizer.safetensors")}


def assert_equal(got, want, apart=()):
    assert set(got) - set(apart) == set(want) - set(apart), set(got) ^ set(want)
    for name in set(want) - set(apart):
        assert got[name].tobytes() == want[name].tobytes(), name


(options.work / "text.txt").write_text(" ".join(f"{i * i % 97} words" for i in range(4000)))
tokens = options.work / "tokens.safetensors"
run("trainrun", "tokenize", "--model", "bytes", options.work / "text.txt", "-o", tokens)

# A power of two changes no bit: weights, states, loss, norm; and the gradients that are written are without it.
plain = compile_plan("plain")
whole, want, log = train(plain, "plain", "--steps", 12)
assert "loss_scale" not in want[0] and "skipped" not in want[0] and not log, (want[0], log)
run("trainrun", "gradients", plain, "--data", tokens, "--init", whole, "-o", options.work / "plain.gradients")
for name, settings in (("constant", ["precision.loss_scale=1024"]), ("dynamic", ["precision.loss_scale=dynamic"])):
    plan = compile_plan(name, *settings)
    folder, lines, log = train(plan, name, "--steps", 12)
    assert not log, log
    for line, other in zip(lines, want):
        assert line["loss_scale"] == (1024 if name == "constant" else 65536) and line["skipped"] is False, line
        assert all(line[key] == other[key] for key in ("loss", "grad_norm", "learning_rate", "tokens")), (line, other)
    assert_equal(states(folder, 12), states(whole, 12), STATES)
    run("trainrun", "gradients", plan, "--data", tokens, "--init", whole, "-o", options.work / f"{name}.gradients")
    assert_equal(load(options.work / f"{name}.gradients"), load(options.work / "plain.gradients"))
print("the same bits with a constant and a dynamic scale")

# A scale far too large, with growth after 3 clean steps and Megatron's hysteresis.
START, INTERVAL, HYSTERESIS, STEPS = 2.0**127, 3, 2, 60
plan = compile_plan("moving", "precision.loss_scale=dynamic", f"precision.loss_scale_initial={START!r}",
                    f"precision.loss_scale_interval={INTERVAL}", f"precision.loss_scale_hysteresis={HYSTERESIS}",
                    "objective.normalize=sequences", "model.init_deviation=0.2", "schedule.total_steps=60")
folder, lines, log = train(plan, "moving", "--steps", STEPS, "--checkpoint-every", 1, "--threads", 2)
scale, clean, left, updates = START, 0, HYSTERESIS, 0
for step, line in enumerate(lines, 1):
    assert line["loss_scale"] == scale, (line, scale)
    # Data goes on, updates and the schedule that follows them do not.
    assert line["tokens"] == step * lines[0]["tokens"], line
    rate = 1e-3 * min(1, (updates + 1) / 10)
    if updates < 10:
        assert abs(line["learning_rate"] - rate) < 1e-12, (line, rate)
    assert (line["grad_norm"] is None) == line["skipped"], line
    if line["skipped"]:
        clean, left = 0, max(left - 1, 0)
        scale = scale / 2 if left == 0 else scale
    else:
        updates, clean = updates + 1, clean + 1
        if clean == INTERVAL:
            scale = scale * 2 if scale * 2 < 2.0**128 else scale
            clean, left = 0, HYSTERESIS
    after = states(folder, step)
    assert after["optimizer.updates"] == updates and after["optimizer.loss_scale"] == scale, step
    assert after["optimizer.clean_steps"] == clean and after["optimizer.overflows_left"] == left, step
    if line["skipped"] and step > 1:
        assert_equal(after, states(folder, step - 1), STATES)
skipped = [line["step"] for line in lines if line["skipped"]]
grown = [line["step"] for line, next in zip(lines, lines[1:]) if next["loss_scale"] > line["loss_scale"]]
assert len(skipped) >= 10 and len(grown) >= 2 and skipped[-1] > grown[0], (skipped, grown)
print(f"{len(lines)} steps as the rule says; skipped steps change nothing")

# The first gradient that is not finite is named: parameter, layer, step, scale.
first = [line for line in log.splitlines() if f"step {skipped[0]} was skipped" in line]
assert len(first) == 1 and "the gradient of '" in first[0] and "made by layer " in first[0], log
print(first[0])
assert log.count("was skipped") <= len(skipped), log

for threads in (1, 3):
    other = train(plan, f"threads-{threads}", "--steps", STEPS, "--threads", threads)[0]
    assert_equal(states(other, STEPS), states(folder, STEPS))
print("the same bits for 1 and 3 threads")
middle = skipped[-1]  # stopped right behind a skip, with a scale that moved
train(plan, "resumed", "--steps", middle)
other, again, _ = train(plan, "resumed", "--steps", STEPS, "--resume")
assert_equal(states(other, STEPS), states(folder, STEPS))
keys = ("loss", "loss_scale", "skipped", "grad_norm", "learning_rate")
assert [[line[k] for k in keys] for line in again] == [[line[k] for k in keys] for line in lines]
print("the same bits after a resume with a moved scale")

# Killed at some moment, with a scale that moves.
command = [options.tools / "trainrun", "train", plan, "--data", tokens, "--checkpoint-every", "5", "--steps", "800", "--keep",
           "1", "--resume", "--out"]
alone, killed = options.work / "alone", options.work / "killed"
subprocess.run([*command, alone], check=True, capture_output=True)
process = subprocess.Popen([*command, killed], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while process.poll() is None and not any(int(folder.name.split("-")[1]) >= 20 for folder in killed.glob("checkpoint-*")):
    time.sleep(0.001)
process.kill()
assert process.wait() == -signal.SIGKILL, process.returncode
subprocess.run([*command, killed], check=True, capture_output=True)
assert_equal(states(killed, 800), states(alone, 800))
print("the same bits after SIGKILL")

# The update's kernels do not run in a skipped step.
for name, runs in (("plain", True), ("moving", False)):
    profile = run("trainrun", "profile", options.work / f"{name}.plan", "--data", tokens, "--steps", 1, "--json").stdout
    sweeps = [k["name"] for k in json.loads(profile)["kernels"] if re.fullmatch(r"fused_select_\d+_\d+", k["name"])]
    assert bool(sweeps) == runs, (name, sweeps)
print("a skipped update does not run")

# In a model of two factors one gradient overflows, the other does not: it is the one that is named.
MODULE = """
module attributes {train.sequences = 2 : i64, train.length = 1 : i64, train.micro_batches = 1 : i64,
                   train.total_steps = 1 : i64} {
  train.scale_loss 1024.0
  train.parameter @a constant : tensor<4xf32> {offset = 1.0 : f64, external_name = "first.a"}
  train.parameter @b constant : tensor<4xf32> {offset = 1.0 : f64, external_name = "second.b"}
  train.step @step ["x"] {
  ^bb0(%x: tensor<2x4xf32>):
    %a = train.read @a : tensor<4xf32>
    %as = nn.broadcast %a [1] : tensor<4xf32> -> tensor<2x4xf32>
    %h = nn.mul %x, %as : tensor<2x4xf32>
    %b = train.read @b : tensor<4xf32>
    %bs = nn.broadcast %b [1] : tensor<4xf32> -> tensor<2x4xf32>
    %y = nn.mul %h, %bs : tensor<2x4xf32>
    %sum = nn.reduce_sum %y [0, 1] : tensor<2x4xf32> -> tensor<f64>
    %count = nn.constant dense<1.0> : tensor<f64>
    train.loss "sum" %sum, %count : tensor<f64>
    train.gradient
    train.update "sgd" states [] scalars [] values [] schedule {
    ^bb0(%t: tensor<f64>):
      %lr = nn.constant dense<0.1> : tensor<f64>
      train.yield %lr : tensor<f64>
    } step {
    ^bb0(%lr: tensor<f64>):
      train.yield %lr : tensor<f64>
    } element {
    ^bb0(%theta: tensor<f32>, %g: tensor<f32>, %decay: tensor<f32>, %lr: tensor<f32>):
      %d = nn.mul %lr, %g : tensor<f32>
      %new = nn.sub %theta, %d : tensor<f32>
      train.yield %new : tensor<f32>
    }
  }
}
"""
(options.work / "factors.mlir").write_text(MODULE)
run("trainc", "compile", options.work / "factors.mlir", "-o", options.work / "factors.plan")
write(options.work / "x.safetensors", {"x": np.full((2, 4), 1e3, np.float32)})
for large, name in (("second.b", "first.a"), ("first.a", "second.b")):
    init = {key: np.full(4, 3e34 if key == large else 1, np.float32) for key in ("first.a", "second.b")}
    write(options.work / "factors.safetensors", init, {"format": "pt"})
    log = run("trainrun", "train", options.work / "factors.plan", "--data", options.work / "x.safetensors", "--out",
              options.work / f"large-{large}", "--init", options.work / "factors.safetensors").stderr
    assert f"step 1 was skipped: the gradient of '{name}'" in log, log
print("the gradient that overflowed is named")

# Without a scale: weights so large that the loss is not finite; nothing is updated, and it is said once.
broken = options.work / "broken.safetensors"
weights = load(whole / "checkpoint-12" / "model.safetensors")
large = {name: array * np.float32(1e25) for name, array in weights.items()}
write(broken, large, {"format": "pt"})
folder, lines, log = train(plain, "broken", "--init", broken, "--steps", 3)
assert all(line["loss"] is None and line["grad_norm"] is None for line in lines), lines
assert states(folder, 3)["optimizer.updates"] == 0
assert_equal(load(folder / "checkpoint-3" / "model.safetensors"), large)
assert log.count("was skipped") == 1 and "step 1 was skipped: the loss 'causal_lm'" in log, log
print("without a scale, too, a step that is not finite is skipped")
