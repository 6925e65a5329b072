# RUN: %python %s
"""Update rules, clipping, schedules, micro-batches and start values.

The rules are those of recipes: train.update is taken from the recipe stage's
output and put beside three-element parameters, whose gradient is whatever the
test says (the loss is Σ gradient·θ). Wanted numbers are those published in
training-semantics.md, section by section.
"""

import os
import re
import subprocess
import tempfile

import numpy as np

import references as ref
import runtime
from harness import TARGETS, Failures, main, module_header, tensor

THETA = (1.0, -2.0, 0.5)
GRADIENTS = ((0.1, -0.2, 0.3), (-0.05, 0.4, 0.3), (0.2, 0.1, -0.6))

RECIPE = """[model]
family = "gpt2"
vocab_size = 11
max_positions = 4
hidden_size = 4
num_layers = 1
num_heads = 1
[objective]
name = "causal_lm"
[batch]
sequences = 1
length = 4
[optimizer]
{optimizer}
[schedule]
{schedule}
[run]
seed = 1
"""


def update_text(folder, optimizer, schedule='name = "constant"\ntotal_steps = 10'):
    """The train.update of a recipe, as text."""
    path = os.path.join(folder, "recipe.toml")
    with open(path, "w") as file:
        file.write(RECIPE.format(optimizer=optimizer, schedule=schedule))
    command = [os.path.join(os.environ["TRAINC_TOOLS_DIR"], "trainc"), "compile", path,
               "--stop-after", "recipe", "-o", "-"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = result.stdout.splitlines()
    first = next(i for i, line in enumerate(lines) if line.lstrip().startswith("train.update"))
    indent = re.match(r" *", lines[first]).group(0)
    last = next(i for i in range(first + 1, len(lines))
                if lines[i].startswith(indent + "}") and not lines[i].rstrip().endswith("{"))
    return "\n".join(lines[first:last + 1])


def module(update, tensors, micro_batches=1, spared=(), others=None, module_lines=""):
    """Parameters name -> size or shape in f32, each with its gradient as frozen parameter
    `given.<name>`; the loss's count is `given.count`'s value. Weight decay leaves out
    those in `spared`; `others` has more attributes of parameters."""
    text = [module_header(micro_batches), module_lines]
    body, total = [], None
    for name, shape in tensors.items():
        shape = (shape,) if isinstance(shape, int) else shape
        t = tensor(shape, "f32")
        decay = "false" if name in spared else "true"
        own = "".join(f", {key} = {value} : f64" for key, value in (others or {}).get(name, {}).items())
        text.append(f'  train.parameter @{name} constant : {t} '
                    f'{{decay = {decay}{own}, external_name = "{name}"}}')
        text.append(f'  train.parameter @given.{name} constant : {t} '
                    f'{{external_name = "given.{name}", trainable = false}}')
        body += [f"    %{name} = train.read @{name} : {t}",
                 f"    %g{name} = train.read @given.{name} : {t}",
                 f"    %p{name} = nn.mul %{name}, %g{name} : {t}",
                 f"    %s{name} = nn.reduce_sum %p{name} {list(range(len(shape)))} : {t} -> tensor<f64>"]
        if total:
            body.append(f"    %t{name} = nn.add {total}, %s{name} : tensor<f64>")
        total = f"%t{name}" if total else f"%s{name}"
    body += ["    %float = nn.cast %targets : tensor<1xi32> -> tensor<1xf64>",
             "    %number = nn.reshape %float : tensor<1xf64> -> tensor<f64>",
             f'    train.loss "given" {total}, %number : tensor<f64>', "    train.gradient"]
    text += ['  train.step @step ["targets"] {', "  ^bb0(%targets: tensor<1xi32>):", *body,
             update, "  }", "}"]
    return "\n".join(text) + "\n"


class Run:
    def __init__(self, folder, update, tensors, target, micro_batches=1, spared=(), others=None,
                 module_lines=""):
        self.path = os.path.join(folder, "update.plan")
        text = module(update, tensors, micro_batches, spared, others, module_lines)
        runtime.compile_plan(text, self.path, target)
        self.start()

    def start(self, threads=2):
        """A new session, as the recipe starts it."""
        self.session = runtime.Session(self.path, threads)
        self.session.set("control.random", (1, 0, 0))
        self.session.run("initialize")

    def micro_batch(self, program, index, gradients, count):
        for name, value in gradients.items():
            self.session.set("given." + name, value)
        self.session.set("targets", [count])
        self.session.set("control.micro_batch", index)
        self.session.run(program)

    def step(self, gradients):
        self.micro_batch("count", 0, gradients, 1)
        self.micro_batch("accumulate", 0, gradients, 1)
        self.session.run("apply")


# name: (recipe, θ after each step that is published, {state: value after the last})
TRACES = {
    # 4.1
    "sgd": ('name = "sgd"\nlearning_rate = 0.1', {3: (0.975, -2.03, 0.5)}, {}),
    "momentum": ('name = "momentum"\nlearning_rate = 0.1\nmomentum = 0.9',
                 {1: (0.99, -1.98, 0.47), 2: (0.986, -2.002, 0.413), 3: (0.9624, -2.0318, 0.4217)},
                 {"momentum": (0.236, 0.298, -0.087)}),
    "nesterov": ('name = "momentum"\nlearning_rate = 0.1\nmomentum = 0.9\nnesterov = true',
                 {3: (0.94116, -2.05862, 0.42953)}, {}),
    "dampening": ('name = "momentum"\nlearning_rate = 0.1\nmomentum = 0.9\ndampening = 0.1\n'
                  "weight_decay = 0.01", {3: (0.95816437, -2.01260444, 0.41886899)}, {}),
    # 4.2
    "adam_l2": ('name = "adam"\nlearning_rate = 0.1\nbeta1 = 0.9\nbeta2 = 0.95\nepsilon = 1e-8\n'
                "weight_decay = 0.1", {3: (0.73134090, -1.84361673, 0.29840343)}, {}),
    "adam": ('name = "adam"\nlearning_rate = 1e-3\nbeta1 = 0.9\nbeta2 = 0.999\nepsilon = 1e-8',
             {1: (0.9990000001, -1.99900000005, 0.499000000033),
              2: (0.998733663094, -1.99936610357, 0.498000000067),
              3: (0.998075551544, -1.99978175475, 0.498075649396)},
             {"m": (0.0236, 0.0298, -0.0087),
              "v": (5.247751e-5, 2.0976004e-4, 5.3973009e-4)}),
    "adam_beta2": ('name = "adam"\nlearning_rate = 0.1\nbeta1 = 0.9\nbeta2 = 0.95\nepsilon = 1e-8',
                   {1: (0.90000001, -1.9, 0.4), 2: (0.87316307, -1.9363374, 0.30000001),
                    3: (0.80828858, -1.97806444, 0.30747087)}, {}),
    # 4.3
    "adamw": ('name = "adamw"\nlearning_rate = 0.1\nbeta1 = 0.9\nbeta2 = 0.95\nepsilon = 1e-8\n'
              "weight_decay = 0.1",
              {1: (0.89000001, -1.88, 0.395), 2: (0.85426307, -1.8975374, 0.29105001),
               3: (0.78084595, -1.92028906, 0.29561037)}, {}),
    # 4.4
    "bert_adam": ('name = "bert_adam"\nlearning_rate = 0.1\nbeta1 = 0.9\nbeta2 = 0.95\n'
                  "epsilon = 1e-6\nweight_decay = 0.1",
                  {1: (0.94528064, -1.93527964, 0.45027931),
                   2: (0.91949857, -1.93803745, 0.38492847),
                   3: (0.86375174, -1.94859934, 0.38644010)}, {}),
}


def test_traces(folder, target, failures):
    for name, (recipe, thetas, states) in TRACES.items():
        run = Run(folder, update_text(folder, recipe), {"w": 3}, target)
        run.session.set("w", THETA)
        for step, gradient in enumerate(GRADIENTS, 1):
            run.step({"w": gradient})
            if step in thetas:
                failures.check(f"[{target}] {name} step {step}", run.session.variable("w"),
                               thetas[step], 1e-6)
        for state, want in states.items():
            failures.check(f"[{target}] {name} state {state}", run.session.variable("w." + state),
                           want, 1e-6)
        if float(run.session.variable("optimizer.updates")) != 3:
            failures.append(f"[{target}] {name}: expected 3 updates, but got "
                            f"{run.session.variable('optimizer.updates')}")


def renamed(text):
    """SSA values by the order in which they appear."""
    names = {}
    return re.sub(r"%\w+", lambda m: names.setdefault(m.group(0), f"%{len(names)}"), text)


def test_own_rules(folder, target, failures):
    """Each shipped rule, written out and named as optimizer.rule, is the same update."""
    if target is not None:
        return
    path = os.path.join(folder, "rule.mlir")
    for name in ("sgd", "momentum", "adam", "adamw", "bert_adam", "lion", "adafactor", "muon"):
        rest = "learning_rate = 0.1\nclip_norm = 2.0\nweight_decay = 0.1"
        shipped = update_text(folder, f'name = "{name}"\n{rest}', 'name = "linear"\ntotal_steps = 9')
        text = re.sub(r"schedule \{.*?\n    \} step \{", "schedule {\n^bb0(%t: tensor<f64>):\n"
                      "  %one = nn.constant dense<1.0> : tensor<f64>\n"
                      "  train.yield %one : tensor<f64>\n} step {", shipped, flags=re.DOTALL)
        # Clipping and decay are the recipe's.
        text = re.sub(r"(clip_norm|weight_decay) = [^,}]*(, )?", "", text).replace(", }", "}")
        with open(path, "w") as file:
            file.write(text)
        own = update_text(folder, f'rule = "{path}"\n{rest}', 'name = "linear"\ntotal_steps = 9')
        if renamed(own) != renamed(shipped):
            failures.append(f"expected {name} as a rule of one's own to be\n{shipped}\nbut got\n{own}")


def test_epsilon(folder, target, failures):
    # 4.4: one step with g = ε = 1e-6, η = 1 in PyTorch's, fairseq's and BERT's form.
    common = "learning_rate = 1.0\nbeta1 = 0.9\nbeta2 = 0.999\nepsilon = 1e-6\n"
    for recipe, moved in [('name = "adam"\n', 0.5),
                          ('name = "adam"\ncorrect_epsilon = false\n', 0.03065343),
                          ('name = "adamw"\ncorrect_epsilon = false\n', 0.03065343),
                          ('name = "bert_adam"\n', 0.09693466)]:
        run = Run(folder, update_text(folder, recipe + common + "weight_decay = 0.0"), {"w": 1},
                  target)
        run.session.set("w", (0,))
        run.step({"w": (1e-6,)})
        failures.check(f"[{target}] epsilon of {recipe!r}", -run.session.variable("w"), (moved,), 1e-6)


def test_clipping(folder, target, failures):
    update = update_text(folder, 'name = "sgd"\nlearning_rate = 1.0\nclip_norm = 1.0')
    run = Run(folder, update, {"a": 2, "b": 2}, target)
    # 4.6: over all gradients as one vector.
    run.step({"a": (3, 4), "b": (0, 12)})
    failures.check(f"[{target}] norm", run.session.variable("metric.grad_norm"), 13.0, 1e-12)
    failures.check(f"[{target}] clipped a", -run.session.variable("a"),
                   (0.2307692130, 0.3076922840), 1e-6)
    failures.check(f"[{target}] clipped b", -run.session.variable("b"), (0, 0.9230768521), 1e-6)
    run.session.set("a", (0, 0))
    run.step({"a": (0.3, 0.4), "b": (0, 0)})
    failures.check(f"[{target}] below the bound", -run.session.variable("a"), (0.3, 0.4), 1e-6)
    # TensorFlow's form adds nothing to the norm; no gradient at all stays none.
    update = update_text(folder, 'name = "sgd"\nlearning_rate = 1.0\nclip_norm = 1.0\nclip_epsilon = 0')
    run = Run(folder, update, {"a": 2, "b": 2}, target)
    run.step({"a": (3, 4), "b": (0, 12)})
    failures.check(f"[{target}] clipped a as TensorFlow", -run.session.variable("a"),
                   (0.2307692308, 0.3076923077), 1e-7)
    failures.check(f"[{target}] clipped b as TensorFlow", -run.session.variable("b"), (0, 0.9230769231), 1e-7)
    before = run.session.variable("a")
    run.step({"a": (0, 0), "b": (0, 0)})
    failures.check(f"[{target}] no gradient", run.session.variable("a"), before, 0.0)


def test_groups(folder, target, failures):
    check_groups(folder, target, failures, {"a": 77, "b": 1, "c": 4097, "d": 64, "e": 129})


def test_long_sweep(folder, target, failures):
    """More than caches hold, in tiles and what is left of them."""
    if target is None:
        check_groups(folder, target, failures, {"a": 77, "b": 1, "c": 2_000_003, "d": 64, "e": 129})


def check_groups(folder, target, failures, sizes):
    """One sweep over parameters of odd sizes, two weight decays, clipping: each
    element as if its tensor were alone; the norm is that of the gradients only."""
    spared = ("b", "e")
    # c decays in its own way, d learns slowly: both are sweeps of their own.
    decays = {"a": 0.1, "b": 0.0, "c": 0.3, "d": 0.1, "e": 0.0}
    rates = {"a": 0.1, "b": 0.1, "c": 0.1, "d": 0.025, "e": 0.1}
    others = {"c": {"weight_decay": 0.3}, "d": {"rate_factor": 0.25}}
    rng = np.random.default_rng(11)
    update = update_text(folder, 'name = "adamw"\nlearning_rate = 0.1\nbeta1 = 0.9\nbeta2 = 0.95\n'
                         "epsilon = 1e-8\nweight_decay = 0.1\nclip_norm = 3.0")
    run = Run(folder, update, sizes, target, spared=spared, others=others)
    theta = {name: rng.standard_normal(size) for name, size in sizes.items()}
    for name, value in theta.items():
        run.session.set(name, value)
        theta[name] = run.session.variable(name).astype(np.float64)
    m = {name: np.zeros(size) for name, size in sizes.items()}
    v = {name: np.zeros(size) for name, size in sizes.items()}
    for step in range(1, 4):
        gradients = {name: rng.standard_normal(size).astype(np.float32)
                     for name, size in sizes.items()}
        run.step(gradients)
        norm = np.sqrt(sum(np.sum(g.astype(np.float64)**2) for g in gradients.values()))
        failures.check(f"[{target}] groups norm {step}", run.session.variable("metric.grad_norm"),
                       norm, 1e-12)
        for name, g in gradients.items():
            g = g.astype(np.float64) * min(1.0, 3.0 / (norm + 1e-6))
            m[name] = 0.9 * m[name] + 0.1 * g
            v[name] = 0.95 * v[name] + 0.05 * g * g
            mean = m[name] / (1 - 0.9**step)
            root = np.sqrt(v[name] / (1 - 0.95**step))
            rate = rates[name]
            theta[name] = theta[name] * (1 - rate * decays[name]) - rate * mean / (root + 1e-8)
            failures.check(f"[{target}] groups {name} step {step}", run.session.variable(name),
                           theta[name], 1e-6)
    for name in sizes:
        failures.check(f"[{target}] groups {name}.m", run.session.variable(name + ".m"), m[name], 1e-6)
        failures.check(f"[{target}] groups {name}.v", run.session.variable(name + ".v"), v[name], 1e-6)


def test_schedules(folder, target, failures):
    # 6.1: warm-up 10, total 110, η = 1e-3, η_min = 1e-4.
    common = "warmup_steps = 10\ntotal_steps = 110\n"
    final = "final_ratio = 0.1\n"
    zero = 1e-18  # of 1e-3: at most that
    wanted = {
        ("cosine", final): {5: 5e-4, 10: 1e-3, 35: 8.68198052e-4, 60: 5.5e-4, 110: 1e-4, 120: 1e-4},
        ("linear", final): {5: 5e-4, 10: 1e-3, 35: 7.75e-4, 60: 5.5e-4, 110: 1e-4, 120: 1e-4},
        # Past the total the last value holds; Megatron's is η_min then.
        ("inverse_sqrt", ""): {5: 5e-4, 10: 1e-3, 35: 5.34522484e-4, 60: 4.08248290e-4,
                               110: 3.01511345e-4, 120: 3.01511345e-4},
        ("inverse_sqrt", final): {5: 5e-4, 10: 1e-3, 35: 5.34522484e-4, 60: 4.08248290e-4,
                                  110: 3.01511345e-4, 120: 1e-4},
        # Hugging Face's rises again past the total; ours stays.
        ("cosine", "final_ratio = 0\n"): {5: 5e-4, 10: 1e-3, 35: 8.53553391e-4, 60: 5e-4,
                                          110: zero, 120: zero},
        # BERT's; ELECTRA's by hand.
        ("linear", 'decay = "from_start"\n'): {
            5: 5e-4, 9: 9e-4, 10: 9.09090909e-4, 35: 6.81818182e-4, 60: 4.54545455e-4,
            110: zero, 120: zero},
        ("linear", 'decay = "times_warmup"\n'): {
            5: 4.77272727e-4, 10: 9.09090909e-4, 60: 4.54545455e-4, 110: zero},
    }
    for (name, keys), rates in wanted.items():
        update = update_text(folder, 'name = "sgd"\nlearning_rate = 1e-3',
                             f'name = "{name}"\n{keys}{common}')
        run = Run(folder, update, {"w": 3}, target)
        for step in range(1, 121):
            run.session.run("apply")
            if step in rates:
                rate = run.session.variable("metric.learning_rate")
                if rates[step] == zero:
                    rate = np.maximum(np.abs(rate), zero)
                failures.check(f"[{target}] {name} {keys!r} at {step}", rate, rates[step], 1e-8)


def test_t5_schedule(folder, target, failures):
    # 6.1: 1/√max(s, 10⁴), without a ramp.
    update = update_text(folder, 'name = "sgd"\nlearning_rate = 1.0', 'name = "t5"')
    run = Run(folder, update, {"w": 3}, target)
    for number, rate in [(1, 0.01), (9_999, 0.01), (10_000, 0.01), (20_000, 7.07106781e-3),
                         (524_288, 1.38106793e-3)]:
        run.session.set("optimizer.updates", number - 1)
        run.session.run("apply")
        failures.check(f"[{target}] t5 at {number}", run.session.variable("metric.learning_rate"),
                       rate, 1e-8)
    # 6.1: d^-½·min(s^-½, s·w^-1.5) with d = 512 and w = 4000.
    update = update_text(folder, f'name = "sgd"\nlearning_rate = {(512 * 4000) ** -0.5!r}',
                         'name = "inverse_sqrt"\nwarmup_steps = 4000')
    run = Run(folder, update, {"w": 3}, target)
    for number, rate in [(1, 1.74692811e-7), (4_000, 6.98771243e-4), (16_000, 3.49385621e-4)]:
        run.session.set("optimizer.updates", number - 1)
        run.session.run("apply")
        failures.check(f"[{target}] Vaswani's schedule at {number}",
                       run.session.variable("metric.learning_rate"), rate, 1e-8)
    update = update_text(folder, 'name = "sgd"\nlearning_rate = 0.5', 'name = "t5"\nwarmup_steps = 100')
    run = Run(folder, update, {"w": 3}, target)
    for number, rate in [(1, 0.05), (100, 0.05), (400, 0.025)]:
        run.session.set("optimizer.updates", number - 1)
        run.session.run("apply")
        failures.check(f"[{target}] t5 of 100 at {number}",
                       run.session.variable("metric.learning_rate"), rate, 1e-12)


def test_micro_batches(folder, target, failures):
    # 3.1: the sum over all micro-batches divided by the count over all of them.
    update = update_text(folder, 'name = "sgd"\nlearning_rate = 1.0')
    run = Run(folder, update, {"w": 3}, target, micro_batches=3)
    counts = (2, 0, 6)
    for _ in range(2):  # the second step must not see the first one's sums
        run.session.set("w", THETA)
        for program in ("count", "accumulate"):
            for i, (gradient, count) in enumerate(zip(GRADIENTS, counts)):
                run.micro_batch(program, i, {"w": gradient}, count)
        want = np.sum(GRADIENTS, axis=0) / sum(counts)
        failures.check(f"[{target}] gradient of 3 micro-batches", run.session.variable("grad.w"),
                       want, 1e-6)
        failures.check(f"[{target}] sum of 3 micro-batches", run.session.variable("loss.given.sum"),
                       float(np.sum(GRADIENTS, axis=0) @ np.array(THETA)), 1e-6)
        failures.check(f"[{target}] count", run.session.variable("loss.given.count"), 8.0, 0.0)
    for program in ("count", "accumulate"):
        for i in range(3):
            run.micro_batch(program, i, {"w": GRADIENTS[i]}, 0)
    if np.any(run.session.variable("grad.w") != 0):
        failures.append(f"[{target}] expected no gradient where nothing counts, but got "
                        f"{run.session.variable('grad.w')}")


def stream(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value & 0x7FFFFFFF


def test_start_values(folder, target, failures):
    text = [module_header()]
    wanted = {}
    seed = 0xFEDCBA987654321
    for kind, offset, scale in [("normal", 0.5, 0.02), ("uniform", -1.0, 2.0), ("truncated", -0.25, 0.5)]:
        for element, tolerance in [("f32", 1e-6), ("f64", 1e-12)]:
            name = f"h.{kind}.{element}"
            text.append(f"  train.parameter @{name} {kind} : tensor<7x9x{element}> {{offset = {offset} "
                        f': f64, scale = {scale} : f64, external_name = "{name}"}}')
            wanted[name] = (ref.random(kind, (7, 9), (seed, 0, 0), stream(name), offset, scale),
                            tolerance)
    text += ['  train.parameter @ones constant : tensor<3xf32> {offset = 1.0 : f64, external_name = "ones"}']
    wanted["ones"] = (np.ones(3), 0.0)
    text += ['  train.step @step [] {', '    %x = train.read @ones : tensor<3xf32>']
    text += ["    %sum = nn.reduce_sum %x [0] : tensor<3xf32> -> tensor<f64>",
             "    %n = nn.constant dense<1.0> : tensor<f64>",
             '    train.loss "l" %sum, %n : tensor<f64>', "  }", "}"]
    path = os.path.join(folder, "start.plan")
    runtime.compile_plan("\n".join(text) + "\n", path, target)
    session = runtime.Session(path)
    session.set("control.random", (seed, 0, 0))
    session.run("initialize")
    for name, (want, tolerance) in wanted.items():
        failures.check(f"[{target}] start of {name}", session.variable(name), want, tolerance)


def test_deviations(folder, target, failures):
    # 6.3: a normal of deviation 0.02 cut at two deviations has 0.01759251.
    text = [module_header()]
    wanted = {"truncated": 0.01759251, "normal": 0.02}
    for kind in wanted:
        text.append(f"  train.parameter @{kind} {kind} : tensor<1001x999xf32> "
                    f'{{scale = 0.02 : f64, external_name = "{kind}"}}')
    text += ['  train.step @step [] {', '    %x = train.read @normal : tensor<1001x999xf32>',
             "    %sum = nn.reduce_sum %x [0, 1] : tensor<1001x999xf32> -> tensor<f64>",
             "    %n = nn.constant dense<1.0> : tensor<f64>",
             '    train.loss "l" %sum, %n : tensor<f64>', "  }", "}"]
    path = os.path.join(folder, "deviation.plan")
    runtime.compile_plan("\n".join(text) + "\n", path, target)
    session = runtime.Session(path)
    session.set("control.random", (7, 0, 0))
    session.run("initialize")
    for kind, deviation in wanted.items():
        # Of 10⁶ samples the deviation is within 0.25 % but for one in 10⁵.
        sample = session.variable(kind).astype(np.float64)
        failures.check(f"[{target}] deviation of {kind}", sample.std(), deviation, 2.5e-3)
        failures.check(f"[{target}] mean of {kind}", 0.02 + sample.mean(), 0.02, 5e-3)
    largest = np.abs(session.variable("truncated")).max()
    if not largest <= np.float32(0.04):
        failures.append(f"[{target}] expected nothing past two deviations, but got {largest}")


def test():
    failures = Failures()
    for target in TARGETS:
        for part in (test_start_values, test_deviations, test_micro_batches, test_clipping,
                     test_groups, test_long_sweep, test_traces, test_own_rules, test_epsilon, test_schedules, test_t5_schedule):
            with tempfile.TemporaryDirectory() as folder:
                part(folder, target, failures)
    return failures


if __name__ == "__main__":
    main(test, both_precisions=False)
