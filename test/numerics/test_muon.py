# RUN: %python %s
"""Muon: matrices against a float64 reference, tall, wide and square; others by AdamW."""

import tempfile

import numpy as np

import runtime
from harness import TARGETS, Failures, main
from test_adafactor import check_skipped
from test_updates import Run, update_text

SHAPES = {"wide": (5, 12), "tall": (70, 33), "square": (64, 64), "again": (70, 33), "b": (9,), "s": ()}
RATE, DECAY = 0.02, 0.1


def orthogonalized(x, steps, scale):
    """Keller Jordan's iteration; singular values, not elements, are near 1."""
    a, b, c = 3.4445, -4.7750, 2.0315
    rows, columns = x.shape
    flipped = x.T if rows > columns else x
    y = flipped / (np.linalg.norm(x) + 1e-7)
    for _ in range(steps):
        gram = y @ y.T
        y = a * y + (b * gram + c * gram @ gram) @ y
    y = y.T if rows > columns else y
    return y * {"one": 1, "rows": max(1, rows / columns)**.5, "columns": max(1, columns / rows)**.5,
                "largest": 0.2 * max(rows, columns)**.5}[scale]


def test_rule(folder, target, failures):
    for scale, nesterov, steps in [("rows", True, 5), ("columns", False, 5), ("largest", True, 3), ("one", True, 1)]:
        recipe = (f'name = "muon"\nlearning_rate = {RATE}\nweight_decay = {DECAY}\nscale = "{scale}"\n'
                  f"nesterov = {str(nesterov).lower()}\nnewton_schulz_steps = {steps}\nclip_norm = 3.0\n")
        run = Run(folder, update_text(folder, recipe), SHAPES, target, spared=("again", "b"))
        rng = np.random.default_rng(steps)
        theta, states = {}, {name: (0.0, 0.0) for name in SHAPES}
        for name, shape in SHAPES.items():
            run.session.set(name, rng.standard_normal(shape))
            theta[name] = run.session.variable(name).astype(np.float64)
        for t in range(1, 11):
            given = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}
            run.step(given)
            norm = np.sqrt(sum(np.sum(np.float64(g)**2) for g in given.values()))
            for name, g in given.items():
                g = np.float64(g) * min(1, 3.0 / (norm + 1e-6))
                decay = 0.0 if name in ("again", "b") else DECAY
                m, v = states[name]
                if len(SHAPES[name]) == 2:
                    m = 0.95 * m + 0.05 * g
                    update = orthogonalized(0.95 * m + 0.05 * g if nesterov else m, steps, scale)
                    theta[name] = theta[name] * (1 - RATE * decay) - RATE * update
                else:
                    rate = 0.015 * RATE
                    m, v = 0.9 * m + 0.1 * g, 0.95 * v + 0.05 * g * g
                    step = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.95**t)) + 1e-10)
                    theta[name] = theta[name] * (1 - rate * decay) - rate * step
                states[name] = m, v
        for name in SHAPES:
            failures.check(f"[{target}] muon {scale} {name}", run.session.variable(name), theta[name], 3e-6)
            matrix = len(SHAPES[name]) == 2
            failures.check(f"[{target}] muon {scale} state of {name}",
                           run.session.variable(name + (".momentum" if matrix else ".m")), states[name][0], 1e-6, 0.1)
            if matrix and name + ".v" in run.session.names():
                failures.append(f"[{target}] expected no second moment of {name}")
        other = runtime.Session(run.path, 3)  # the same bits
        for name in other.names():
            other.variable(name)[...] = run.session.variable(name)
        for session in (run.session, other):
            run.session = session
            run.step(given)
        first, second = (session.variable("tall").tobytes() for session in (run.session, other))
        if first != second:
            failures.append(f"[{target}] muon: bits depend on threads")


def test_skipped(folder, target, failures):
    shapes = {name: SHAPES[name] for name in ("wide", "tall", "square", "b", "s")}
    check_skipped(folder, f'name = "muon"\nlearning_rate = {RATE}\nweight_decay = {DECAY}\n', shapes, target, failures)


def test_threads(folder, target, failures):
    """The same bits of every variable where a matrix is cut into several workgroups."""
    if target:
        return  # the reference's loops take minutes for such products
    recipe = f'name = "muon"\nlearning_rate = {RATE}\nnewton_schulz_steps = 2\n'
    run = Run(folder, update_text(folder, recipe), {"w": (601, 1025), "b": (9,)}, target)
    rng = np.random.default_rng(8)
    start = rng.standard_normal((601, 1025))
    gradients = [{"w": rng.standard_normal((601, 1025)), "b": rng.standard_normal(9)} for _ in range(2)]
    results = []
    for threads in (1, 2, 3):
        run.start(threads)
        run.session.set("w", start)
        for gradient in gradients:
            run.step(gradient)
        results.append({name: run.session.variable(name).tobytes() for name in run.session.names()})
    for other in results[1:]:
        failures.extend(f"muon: bits of {name} depend on threads" for name in other if other[name] != results[0][name])


def test_singular_values(folder, target, failures):
    """A step of a full-rank matrix moves it by singular values near 1."""
    recipe = 'name = "muon"\nlearning_rate = 1.0\nscale = "one"\n'
    run = Run(folder, update_text(folder, recipe), {"w": (48, 96)}, target)
    run.session.set("w", np.zeros((48, 96)))
    run.step({"w": np.random.default_rng(4).standard_normal((48, 96))})
    values = np.linalg.svd(run.session.variable("w").astype(np.float64), compute_uv=False)
    if not (values.min() > 0.5 and values.max() < 1.3):
        failures.append(f"[{target}] muon: singular values from {values.min()} to {values.max()}")


def test():
    failures = Failures()
    for target in TARGETS:
        for part in (test_rule, test_singular_values, test_skipped, test_threads):
            with tempfile.TemporaryDirectory() as folder:
                part(folder, target, failures)
    return failures


if __name__ == "__main__":
    main(test, both_precisions=False)
