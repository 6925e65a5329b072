"""Trains a recipe in 16 bits and checks what its checkpoints and copies of parameters promise (docs/decisions/precision.md)."""
import json

from workflow import assert_same_bits, compile_plan, load, run, tokens, train, with_section

SCALING = ("optimizer.loss_scale", "optimizer.clean_steps", "optimizer.overflows_left")


def evaluate(plan, folder):
    weights = folder / "checkpoint-40/model.safetensors"
    return json.loads(run("trainrun", "eval", plan, "--data", tokens, "--weights", weights, "--json").stdout)["loss"]


def kinds(folder, file):
    return {name: (array.dtype.name, array.shape) for name, array in load(folder, 40, file).items() if name not in SCALING}


wide = compile_plan("float32")
wide_folder, wide_steps, _ = train(wide, "float32", "--steps", 40)
for compute, bound in (("bfloat16", 2e-3), ("float16", 3e-4)):
    setting = f"precision.compute={compute}"
    plan = compile_plan(compute, setting)
    # A resumed run's copies are made from the file.
    folder, steps = assert_same_bits(plan, compute, 40, 13)
    difference = max(abs(a["loss"] - b["loss"]) / b["loss"] for a, b in zip(steps, wide_steps))
    assert 0 < difference <= bound, (compute, difference)
    # What is saved does not depend on the precision.
    for file in ("model", "optimizer"):
        assert kinds(folder, file) == kinds(wide_folder, file), compute
    assert all(kind == "float32" for kind, _ in kinds(folder, "model").values())
    # Weights of a file reach the copies: evaluation in 16 bits of the others' weights.
    here, there = evaluate(plan, wide_folder), evaluate(wide, wide_folder)
    assert 0 < abs(here - there) <= bound * there, (compute, here, there)
    own = evaluate(plan, folder)
    assert abs(own - evaluate(wide, folder)) <= bound * own, compute
    # Cut into more micro-batches, the loss is the same but for the rounding of sums.
    cut = compile_plan(f"{compute}.cut", setting, "batch.sequences=1", "batch.micro_batches=2")
    _, parts, _ = train(cut, f"{compute}.cut", "--steps", 1)
    assert abs(parts[0]["loss"] - steps[0]["loss"]) <= 1e-6 * steps[0]["loss"], (parts, steps[:1])
    # Passes over matrices write copies as well.
    for rule in ("adafactor", "muon"):
        recipe = with_section("optimizer", f'name = "{rule}"\nlearning_rate = 1e-2')
        assert_same_bits(compile_plan(f"{compute}.{rule}", setting, of=recipe), f"{compute}.{rule}", 20, 7)
    print(f"{compute}: close to float32, same bits for 1 and 3 threads and after a resume")
