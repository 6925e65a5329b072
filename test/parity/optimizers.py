"""Update rules over 100 steps: their error beside that of PyTorch's float32.

    optimizers.py        (TRAINC_TOOLS_DIR and TRAINC_LIBRARY_DIR in the environment)

Parameters of odd sizes, gradients from a fixed seed. An error is the norm of the
difference to the same rule in float64 on the same float32 start values and
gradients, over the norm of the result. Fails where ours is more than twice
PyTorch's, or either is no number.
"""

import os
import sys
import tempfile

import numpy as np
import torch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "numerics"))
from test_updates import Run, update_text

SIZES = {"a": 77, "b": 1, "c": 4097, "d": 64, "e": 1031}
STEPS = 100


def sgd(theta, g, state, t, o):
    d = g + o.get("weight_decay", 0) * theta
    mu = o.get("momentum", 0)
    buffer = d if t == 1 else mu * state["buffer"] + (1 - o.get("dampening", 0)) * d
    state["buffer"] = buffer
    return theta - o["lr"] * (d + mu * buffer if o.get("nesterov") else buffer)


def adam(theta, g, state, t, o, decoupled=False):
    (beta1, beta2), decay = o.get("betas", (0.9, 0.999)), o.get("weight_decay", 0)
    if decoupled:
        theta = theta * (1 - o["lr"] * decay)
    else:
        g = g + decay * theta
    state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    state["v"] = beta2 * state.get("v", 0) + (1 - beta2) * g * g
    root = np.sqrt(state["v"] / (1 - beta2**t))
    return theta - o["lr"] * state["m"] / (1 - beta1**t) / (root + o.get("eps", 1e-8))


def adamax(theta, g, state, t, o):
    beta1, beta2 = 0.9, 0.999
    g = g + o.get("weight_decay", 0) * theta
    state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * g
    state["u"] = np.maximum(beta2 * state.get("u", 0), np.abs(g) + 1e-8)
    return theta - o["lr"] / (1 - beta1**t) * state["m"] / state["u"]


def adamw(theta, g, state, t, o):
    return adam(theta, g, state, t, o, decoupled=True)


# name: (rule in float64, PyTorch's class, its options, the recipe's keys, clipping)
RULES = {
    "sgd, decay": (sgd, torch.optim.SGD, {"lr": 0.05, "weight_decay": 0.1},
                   'name = "sgd"\nlearning_rate = 0.05\nweight_decay = 0.1', 0),
    "momentum": (sgd, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9},
                 'name = "momentum"\nlearning_rate = 0.05\nmomentum = 0.9', 0),
    "nesterov, decay": (sgd, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True,
                                               "weight_decay": 0.01},
                        'name = "momentum"\nlearning_rate = 0.05\nmomentum = 0.9\n'
                        "nesterov = true\nweight_decay = 0.01", 0),
    "dampening": (sgd, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "dampening": 0.1,
                                         "weight_decay": 0.01},
                  'name = "momentum"\nlearning_rate = 0.05\nmomentum = 0.9\ndampening = 0.1\n'
                  "weight_decay = 0.01", 0),
    "adam": (adam, torch.optim.Adam, {"lr": 1e-3}, 'name = "adam"\nlearning_rate = 1e-3', 0),
    "adam, L2": (adam, torch.optim.Adam, {"lr": 0.01, "betas": (0.9, 0.95), "weight_decay": 0.1},
                 'name = "adam"\nlearning_rate = 0.01\nbeta2 = 0.95\nweight_decay = 0.1', 0),
    "adamw": (adamw, torch.optim.AdamW, {"lr": 0.01, "betas": (0.9, 0.95), "weight_decay": 0.1},
              'name = "adamw"\nlearning_rate = 0.01\nbeta2 = 0.95\nweight_decay = 0.1', 0),
    "adamw, clipping": (adamw, torch.optim.AdamW,
                        {"lr": 0.01, "betas": (0.9, 0.95), "weight_decay": 0.1},
                        'name = "adamw"\nlearning_rate = 0.01\nbeta2 = 0.95\nweight_decay = 0.1\n'
                        "clip_norm = 1.0", 1.0),
    # The rule of docs/OwnOptimizer.md, which is a text.
    "adamax, own rule": (adamax, torch.optim.Adamax, {"lr": 0.01, "weight_decay": 0.1},
                         f'rule = "{ROOT}/docs/examples/adamax.mlir"\nlearning_rate = 0.01\n'
                         "weight_decay = 0.1", 0),
}


def data():
    """Start values, and gradients of each step: of sizes from 1e-4 to 1 by element."""
    rng = np.random.default_rng(20)
    theta = {n: rng.standard_normal(s).astype(np.float32) for n, s in SIZES.items()}
    scale = {n: 10 ** rng.uniform(-4, 0, s) for n, s in SIZES.items()}
    gradients = [{n: (scale[n] * (rng.standard_normal(s) + 0.3)).astype(np.float32)
                  for n, s in SIZES.items()} for _ in range(STEPS)]
    return theta, gradients


def in_float64(rule, options, clip, theta, gradients):
    theta = {n: v.astype(np.float64) for n, v in theta.items()}
    states = {n: {} for n in theta}
    for t, step in enumerate(gradients, 1):
        step = {n: g.astype(np.float64) for n, g in step.items()}
        norm = np.sqrt(sum(np.sum(g * g) for g in step.values()))
        factor = min(1.0, clip / (norm + 1e-6)) if clip else 1.0
        for n in theta:
            theta[n] = rule(theta[n], step[n] * factor, states[n], t, options)
    return theta


def in_torch(kind, options, clip, theta, gradients):
    weights = {n: torch.from_numpy(v.copy()).requires_grad_() for n, v in theta.items()}
    optimizer = kind(weights.values(), **options)
    for step in gradients:
        for n, g in step.items():
            weights[n].grad = torch.from_numpy(g.copy())
        if clip:
            torch.nn.utils.clip_grad_norm_(weights.values(), clip)
        optimizer.step()
    return {n: w.detach().numpy() for n, w in weights.items()}


def ours(recipe, theta, gradients):
    with tempfile.TemporaryDirectory() as folder:
        # One step's worth of schedule would do: the rate is constant.
        run = Run(folder, update_text(folder, recipe, 'name = "constant"'), SIZES, None)
    for n, value in theta.items():
        run.session.set(n, value)
    for step in gradients:
        run.step(step)
    result = {n: run.session.variable(n).copy() for n in SIZES}
    run.session.close()
    return result


def error(got, want):
    return (np.sqrt(sum(np.sum((got[n].astype(np.float64) - want[n])**2) for n in SIZES))
            / np.sqrt(sum(np.sum(want[n]**2) for n in SIZES)))


def main():
    failures = 0
    print(f"{'rule':16} {'ours':>10} {'PyTorch':>10} {'ratio':>6}")
    for name, (rule, kind, options, recipe, clip) in RULES.items():
        theta, gradients = data()
        want = in_float64(rule, options, clip, theta, gradients)
        mine = error(ours(recipe, theta, gradients), want)
        theirs = error(in_torch(kind, options, clip, theta, gradients), want)
        print(f"{name:16} {mine:10.3e} {theirs:10.3e} {mine / theirs:6.2f}")
        if not mine <= 2 * theirs:  # NaN fails
            print(f"{name}: expected at most twice PyTorch's error of {theirs:.3e}, "
                  f"but got {mine:.3e}")
            failures += 1
        if not 0 < theirs < 1e-5:  # or the float64 rule is another one
            print(f"{name}: expected a rounding error of PyTorch, but got {theirs:.3e}")
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
