"""Tests of nn operations: forward against NumPy, gradients against differences.

A Case is one use of an operation: its tensors, its text and its reference. A
test file puts cases into one module whose loss is the sum over cases of Σ w·y
with frozen random w, compiles it for the reference back end and the default one,
and compares on fresh values: @predict's outputs with the reference, @accumulate's
gradients with central differences of the reference, elementwise and along a
random direction. First in f64, for both back ends, then in f32 for the default
one (where its kernels differ most), with the reference still in f64.
"""

import os
import re
import sys
import tempfile

import numpy as np

import runtime

TARGETS = ("cpu:reference", None)
WEIGHT, COUNT = 3.0, 2.0
COUNTERS = (0x123456789ABCDEF, 7, 5)  # seed, step, first row


class Precision:
    """The element type of the modules being tested, and what to expect of it."""

    element = "f64"
    targets = TARGETS
    gradient = 1e-6  # what differences can see
    forward = 1e-10

    @classmethod
    def use_f32(cls):
        cls.element, cls.targets, cls.gradient, cls.forward = "f32", (None,), 3e-5, 3e-6


def tensor(shape, element=None):
    element = element or Precision.element
    return "tensor<" + "".join(f"{d}x" for d in shape) + element + ">"


def relative_error(got, want, scale=0.0):
    """Largest difference over the largest wanted value, or over `scale` where that is
    larger; NaN where either has one. Equal infinities do not differ."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    if got.shape != want.shape:
        return np.inf
    if got.size == 0:
        return 0.0
    same = np.isinf(want) & (got == want)
    got, want = np.where(same, 0, got), np.where(same, 0, want)
    return np.abs(got - want).max() / max(np.abs(want).max(), scale, 1e-30)


def normal(rng, shape):
    return rng.standard_normal(shape)


def positive(rng, shape):
    return np.exp(0.5 * rng.standard_normal(shape))


def away_from_zero(rng, shape):
    return rng.choice([-1.0, 1.0], shape) * (0.1 + np.abs(rng.standard_normal(shape)))


def distinct(rng, shape):
    """No two elements closer than 0.1, so that no difference crosses a kink."""
    size = int(np.prod(shape))
    return (0.1 * rng.permutation(size) + 0.05 * rng.random(size) - 0.05 * size).reshape(shape)


def rounded(values):
    """What the element type can hold of `values`, in f64."""
    kind = np.float32 if Precision.element == "f32" else np.float64
    return np.array(values, dtype=kind).astype(np.float64)


class Case:
    """tensors: name -> (shape, sampler[, trainable]); text: operations that end in
    %y, reading %name; reference(**arrays) -> y; ids: name -> integer array, inputs
    of the step, given to the reference too.

    scales(**arrays, w) -> name -> size of the terms whose sum the gradient of that
    tensor is. Where terms cancel, as in the softmax of a single key, whose gradient
    is exactly 0, rounding leaves about epsilon times that size, so an error is
    measured by it where it is larger than every element of the gradient.
    elements: how many elements of a gradient, chosen at random, are compared with
    differences one by one (the directions cover all).
    outputs: name -> (shape, reference) of further values that the text computes.
    weights: how w is drawn.
    """

    def __init__(self, name, tensors, text, result, reference, forward=True, scales=None,
                 elements=None, outputs=None, weights=normal):
        self.name, self.text, self.result = name, text, tuple(result)
        self.tensors = {k: v if len(v) == 3 else (*v, True) for k, v in tensors.items()}
        self.reference, self.forward, self.scales = reference, forward, scales
        self.elements, self.outputs, self.weights = elements, outputs or {}, weights

    def parameters(self):
        yield from ((n, s, t) for n, (s, _, t) in self.tensors.items())
        yield "w", self.result, False

    def symbol(self, tensor_name):
        return f"{self.name}.{tensor_name}"

    def body(self, inputs):
        def rename(match):
            return match.group(0) if match.group(1) in inputs else f"%{self.name}_{match.group(1)}"

        text = "".join(f"    %{self.name}_{n} = train.read @{self.symbol(n)} : {tensor(s)}\n"
                       for n, s, _ in self.parameters())
        text += re.sub(r"%([A-Za-z]\w*)", rename, self.text.rstrip()) + "\n"
        t, dims = tensor(self.result), list(range(len(self.result)))
        y = f"%{self.name}_y"
        if self.forward:
            text += f'    train.output "{self.name}.y" {y} : {t}\n'
            for name, (shape, _) in self.outputs.items():
                text += (f'    train.output "{self.name}.{name}" %{self.name}_{name} : '
                         f"{tensor(shape)}\n")
        text += f"    {y}w = nn.mul {y}, %{self.name}_w : {t}\n"
        text += f"    {y}s = nn.reduce_sum {y}w {dims} : {t} -> tensor<f64>\n"
        return text


def module_header(micro_batches=1, attributes=""):
    """The first line of a textual module, with what every plan must say.

    Ids come through the C interface, which has no limit of them: any table is large enough for a vocabulary of 1.
    """
    return ('module attributes {train.name = "numerics", train.objective = "causal_lm", '
            "train.sequences = 1 : i64, train.length = 1 : i64, "
            f"train.micro_batches = {micro_batches} : i64, train.seed = 1 : i64, "
            "train.total_steps = 10 : i64, train.vocab_size = 1 : i64, "
            "train.ignore_index = -100 : i64" + (", " + attributes if attributes else "") + "} {")


def module_text(cases, inputs=(), attributes="", micro_batches=1):
    """inputs: (name, type) pairs of the step, e.g. ("inputs", "tensor<2x3xi32>")."""
    names = [n for n, _ in inputs]
    lines = [module_header(micro_batches, attributes)]
    for case in cases:
        for name, shape, trainable in case.parameters():
            symbol = case.symbol(name)
            lines.append(f"  train.parameter @{symbol} constant : {tensor(shape)} "
                         f'{{external_name = "{symbol}", trainable = {str(trainable).lower()}}}')
    quoted = ", ".join(f'"{n}"' for n in names)
    lines.append(f"  train.step @step [{quoted}] {{")
    spelled = {n: "%" + n.replace(".", "_") for n in names}
    if inputs:
        lines.append("  ^bb0(" + ", ".join(f"{spelled[n]}: {t}" for n, t in inputs) + "):")
    arguments = {s[1:] for s in spelled.values()}
    total = None
    for case in cases:
        lines.append(case.body(arguments).rstrip("\n"))
        term = f"%{case.name}_ys"
        if total:
            lines.append(f"    %{case.name}_total = nn.add {total}, {term} : tensor<f64>")
            term = f"%{case.name}_total"
        total = term
    lines += [f"    %the_count = nn.constant dense<{COUNT}> : tensor<f64>",
              f'    train.loss "numerics" {total}, %the_count {{weight = {WEIGHT} : f64}} : tensor<f64>',
              "    train.gradient", "  }", "}"]
    return "\n".join(lines) + "\n"


def differences(function, arrays, name, indices):
    """Derivatives of the scalar `function` by the elements of arrays[name] at
    `indices`: fourth-order central."""
    x = arrays[name]
    gradient = np.zeros(len(indices))
    for n, index in enumerate(indices):
        h = 1e-3 * max(1.0, abs(x[index]))

        def at(step):
            changed = x.copy()
            changed[index] += step
            return function({**arrays, name: changed})

        gradient[n] = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
    return gradient


class Failures(list):
    def check(self, what, got, want, tolerance, scale=0.0):
        error = relative_error(got, want, scale)
        if not error <= tolerance:  # NaN fails
            self.append(f"{what}: relative error {error:.3g}, expected at most {tolerance:g}")


def check_case(case, session, arrays, rng, failures, where):
    w = arrays["w"]

    def loss(values):
        inner = {k: v for k, v in values.items() if k != "w"}
        return float((case.reference(**inner) * w).sum())

    inner = {k: v for k, v in arrays.items() if k != "w"}
    if case.forward:
        failures.check(f"{where} {case.name} forward", session.variable(f"{case.name}.y"),
                       case.reference(**inner), Precision.forward)
        for name, (_, reference) in case.outputs.items():
            failures.check(f"{where} {case.name} {name}", session.variable(f"{case.name}.{name}"),
                           reference(**inner), Precision.forward)
    scales = case.scales(**arrays) if case.scales else {}
    for name, (shape, _, trainable) in case.tensors.items():
        if not trainable:
            continue
        got = session.variable("grad." + case.symbol(name)).copy()
        indices = list(np.ndindex(shape))
        if case.elements and case.elements < len(indices):
            indices = [indices[i] for i in rng.choice(len(indices), case.elements, False)]
        want = differences(loss, arrays, name, indices) * (WEIGHT / COUNT)
        scale = scales.get(name, 0.0)
        failures.check(f"{where} {case.name} gradient of {name}",
                       np.array([got[i] for i in indices]), want, Precision.gradient, scale)
        direction = rng.standard_normal(shape)
        along = float((got * direction).sum())
        moved = [loss({**arrays, name: arrays[name] + s * 1e-5 * direction}) for s in (1, -1)]
        slope = (moved[0] - moved[1]) / 2e-5 * (WEIGHT / COUNT)
        # A direction may be nearly orthogonal to the gradient: measure by its size.
        size = max(np.linalg.norm(got), scale) * np.linalg.norm(direction)
        if not abs(along - slope) <= Precision.gradient * max(size, 1e-30):
            failures.append(f"{where} {case.name}: derivative of {name} along a direction is "
                            f"{along!r}, differences say {slope!r}")


def run(cases, inputs=(), values=None, seeds=(1, 2), attributes=""):
    """Compiles, runs and compares; returns the failures. values: name -> array of
    each input; control.random is COUNTERS. attributes: more of the module's."""
    failures = Failures()
    values = dict(values or {})
    text = module_text(cases, inputs, attributes)
    with tempfile.TemporaryDirectory() as folder:
        for target in Precision.targets:
            path = os.path.join(folder, "case.plan")
            runtime.compile_plan(text, path, target)
            session = runtime.Session(path)
            for seed in seeds:
                rng = np.random.default_rng(seed)
                arrays = {}
                for case in cases:
                    arrays[case.name] = {n: rounded(sample(rng, shape))
                                         for n, (shape, sample, _) in case.tensors.items()}
                    arrays[case.name]["w"] = rounded(case.weights(rng, case.result))
                    for name, value in arrays[case.name].items():
                        session.set(case.symbol(name), value)
                for name, _ in inputs:
                    value = COUNTERS if name == "control.random" else values[name]
                    session.set(name, value)
                if "control.micro_batch" in session.names():
                    session.set("control.micro_batch", 0)
                session.run("count")
                session.run("accumulate")
                if any(case.forward for case in cases):
                    session.run("predict")
                where = f"[{target or 'cpu'}, seed {seed}]"
                for case in cases:
                    check_case(case, session, arrays[case.name], rng, failures, where)
                want = sum(float((c.reference(**{k: v for k, v in arrays[c.name].items()
                                                 if k != 'w'}) * arrays[c.name]['w']).sum())
                           for c in cases)
                scale = sum(float(np.abs(arrays[c.name]["w"]).sum()) for c in cases)
                got = float(session.variable("loss.numerics.sum"))
                if not abs(got - want) <= Precision.forward * max(abs(want), scale):
                    failures.append(f"{where} loss is {got!r}, expected {want!r}")
            session.close()
    return failures


def main(test, both_precisions=True):
    """Runs `test() -> failures` and exits accordingly."""
    failures = test()
    if both_precisions:
        Precision.use_f32()
        failures += [f"f32 {failure}" for failure in test()]
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{len(failures)} failures")
    sys.exit(1 if failures else 0)
