"""The rules of `benchmarks/optimizers`: PyTorch's forms beside our plans of them.

    update_rows.py        (TRAINC_TOOLS_DIR and TRAINC_LIBRARY_DIR in the environment)

Each row's own plan, of the tiny recipe, takes a few steps on random tokens; the
gradients that it made go to every form in peers/torch_rules.py. An error is the norm of
the difference over that of all updates together, of the worst parameter. Fails where a
form of the row's rule is off, or where another rule would pass for it, or where the
sweeps of the plan move other bytes than the row counts.
"""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "benchmarks", name) for name in ("suite", "peers")]
import ours
import rows
import runtime
import torch_rules

STEPS = 5
# A constant rate from the first step: peers have no schedule.
CONSTANT = ["schedule.warmup_steps=0", "schedule.final_ratio=1.0"]
# Of the updates, and of the parameter: half a bit of f32 each time that one is added.
TOLERANCE, ROUNDING = 5e-5, STEPS * 2.0**-24


def start(session, names):
    """Sets the parameters; values of a size that makes gradients large enough to be clipped."""
    rng, values = np.random.default_rng(5), {}
    for name in names:
        view = session.variable(name)
        values[name] = (0.3 * rng.standard_normal(view.shape) + (view == 1)).astype(np.float32)
        session.set(name, values[name])
    return values


def take_steps(session, names):
    """The gradients of each step, as the update takes them."""
    rng, taken = np.random.default_rng(6), []
    for step in range(1, STEPS + 1):
        for name in ("inputs", "targets"):
            view = session.variable(name)
            view[...] = rng.integers(0, 96, view.shape)
        session.set("control.random", (1, step, 0))
        session.set("control.micro_batch", 0)
        session.run("count")
        session.run("accumulate")
        scaled = "optimizer.loss_scale" in session.names()
        scale = np.float32(session.variable("optimizer.loss_scale") if scaled else 1)
        taken.append({name: session.variable("grad." + name) / scale for name in names})
        session.run("apply")
    return taken


def make_forms(rule, values):
    """(weights, update) of each form."""
    def fresh():
        weights = {name: torch.from_numpy(v.copy()).requires_grad_() for name, v in values.items()}
        for weight in weights.values():
            weight.grad = torch.zeros_like(weight)
        return weights

    for i in range(len(list(torch_rules.forms(rule, fresh())))):
        weights = fresh()
        yield weights, list(torch_rules.forms(rule, weights))[i]


def error(rule, values, gradients, got):
    """How far the worst parameter of the worst form of a rule is from `got`."""
    worst = 0.0
    for weights, update in make_forms(rule, values):
        for step in gradients:
            for name, g in step.items():
                weights[name].grad.copy_(torch.from_numpy(g))
            update()
        for name, weight in weights.items():
            want = weight.detach().numpy().astype(np.float64)
            off = np.linalg.norm(got[name] - want)
            allowed = ROUNDING / TOLERANCE * np.linalg.norm(want)
            worst = max(worst, off / (np.linalg.norm(want - values[name]) + allowed))
    return worst


def formula(rule):
    """Copies do not change what an update is."""
    return " + ".join(part for part in rule.split(" + ") if not part.endswith(" copies"))


def check_update(spec, session, names, others):
    values = start(session, names)
    gradients = take_steps(session, names)
    got = {name: session.variable(name).astype(np.float64) for name in names}
    ours.check_copies(session, spec)
    norm = np.sqrt(sum(np.sum(g.astype(np.float64)**2) for g in gradients[0].values()))
    assert norm > 2, f"expected gradients that are clipped, but got a norm of {norm}"

    rule = spec["name"]
    own = error(rule, values, gradients, got)
    next_rule = min((error(other, values, gradients, got), other) for other in others
                    if formula(other) != formula(rule))
    print(f"{rule:36} {own:.1e} {next_rule[1]} {next_rule[0]:.1e}")
    failures = []
    if not own <= TOLERANCE:  # NaN fails
        failures.append(f"{rule}: expected PyTorch's forms to differ by at most {TOLERANCE}, but got {own:.3e}")
    if not next_rule[0] > 5 * TOLERANCE:
        failures.append(f"{rule}: expected another rule to differ by more than {5 * TOLERANCE}, but "
                        f"{next_rule[1]} does by {next_rule[0]:.3e}")
    return failures


def check_bytes(row, path):
    """Sweeps read and write what the row says, and next to nothing more: paddings, sums of rows."""
    tool = os.path.join(os.environ["TRAINC_TOOLS_DIR"], "trainrun")
    plan = json.loads(subprocess.run([tool, "inspect", path, "--json"], check=True,
                                     capture_output=True).stdout)
    moved = sum(kernel["bytes"] for kernel in plan["variants"][0]["kernels"]
                if kernel["operation"] in ("nn.select fused", "train.sweep"))
    if 1 <= moved / row.bytes <= 1.15:
        return []
    return [f"{row.label}: expected sweeps of {row.bytes:.0f} bytes, but got {moved:.0f}"]


def check_refresh(spec, session, names):
    values = start(session, names)
    session.run("refresh")
    pairs = dict(ours.copies(session))
    failures, forms = [], list(make_forms(spec["name"], values))
    for number, (weights, refresh) in enumerate(forms, 1):
        theirs = dict(zip(torch_rules.copied(weights), refresh()))
        if theirs.keys() != pairs.keys():
            failures.append(f"{spec['name']}: expected copies of {pairs.keys()}, but got {theirs.keys()}")
            continue
        for name, copy in theirs.items():
            bits = session.variable(pairs[name]).view(np.int16)
            if not (copy.view(torch.int16).numpy() == bits).all():
                failures.append(f"{spec['name']}: form {number} of {name} has other bits")
    print(f"{spec['name']:36} {len(forms)} forms, {'other' if failures else 'the same'} bits")
    return failures


def main():
    failures = []
    optimizer = list(rows.optimizer(rows.Shapes.tiny()))
    updates = [row.spec["name"] for row in optimizer if row.spec["program"] == "apply"]
    print(f"{'rule':36} updates differ by; next rule by")
    for row in optimizer:
        spec = row.spec
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "row.plan")
            program = ours.compile_spec({**spec, "sets": spec["sets"] + CONSTANT}, path)
            session = runtime.Session(path)
            if row.unit == "GB/s" and program == "apply":
                failures += check_bytes(row, path)
        session.set("control.random", (1, 0, 0))
        session.run("initialize")
        names = [n[len("grad."):] for n in session.names() if n.startswith("grad.")]
        failures += (check_update(spec, session, names, updates) if program == "apply"
                     else check_refresh(spec, session, names))
        session.close()
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
