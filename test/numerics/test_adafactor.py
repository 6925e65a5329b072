# RUN: %python %s
"""AdaFactor: published numbers, every form over many updates, state and threads.

As in test_updates.py the rule is that of a recipe, put beside parameters whose
gradient is whatever the test says; here they are matrices and vectors of odd
shapes, some of several workgroups, some of one shape (updated together).
"""

import tempfile

import numpy as np

import runtime
from harness import TARGETS, Failures, main
from test_updates import Run, update_text

COMMON = 'name = "adafactor"\nlearning_rate = 0.01\n'


class Reference:
    """Algorithms 4 to 6 of the paper in float64, with the keys of the recipe."""

    def __init__(self, **keys):
        self.k = {"epsilon1": 1e-30, "epsilon2": 1e-3, "clip_threshold": 1.0,
                  "decay_exponent": 0.8, "relative_step": True, "warmup_init": False,
                  "scale_parameter": True, "unscaled_rate": 1.0, "beta1": 0.0,
                  "weight_decay": 0.0, "decay_by_rate": True, "min_dim_to_factor": 1,
                  "learning_rate": 0.01, **keys}
        self.t, self.states = 0, {}

    def recipe(self, extra=""):
        words = [f"{key} = {str(value).lower()}" for key, value in self.k.items()]
        return 'name = "adafactor"\n' + "\n".join(words) + "\n" + extra

    def begin(self):
        self.t += 1

    def update(self, name, theta, g, decay):
        k, t, s = self.k, self.t, self.states.setdefault(name, {})
        rate = k["learning_rate"]
        if k["relative_step"]:
            rate = min(1e-6 * t if k["warmup_init"] else rate, t**-0.5)
        beta = 1 - t ** -k["decay_exponent"]
        square = g * g + k["epsilon1"]
        if theta.ndim == 2 and min(theta.shape) >= k["min_dim_to_factor"]:
            s["v_row"] = beta * s.get("v_row", 0) + (1 - beta) * square.mean(1)
            s["v_col"] = beta * s.get("v_col", 0) + (1 - beta) * square.mean(0)
            v = np.outer(s["v_row"], s["v_col"]) / s["v_row"].mean()
        else:
            v = s["v"] = beta * s.get("v", 0) + (1 - beta) * square
        u = g / np.sqrt(v)
        if k["clip_threshold"]:
            u = u / max(1, np.sqrt((u * u).mean()) / k["clip_threshold"])
        if k["scale_parameter"]:
            rate *= max(k["epsilon2"], np.sqrt((theta * theta).mean()))
        else:
            rate *= k["unscaled_rate"]
        u = rate * u
        if k["beta1"]:
            u = s["m"] = k["beta1"] * s.get("m", 0) + (1 - k["beta1"]) * u
        shrink = (rate if k["decay_by_rate"] else 1.0) * (k["weight_decay"] if decay else 0.0)
        return theta - shrink * theta - u


def test_published(folder, target, failures):
    # 4.5: the tables and the vector.
    run = Run(folder, update_text(folder, COMMON), {"w": (2, 3), "b": (3,)}, target)
    run.session.set("w", [[.5, -1, 2], [1.5, .25, -.75]])
    run.session.set("b", (1.0, -2.0, 0.5))
    steps = [([[.1, -.2, .3], [.4, .05, -.6]], (0.1, -0.2, 0.3),
              [[.494669893, -.978679572, 1.99017177], [1.48896387, .247240968, -.739825191]],
              (.04666667, .17416667), (.085, .02125, .225), (0.986771243, -1.98677124, 0.486771243)),
             ([[-.2, .1, .05], [.3, -.4, .2]], (-0.05, 0.4, 0.3),
              [[.508570351, -.986513402, 1.98730438], [1.47894844, .262292591, -.745334487]],
              (.02991482, .12965461), (.07351302, .05786476, .10797636),
              (0.995460845, -2.00266327, 0.473659005))]
    for number, (gw, gb, w, row, column, b) in enumerate(steps, 1):
        run.step({"w": gw, "b": gb})
        for name, want in [("w", w), ("w.v_row", row), ("w.v_col", column), ("b", b)]:
            failures.check(f"[{target}] published {name} {number}", run.session.variable(name), want, 3e-7)


FORMS = {
    "T2T's defaults": {},
    "T2T without scaling": {"scale_parameter": False, "unscaled_rate": 0.05},
    "Hugging Face's, momentum and decay": {"beta1": 0.9, "weight_decay": 0.1, "warmup_init": True},
    "T5's": {"relative_step": False, "learning_rate": 0.02},
    "optax's": {"relative_step": False, "min_dim_to_factor": 6, "weight_decay": 1e-3,
                "decay_by_rate": False, "beta1": 0.5},
    "unclipped": {"clip_threshold": 0, "decay_exponent": 0.5, "epsilon1": 1e-8, "epsilon2": 0.5},
}
SHAPES = {"a": (5, 7), "b": (7,), "c": (5, 7), "d": (1, 130), "e": (130, 1), "f": (64, 64),
          "g": (77,), "h": (7,), "i": (5, 7), "j": ()}


