"""Trains tiny with a scaled loss, from the recipe to the run's folder, and compares every line with the rules of
training-semantics.md 5. Overflows are real ones: scales that float32's gradients do not fit in."""
import json
import re
import signal
import subprocess
import time

import numpy as np

from workflow import assert_equal, compile_plan, run, safetensors_io, states, tokens, tools, train, with_section, work

load, write = safetensors_io.read, safetensors_io.write
STATES = ("optimizer.loss_scale", "optimizer.clean_steps", "optimizer.overflows_left")

# A power of two changes no bit: weights, states, loss, norm; and the gradients that are written are without it.
plain = compile_plan("plain")
whole, want, log = train(plain, "plain", "--steps", 12)
assert "loss_scale" not in want[0] and "skipped" not in want[0] and not log, (want[0], log)
run("trainrun", "gradients", plain, "--data", tokens, "--init", whole, "-o", work / "plain.gradients")
for name, settings in (("constant", ["precision.loss_scale=1024"]), ("dynamic", ["precision.loss_scale=dynamic"])):
    plan = compile_plan(name, *settings)
    folder, lines, log = train(plan, name, "--steps", 12)
    assert not log, log
    for line, other in zip(lines, want):
        assert line["loss_scale"] == (1024 if name == "constant" else 65536) and line["skipped"] is False, line
        assert all(line[key] == other[key] for key in ("loss", "grad_norm", "learning_rate", "tokens")), (line, other)
    assert_equal(states(folder, 12), states(whole, 12), STATES)
    run("trainrun", "gradients", plan, "--data", tokens, "--init", whole, "-o", work / f"{name}.gradients")
    assert_equal(load(work / f"{name}.gradients"), load(work / "plain.gradients"))
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
# Of skipped steps in a row with one scale only the first is told.
told = [line["step"] for before, line in zip([None, *lines], lines)
        if line["skipped"] and not (before and before["skipped"] and before["loss_scale"] == line["loss_scale"])]
assert log.count("was skipped") == len(told), (told, log)

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
command = [tools / "trainrun", "train", plan, "--data", tokens, "--checkpoint-every", "5", "--steps", "800", "--keep",
           "1", "--resume", "--out"]
