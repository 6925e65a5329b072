"""PyTorch's side of the kernel rows (suite/rows.py), each as plain torch does it best.

Started by benchmarks/run in the environment of peers/environment.py; the argument
is the number of threads. With `probe` as second argument it prints the GFLOP/s of
one matrix product and ends: so the fastest BLAS is found.
"""

import math
import os
import sys
import time

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "suite")]
import torch_gpt2
import torch_rules
import workers
from rows import parameter_shapes


def matmul(spec):
    m, n, k = spec["m"], spec["n"], spec["k"]
    type = torch.bfloat16 if spec["narrow"] else torch.float32
    a = (torch.randn(k, m).t() if spec["transpose_lhs"] else torch.randn(m, k)).to(type)
    b = (torch.randn(n, k).t() if spec["transpose_rhs"] else torch.randn(k, n)).to(type)
    out = torch.empty(m, n, dtype=type)
    if spec["epilogue"] is None:
        return lambda: torch.mm(a, b, out=out)
    bias = torch.randn(n).to(type)
    return lambda: F.gelu(torch.addmm(bias, a, b, out=out), approximate="tanh")


def attention(spec):
    b, t, h, d = spec["shape"]
    mask = torch.full((t, t), -math.inf).triu(1).expand(b * h, t, t)

    def forward(q, k, v):
        q, k, v = (x.transpose(1, 2).reshape(b * h, t, d) for x in (q, k, v))
        scores = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=d ** -0.5)
        y = torch.bmm(torch.softmax(scores, -1), v)
        return [y.view(b, h, t, d).transpose(1, 2).contiguous()]

    return either(spec, forward, [torch.randn(b, t, h, d) for _ in range(3)])


def norm(spec):
    m, c = spec["m"], spec["c"]
    weight, bias = torch.randn(c), torch.randn(c)
    if spec["residual"]:
        def forward(x, r, weight, bias):
            s = x + r
            return [F.layer_norm(s, (c,), weight, bias, 1e-5), s]
        return either(spec, forward, [torch.randn(m, c), torch.randn(m, c), weight, bias])
    return either(spec, lambda x, weight, bias: [F.layer_norm(x, (c,), weight, bias, 1e-5)],
                  [torch.randn(m, c), weight, bias])


def either(spec, forward, tensors):
    """The forward alone without a graph, or with its backward into .grad."""
    if not spec["backward"]:
        def run():
            with torch.no_grad():
                forward(*tensors)
        return run
    for x in tensors:
        x.requires_grad_()
    seeds = [torch.randn_like(y) for y in forward(*tensors)]

    def run():
        for x in tensors:
            x.grad = None
        torch.autograd.backward(forward(*tensors), seeds)
    return run


def vocabulary(spec):
    hidden = (0.02 * torch.randn(spec["m"], spec["c"])).requires_grad_()
    table = (0.02 * torch.randn(spec["v"], spec["c"])).requires_grad_()
    targets = torch.randint(0, spec["v"], (spec["m"],))
    # Only rows that count go through the projection, as one writes it by hand.
    counted = torch.randperm(spec["m"])[:spec["counted"]].sort()[0] if "counted" in spec else None

    def run():
        hidden.grad = table.grad = None
        rows, wanted = (hidden, targets) if counted is None else (hidden[counted], targets[counted])
        F.cross_entropy(rows @ table.t(), wanted).backward()
    return run


def optimizer(spec):
    weights = {}
    for name, shape in torch_gpt2.gpt2_torch.shapes(*parameter_shapes(spec)).items():
        weights[name] = torch.empty(shape).normal_(0, 0.02).requires_grad_()
        weights[name].grad = torch.empty(shape).normal_(0, 0.02)

    # Whichever form is the fastest one here.
    best, fastest = math.inf, None
    for form in torch_rules.forms(spec["name"], weights):
        seconds = min(workers.sample(form, 2, 10))
        if seconds < best:
            best, fastest = seconds, form
    return fastest


KINDS = {"matmul": matmul, "attention": attention, "norm": norm, "vocabulary": vocabulary,
         "optimizer": optimizer}


def prepare(spec):
    function = KINDS[spec["kind"]](spec)
    function()
    return function, {"ready": True}


def probe():
    function = matmul({"m": 1024, "n": 2304, "k": 768, "transpose_lhs": False,
                       "transpose_rhs": False, "epilogue": None, "narrow": False})
    begin = time.perf_counter()
    seconds = min(workers.sample(function, 20, 3))
    if time.perf_counter() - begin > 10:
        return 0.0
    return 2.0 * 1024 * 2304 * 768 / seconds * 1e-9


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    if sys.argv[2:] == ["probe"]:
        print(probe())
    else:
        workers.serve(prepare)
