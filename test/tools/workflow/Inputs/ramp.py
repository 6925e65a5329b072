"""Trains tiny with a ramp and compares every step with the formulas of training-semantics.md 6.1 and 6.2."""
import math
import re

import workflow
from workflow import assert_same_bits, compile_plan, train

LENGTH, MOST, FIRST, OVER = 16, 5, 1, 600
WARMUP, TOTAL, RATE = 200, 3000, 1e-3


def recipe():
    text = workflow.recipe.read_text()
    text = re.sub(r"sequences = \d+", "sequences = 1", text)
    text = re.sub(r"length = \d+", f"length = {LENGTH}", text)
    text = re.sub(r"micro_batches = \d+.*\n", "", text)
    text = text.replace("[optimizer]", f"micro_batches = {MOST}\nramp_from = {FIRST}\nramp_tokens = {OVER}\n[optimizer]")
    text = re.sub(r"warmup_steps = \d+", f"warmup_tokens = {WARMUP}", text)
    text = re.sub(r"total_steps = \d+", f"total_tokens = {TOTAL}", text)
    text = re.sub(r"learning_rate = \S+", f"learning_rate = {RATE}", text)
    return re.sub(r"final_ratio = \S+", "final_ratio = 0.1", text)


path = workflow.work / "ramp.toml"
path.write_text(recipe())
plan = compile_plan("ramp", of=path)
folder, steps = assert_same_bits(plan, "ramp", 40, 7)
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
print("the same bits for 1 and 3 threads and after a resume at step 7")
_, steps, _ = train(plan, "default")
assert steps[-1]["tokens"] >= TOTAL > steps[-2]["tokens"], steps[-2:]
print("the default is all of the schedule")
