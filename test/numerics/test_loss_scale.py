# RUN: %python %s
"""The scale of the loss: the published traces, step by step with planted overflows,
what a skipped step leaves alone, and that a power of two changes no bit.

Rules and traces: training-semantics.md 5; what is skipped: 4.6.
"""

import tempfile

import numpy as np

from harness import TARGETS, Failures, main
from test_updates import GRADIENTS, THETA, Run, update_text

PYTORCH = "hysteresis = 1 : i64"
MEGATRON = "hysteresis = 2 : i64"
TRACE = "interval = 3 : i64"

OPTIMIZERS = {
    "sgd": 'name = "sgd"\nlearning_rate = 0.1',
    "momentum": 'name = "momentum"\nlearning_rate = 0.1\nmomentum = 0.9',
    "plain momentum": 'name = "momentum"\nlearning_rate = 0.1\nmomentum = 0.0',
    "adam": 'name = "adam"\nlearning_rate = 0.1\nweight_decay = 0.1',
    "adamw": 'name = "adamw"\nlearning_rate = 0.1\nweight_decay = 0.1\nclip_norm = 0.5',
    "no means": 'name = "adamw"\nlearning_rate = 0.1\nbeta1 = 0.0\nbeta2 = 0.0',
    "adafactor": 'name = "adafactor"\nlearning_rate = 0.1\nbeta1 = 0.9',
    "lion": 'name = "lion"\nlearning_rate = 0.1\nweight_decay = 0.1',
    "bert_adam": 'name = "bert_adam"\nlearning_rate = 0.1\nweight_decay = 0.1',
}


def scaled(folder, optimizer, scaling, target, sizes=None, micro_batches=1,
           schedule='name = "constant"\ntotal_steps = 10'):
    update = update_text(folder, optimizer, schedule)
    line = f"  train.scale_loss {scaling}" if scaling else ""
    return Run(folder, update, sizes or {"w": 3}, target, micro_batches, module_lines=line)


def contents(run):
    """Everything that a step may change and a skipped one may not."""
    names = [name for name in run.session.names()
             if name == "w" or name.startswith(("w.", "optimizer."))]
    return {name: run.session.variable(name).copy() for name in names}


def compare(failures, what, got, want):
    for name, value in want.items():
        if got[name].tobytes() != value.tobytes():
            failures.append(f"{what}: expected {name} = {value}, but got {got[name]}")


def moved(name):
    return name in ("optimizer.loss_scale", "optimizer.clean_steps", "optimizer.overflows_left")


def check_trace(failures, what, run, start, pattern, scales):
    """Step k overflows where pattern[k] is "1"; the scale after it is scales[k]."""
    used = start
    for step, (overflows, scale) in enumerate(zip(pattern, scales), 1):
        bad = np.array(GRADIENTS[step % 3])
        if overflows == "1":
            bad[step % 3] = (np.inf, -np.inf, np.nan)[step % 3]
        run.step({"w": bad})
        for name, want in (("metric.loss_scale", used), ("metric.skipped", float(overflows)),
                           ("optimizer.loss_scale", scale)):
            got = float(run.session.variable(name))
            if got != want:
                failures.append(f"{what} step {step}: expected {name} = {want}, but got {got}")
        used = scale


def test_traces(folder, target, failures):
    # 5: interval 3 from 1024, overflows at steps 3, 8 and 9.
    sgd = OPTIMIZERS["sgd"]
    pattern = "0010000110"
    run = scaled(folder, sgd, f"1024.0 dynamic {{{TRACE}, {PYTORCH}}}", target)
    check_trace(failures, f"[{target}] PyTorch", run, 1024, pattern,
                (1024, 1024, 512, 512, 512, 1024, 1024, 512, 256, 256))
    run = scaled(folder, sgd, f"1024.0 dynamic {{{TRACE}, {MEGATRON}}}", target)
    check_trace(failures, f"[{target}] Megatron", run, 1024, pattern,
                (1024, 1024, 1024, 1024, 1024, 2048, 2048, 2048, 1024, 1024))
    # Once spent, the hysteresis does not come back with a clean step: only with growth.
    run = scaled(folder, sgd, f"1024.0 dynamic {{{TRACE}, {MEGATRON}}}", target)
    check_trace(failures, f"[{target}] spent", run, 1024, "1010100011",
                (1024, 1024, 512, 512, 256, 256, 256, 512, 512, 256))
    # A floor holds; growth that would leave f32 does not happen, but counts anew.
    run = scaled(folder, sgd, "4.0 dynamic {floor = 1.5 : f64, interval = 2 : i64}", target)
    check_trace(failures, f"[{target}] floor", run, 4, "1110011", (2, 1.5, 1.5, 1.5, 3, 1.5, 1.5))
    run = scaled(folder, sgd, f"{2.0**126!r} dynamic {{interval = 1 : i64}}", target)
    check_trace(failures, f"[{target}] largest", run, 2.0**126, "0001",
                (2.0**127, 2.0**127, 2.0**127, 2.0**126))
    # Factors that are no powers of two, and no overflow over a whole interval.
    run = scaled(folder, sgd, "1000.0 dynamic {growth = 1.5 : f64, backoff = 0.25 : f64, "
                 "interval = 2 : i64}", target)
    check_trace(failures, f"[{target}] factors", run, 1000, "010001000",
                (1000, 250, 250, 375, 375, 93.75, 93.75, 140.625, 140.625))
    run = scaled(folder, sgd, "65536.0 dynamic", target)
    check_trace(failures, f"[{target}] 2000 steps", run, 65536, "0" * 2000 + "1",
                [65536] * 1999 + [131072, 65536])
    # A constant stays, and its overflows are skipped all the same.
    run = scaled(folder, sgd, "24.0", target)
    for step, bad in enumerate((0.1, np.inf, 0.1, np.nan), 1):
        run.step({"w": (bad, 0, 0)})
        got = tuple(float(run.session.variable(n)) for n in ("metric.loss_scale", "metric.skipped"))
        if got != (24.0, float(not np.isfinite(bad))):
            failures.append(f"[{target}] constant step {step}: got {got}")


