"""The rows as textual modules, compiled by trainc like any other.

Forward rows become the program `predict` of a module with one output. Rows with a
backward become `accumulate` of a module whose loss is the sum of result times a
frozen random tensor, so autodiff writes the backward. Tensors are parameters, which
the worker fills.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "numerics"))
from harness import module_header, tensor as typed


def tensor(*shape):
    return typed(shape, "f32")


class Module:
    def __init__(self):
        self.parameters, self.body, self.inputs, self.attributes = [], [], [], ""

    def parameter(self, name, shape, trainable):
        self.parameters.append(
            f"  train.parameter @{name} constant : {tensor(*shape)} "
            f'{{external_name = "{name}", trainable = {str(trainable).lower()}}}')
        self.body.append(f"%{name} = train.read @{name} : {tensor(*shape)}")

    def add(self, *lines):
        self.body += lines

    def output(self, shape, result="%y"):
        """Ends a forward row. A step needs a loss; this one costs nothing."""
        self.parameter("unused", (1,), True)
        self.add(f'train.output "{result[1:]}" {result} : {tensor(*shape)}',
                 f"%loss = nn.reduce_sum %unused [0] : {tensor(1)} -> tensor<f64>")
        self.loss("%loss")

    def weighted(self, results):
        """Ends a row with a backward: Σ result · frozen random tensor."""
        total = None
        for name, shape in results:
            self.parameter(f"seed_{name}", shape, False)
            t, dims = tensor(*shape), list(range(len(shape)))
            self.add(f"%{name}_w = nn.mul %{name}, %seed_{name} : {t}",
                     f"%{name}_s = nn.reduce_sum %{name}_w {dims} : {t} -> tensor<f64>")
            if total:
                self.add(f"%{name}_t = nn.add {total}, %{name}_s : tensor<f64>")
            total = f"%{name}_t" if total else f"%{name}_s"
        self.loss(total)

    def loss(self, total, count=1.0):
        self.add(f"%count = nn.constant dense<{count}> : tensor<f64>",
                 f'train.loss "row" {total}, %count : tensor<f64>', "train.gradient")

    def text(self):
        names = ", ".join(f'"{name}"' for name, _ in self.inputs)
        arguments = ", ".join(f"%{name}: {type}" for name, type in self.inputs)
        lines = [module_header(attributes=self.attributes), *self.parameters, f"  train.step @step [{names}] {{"]
        if arguments:
            lines.append(f"  ^bb0({arguments}):")
        return "\n".join([*lines, *("    " + line for line in self.body), "  }", "}"]) + "\n"


def matmul(module, spec):
    m, n, k = spec["m"], spec["n"], spec["k"]
    if spec["narrow"]:
        module.attributes = 'train.compute = "bfloat16"'
    a = (k, m) if spec["transpose_lhs"] else (m, k)
    b = (n, k) if spec["transpose_rhs"] else (k, n)
    flags = " ".join(flag for flag in ("transpose_lhs", "transpose_rhs") if spec[flag])
    module.parameter("a", a, False)
    module.parameter("b", b, False)
    y = "%product" if spec["epilogue"] else "%y"
    module.add(f"{y} = nn.matmul %a, %b {flags} : {tensor(*a)}, {tensor(*b)} -> {tensor(m, n)}")
    if spec["epilogue"]:
        module.parameter("bias", (n,), False)
        module.add(f"%wide = nn.broadcast %bias [1] : {tensor(n)} -> {tensor(m, n)}",
                   f"%sum = nn.add %product, %wide : {tensor(m, n)}",
                   f"%y = nn.gelu tanh %sum : {tensor(m, n)}")
    module.output((m, n))
    return "predict"


def attention(module, spec):
    b, t, h, d = shape = spec["shape"]
    for name in ("q", "k", "v"):
        module.parameter(name, shape, spec["backward"])
    module.add(f"%y, %lse = nn.attention causal %q, %k, %v {{scale = {d ** -0.5} : f64}} : "
               f"{tensor(*shape)}, {tensor(*shape)} -> {tensor(b, h, t)}")
    return finish(module, spec, [("y", shape)])


def norm(module, spec):
    m, c = shape = spec["m"], spec["c"]
    module.parameter("x", shape, spec["backward"])
    for name in ("weight", "bias"):
        module.parameter(name, (c,), spec["backward"])
    source, results = "%x", [("y", shape)]
    if spec["residual"]:
        module.parameter("r", shape, spec["backward"])
        module.add(f"%s = nn.add %x, %r : {tensor(*shape)}")
        source, results = "%s", [("y", shape), ("s", shape)]
    module.add(f"%y, %mean, %rstd = nn.layer_norm {source}, %weight, %bias "
               f"{{epsilon = 1.0e-5 : f64}} : {tensor(*shape)}, {tensor(c)} -> {tensor(m)}")
    return finish(module, spec, results)


def finish(module, spec, results):
    if spec["backward"]:
        module.weighted(results)
        return "accumulate"
    for name, shape in results[1:]:
        module.add(f'train.output "{name}" %{name} : {tensor(*shape)}')
    module.output(results[0][1])
    return "predict"


def vocabulary(module, spec):
    m, v, c = spec["m"], spec["v"], spec["c"]
    module.inputs.append(("targets", typed((m,), "i32")))
    if "counted" in spec:
        module.attributes = f"train.counted_share = {spec['counted'] / m} : f64"
    module.parameter("hidden", (m, c), True)
    module.parameter("table", (v, c), True)
    module.add(f"%logits = nn.matmul %hidden, %table transpose_rhs : {tensor(m, c)}, "
               f"{tensor(v, c)} -> {tensor(m, v)}",
               f"%loss, %lse = nn.cross_entropy %logits, %targets : {tensor(m, v)}, "
               f"{typed((m,), 'i32')} -> {tensor(m)}",
               f"%sum = nn.reduce_sum %loss [0] : {tensor(m)} -> tensor<f64>")
    module.loss("%sum", float(spec.get("counted", m)))
    return "accumulate"


def build(spec):
    """(text, program to time) of a row's spec."""
    module = Module()
    program = {"matmul": matmul, "attention": attention, "norm": norm,
               "vocabulary": vocabulary}[spec["kind"]](module, spec)
    return module.text(), program