def test_forms(folder, target, failures):
    """100 updates on fixed gradients: the error in norm, of parameters and states."""
    for form, keys in FORMS.items():
        reference = Reference(**keys)
        spared = ("c", "h")
        run = Run(folder, update_text(folder, reference.recipe()), SHAPES, target, spared=spared)
        rng = np.random.default_rng(len(form))
        theta = {}
        for name, shape in SHAPES.items():
            run.session.set(name, rng.standard_normal(shape))
            theta[name] = run.session.variable(name).astype(np.float64)
        gradients = [{name: rng.standard_normal(shape).astype(np.float32) * 10.0**rng.integers(-3, 2)
                      for name, shape in SHAPES.items()} for _ in range(5)]
        for number in range(100):
            given = gradients[number % len(gradients)]
            run.step(given)
            reference.begin()
            for name, g in given.items():
                g = np.float32(g).astype(np.float64)
                theta[name] = reference.update(name, theta[name], g, name not in spared)
        for name in SHAPES:
            wanted = {name: theta[name]}
            wanted.update({f"{name}.{key}": value for key, value in reference.states[name].items()})
            for variable, want in wanted.items():
                got = run.session.variable(variable).astype(np.float64)
                error = np.linalg.norm(got - want) / np.linalg.norm(want)
                if not error <= 2e-6:
                    failures.append(f"[{target}] {form}: {variable} is off by {error:.3g} after 100 updates")
        run.session.close()


def test_blocks(folder, target, failures):
    """Matrices of several workgroups, the last one smaller; clipping of all gradients;
    the same bits for any number of threads, and from a copy of the state."""
    shapes = {"a": (601, 1025), "b": (601, 1025), "c": (300000,)}
    reference = Reference()
    run = Run(folder, update_text(folder, reference.recipe("clip_norm = 2.0\n")), shapes, target)
    others = [runtime.Session(run.path, threads) for threads in (1, 3)]
    rng = np.random.default_rng(3)
    start = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    theta = {name: value.astype(np.float64) for name, value in start.items()}
    for session in (run.session, *others):
        session.set("control.random", (1, 0, 0))
        session.run("initialize")
        for name, value in start.items():
            session.set(name, value)
    sessions = [run.session, *others]
    for number in range(1, 4):
        g = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
        for session in sessions:
            run.session = session
            run.step(g)
        reference.begin()
        norm = np.sqrt(sum(np.sum(x.astype(np.float64)**2) for x in g.values()))
        for name in shapes:
            theta[name] = reference.update(name, theta[name],
                                           g[name].astype(np.float64) * min(1, 2 / (norm + 1e-6)), True)
            failures.check(f"[{target}] blocks {name} {number}", sessions[0].variable(name), theta[name], 1e-6)
        if number == 2:  # goes on where another stands
            fresh = runtime.Session(run.path, 2)
            for name in fresh.names():
                fresh.variable(name)[...] = sessions[1].variable(name)
            sessions.append(fresh)
    for name in sessions[0].names():
        want = sessions[0].variable(name).tobytes()
        for session in sessions[1:]:
            if session.variable(name).tobytes() != want:
                failures.append(f"[{target}] blocks: bits of {name} depend on threads or on a copy")


def test_state(folder, target, failures):
    # 4.7: a 1024×4096 matrix keeps 20,480 bytes.
    run = Run(folder, update_text(folder, COMMON), {"w": (1024, 4096)}, target)
    states = [name for name in run.session.names() if name.startswith("w.")]
    size = sum(run.session.variable(name).nbytes for name in states)
    if sorted(states) != ["w.v_col", "w.v_row"] or size != 20480:
        failures.append(f"[{target}] expected 20480 bytes in w.v_row and w.v_col, but got {size} in {states}")


def test_skipped(folder, target, failures):
    shapes = {"w": (2, 3), "x": (2, 3), "large": (300, 1001), "b": (77,)}
    recipe = COMMON + "beta1 = 0.9\nmin_dim_to_factor = 1\nweight_decay = 0.1\n"
    check_skipped(folder, recipe, shapes, target, failures)


def test_far_apart(folder, target, failures):
    """A row without gradient beside large ones: every quotient of roots would leave f32."""
    shape = (1000, 64)
    run = Run(folder, update_text(folder, COMMON + "min_dim_to_factor = 1\n"), {"w": shape}, target)
    rng = np.random.default_rng(6)
    start, gradient = rng.standard_normal(shape), 1e12 * rng.standard_normal(shape)
    gradient[3] = 0
    run.session.set("w", start)
    run.step({"w": gradient})
    got = run.session.variable("w")
    if not np.isfinite(got).all():
        failures.append(f"[{target}] expected finite weights, but got {np.isnan(got).sum()} NaN")
    if not np.array_equal(got[3], np.float32(start[3])):
        failures.append(f"[{target}] expected the row without gradient as before")


def check_skipped(folder, recipe, shapes, target, failures):
    """A gradient that is not finite, wherever it is: no variable changes a bit, and the
    next step is as if there had been none."""
    run, calm = (Run(folder, update_text(folder, recipe), shapes, target) for _ in range(2))
    rng = np.random.default_rng(3)
    start = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    for session in (run.session, calm.session):
        for name, value in start.items():
            session.set(name, value)
    names = [name for name in run.session.names()
             if name.split(".")[0] in (*shapes, "optimizer")]
    for where in shapes:
        good = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
        before = {name: run.session.variable(name).copy() for name in names}
        for bad in (np.inf, np.nan):
            spoiled = {name: value.copy() for name, value in good.items()}
            spoiled[where].flat[-1] = bad
            run.step(spoiled)
            for name in names:
                if run.session.variable(name).tobytes() != before[name].tobytes():
                    failures.append(f"[{target}] {bad} in {where}: expected {name} as before")
        run.step(good)
        calm.step(good)
        for name in names:
            if run.session.variable(name).tobytes() != calm.session.variable(name).tobytes():
                failures.append(f"[{target}] after {where}: expected {name} as without skipped steps")


def test():
    failures = Failures()
    for target in TARGETS:
        for part in (test_published, test_forms, test_blocks, test_state, test_far_apart, test_skipped):
            with tempfile.TemporaryDirectory() as folder:
                part(folder, target, failures)
    return failures


if __name__ == "__main__":
    main(test, both_precisions=False)