alone, killed = work / "alone", work / "killed"
subprocess.run([*command, alone], check=True, capture_output=True)
process = subprocess.Popen([*command, killed], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while process.poll() is None and not any(int(folder.name.split("-")[1]) >= 20 for folder in killed.glob("checkpoint-*")):
    time.sleep(0.001)
process.kill()
assert process.wait() == -signal.SIGKILL, process.returncode
subprocess.run([*command, killed], check=True, capture_output=True)
assert_equal(states(killed, 800), states(alone, 800))
print("the same bits after SIGKILL")

# The update's kernels do not run in a skipped step, whatever the rule and whether copies in 16 bits are written. Those copies
# stay right: behind the last skipped step they are what a resume makes of the parameters.
MOVING = ("precision.loss_scale=dynamic", f"precision.loss_scale_initial={START!r}",
          f"precision.loss_scale_interval={INTERVAL}", "objective.normalize=sequences", "model.init_deviation=0.2")
RULES = {"adamw": "learning_rate = 1e-3\nclip_norm = 1.0", "adafactor": "learning_rate = 1e-2\nbeta1 = 0.9",
         "muon": "learning_rate = 1e-3"}
for rule, keys in RULES.items():
    of = with_section("optimizer", f'name = "{rule}"\n{keys}')
    for precision in ("float32", "bfloat16"):
        name, ran = f"{rule}-{precision}", []
        for skips, settings in ((False, ()), (True, MOVING)):
            plan = compile_plan(f"{name}-{skips}", f"precision.compute={precision}", *settings, of=of)
            profile = run("trainrun", "profile", plan, "--data", tokens, "--steps", 1, "--json").stdout
            kernels = json.loads(profile)["kernels"]
            ran.append((sum(k["launches"] for k in kernels if re.match(r"(fused_select|sweep)_[\dx]+_\d+", k["name"])),
                        sum(k["launches"] for k in kernels if k["operation"].startswith("nn.matmul"))))
        # Muon's products are of the update.
        assert ran[0][0] and not ran[1][0] and (ran[0][1] > ran[1][1]) == (rule == "muon"), (name, ran)
        folder, lines, _ = train(plan, name, "--steps", 16, "--checkpoint-every", 1)
        skipped = [line["step"] for line in lines if line["skipped"]]
        assert 2 < len(skipped) < 15 and skipped[-1] > skipped[0] + len(skipped) - 1, (name, skipped)
        for step in skipped[1:]:
            assert_equal(states(folder, step), states(folder, step - 1), STATES)
        train(plan, f"{name}-resumed", "--steps", skipped[-1])
        assert_equal(states(train(plan, f"{name}-resumed", "--steps", 16, "--resume")[0], 16), states(folder, 16))
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
(work / "factors.mlir").write_text(MODULE)
run("trainc", "compile", work / "factors.mlir", "-o", work / "factors.plan")
write(work / "x.safetensors", {"x": np.full((2, 4), 1e3, np.float32)})
for large, name in (("second.b", "first.a"), ("first.a", "second.b")):
    init = {key: np.full(4, 3e34 if key == large else 1, np.float32) for key in ("first.a", "second.b")}
    write(work / "factors.safetensors", init, {"format": "pt"})
    log = run("trainrun", "train", work / "factors.plan", "--data", work / "x.safetensors", "--out",
              work / f"large-{large}", "--init", work / "factors.safetensors").stderr
    assert f"step 1 was skipped: the gradient of '{name}'" in log, log
print("the gradient that overflowed is named")

# Gradients are written without the scale, in f64 as well; where they do not fit, it is an error.
for element in ("f32", "f64"):
    for scale in ("", "  train.scale_loss 1024.0\n"):
        name = f"{element}{bool(scale)}"
        (work / f"{name}.mlir").write_text(MODULE.replace("  train.scale_loss 1024.0\n", scale).replace("xf32>", f"x{element}>")
                                           .replace("tensor<f32>", f"tensor<{element}>"))
        run("trainc", "compile", work / f"{name}.mlir", "-o", work / f"{name}.plan")
        write(work / "x.safetensors", {"x": np.full((2, 4), 3, np.float32 if element == "f32" else np.float64)})
        run("trainrun", "gradients", work / f"{name}.plan", "--data", work / "x.safetensors", "-o", work / f"{name}.gradients")
        assert (load(work / f"{name}.gradients")["first.a"] == 6).all(), load(work / f"{name}.gradients")
large = compile_plan("large", "precision.loss_scale=dynamic", "precision.loss_scale_initial=3e38",
                     "objective.normalize=sequences", "model.init_deviation=0.2")
failed = subprocess.run([tools / "trainrun", "gradients", large, "--data", tokens, "-o", work / "large.gradients"],
                        capture_output=True, text=True)
assert failed.returncode == 1 and "expected finite gradients, but got the gradient of" in failed.stderr, failed
assert not (work / "large.gradients").exists()
print("gradients are written without the scale")

# Without a scale: weights so large that the loss is not finite; nothing is updated, and it is said once.
broken = work / "broken.safetensors"
weights = load(whole / "checkpoint-12" / "model.safetensors")
large = {name: array * np.float32(1e25) for name, array in weights.items()}
write(broken, large, {"format": "pt"})
folder, lines, log = train(plain, "broken", "--init", broken, "--steps", 3)
assert all(line["loss"] is None and line["grad_norm"] is None for line in lines), lines
assert states(folder, 3)["optimizer.updates"] == 0
assert_equal(load(folder / "checkpoint-3" / "model.safetensors"), large)
assert log.count("was skipped") == 1 and "step 1 was skipped: the loss 'causal_lm'" in log, log
print("without a scale, too, a step that is not finite is skipped")