def test_skips(folder, target, failures):
    """A skipped step leaves every bit but the scale's, with and without one; the next is
    as if it had not been."""
    for name, recipe in OPTIMIZERS.items():
        for scaling in ("", "8.0", f"8.0 dynamic {{{TRACE}}}"):
            what = f"[{target}] {name} {scaling!r}"
            run, calm = (scaled(folder, recipe, scaling, target) for _ in range(2))
            for session in (run.session, calm.session):
                session.set("w", THETA)
            for run_step, gradient in enumerate(GRADIENTS):
                for bad in (np.inf, np.nan, -np.inf):
                    before = contents(run)
                    run.step({"w": (0.5, bad, -1e30)})
                    after = contents(run)
                    compare(failures, what + " skipped", after,
                            {n: v for n, v in before.items() if not moved(n)})
                    if scaling and float(run.session.variable("metric.skipped")) != 1:
                        failures.append(what + ": expected skipped")
                run.step({"w": gradient})
                calm.step({"w": gradient})
                # Powers of two: another scale, the same bits.
                compare(failures, f"{what} step {run_step}", contents(run),
                        {n: v for n, v in contents(calm).items() if not moved(n)})
            if float(run.session.variable("optimizer.updates")) != 3:
                failures.append(f"{what}: expected 3 updates")


def test_exact(folder, target, failures):
    """Powers of two: weights, states, norm and loss to the last bit, over odd sizes,
    micro-batches and clipping; other scales within rounding."""
    rng = np.random.default_rng(5)
    sizes = {"w": 4099, "b": 77}
    recipe = OPTIMIZERS["adamw"]
    schedule = 'name = "cosine"\nwarmup_steps = 2\ntotal_steps = 10'
    scalings = ["", "1024.0", "65536.0 dynamic {interval = 2 : i64}", "1.0e-3", "30000.0"]
    runs = [scaled(folder, recipe, scaling, target, sizes, 2, schedule) for scaling in scalings]
    start = {name: rng.standard_normal(size) for name, size in sizes.items()}
    for run in runs:
        for name, value in start.items():
            run.session.set(name, value)
    for _ in range(6):
        parts = [{name: rng.standard_normal(size) for name, size in sizes.items()} for _ in range(2)]
        counts = (3, 4)
        for run in runs:
            for program in ("count", "accumulate"):
                for i, (part, count) in enumerate(zip(parts, counts)):
                    run.micro_batch(program, i, part, count)
            run.session.run("apply")
    names = [name for name in runs[0].session.names()
             if name in ("w", "b", "metric.grad_norm", "metric.learning_rate", "loss.given.sum")
             or name.startswith(("w.", "b.")) or name.startswith("optimizer.")]
    for run, scaling in zip(runs[1:], scalings[1:]):
        for name in names:
            got, want = run.session.variable(name), runs[0].session.variable(name)
            if "e-3" in scaling or scaling == "30000.0":
                failures.check(f"[{target}] {scaling} {name}", got, want, 1e-5)
            elif got.tobytes() != want.tobytes():
                failures.append(f"[{target}] {scaling}: expected the bits of no scale in {name}")


def test_overflow_by_the_scale(folder, target, failures):
    """Gradients fit, their scaled form does not: skipped until the scale fits."""
    run = scaled(folder, OPTIMIZERS["sgd"], f"{2.0**127!r} dynamic", target)
    run.session.set("w", THETA)
    skips = 0
    while True:
        run.step({"w": (1e3, 2.0, -1.0)})
        if not float(run.session.variable("metric.skipped")):
            break
        if not np.array_equal(run.session.variable("w"), np.float32(THETA)):
            failures.append(f"[{target}] expected frozen weights, but got {run.session.variable('w')}")
        skips += 1
    # 1000·2^k fits below 2^128 from k = 118 on.
    if skips != 9:
        failures.append(f"[{target}] expected 9 skipped steps, but got {skips}")
    failures.check(f"[{target}] norm without scale", run.session.variable("metric.grad_norm"),
                   np.sqrt(1e6 + 5), 1e-7)
    failures.check(f"[{target}] step", run.session.variable("w"),
                   np.array(THETA) - 0.1 * np.array((1e3, 2.0, -1.0)), 1e-6)


def test():
    failures = Failures()
    for target in TARGETS:
        for part in (test_traces, test_skips, test_exact, test_overflow_by_the_scale):
            with tempfile.TemporaryDirectory() as folder:
                part(folder, target, failures)
    return failures


if __name__ == "__main__":
    main(test, both_precisions=False)
