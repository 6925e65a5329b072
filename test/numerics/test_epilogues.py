# RUN: %python %s
"""Products with the elementwise operations that their kernels compute on each tile:
bias, GELU and its derivative, residuals, several results, batches; against NumPy.
"""

import numpy as np

import references as ref
from harness import Case, Failures, main, normal, run, tensor


def epilogues(m, k, n, batch=()):
    a, b, y = (*batch, m, k), (*batch, k, n), (*batch, m, n)
    dims = f"[{len(batch) + 1}]"
    product = f"%p = nn.matmul %a, %b : {tensor(a)}, {tensor(b)} -> {tensor(y)}\n"
    bias = f"%v = nn.broadcast %bias {dims} : {tensor((n,))} -> {tensor(y)}\n"
    factors = {"a": (a, normal), "b": (b, normal)}
    # The bias's column sum, the derivative of GELU after the product of the backward.
    yield Case("bias_gelu", {**factors, "bias": ((n,), normal)},
               product + bias + f"%h = nn.add %p, %v : {tensor(y)}\n%y = nn.gelu tanh %h : {tensor(y)}",
               y, lambda a, b, bias: ref.gelu(a @ b + bias, "tanh"))
    yield Case("residual", {**factors, "bias": ((n,), normal), "r": (y, normal)},
               product + bias + f"%h = nn.add %p, %v : {tensor(y)}\n%y = nn.add %h, %r : {tensor(y)}",
               y, lambda a, b, bias, r: a @ b + bias + r)
    # A transposed left factor, as in the gradients of weights.
    yield Case("transposed", {"a": ((*batch, k, m), normal), "b": (b, normal), "r": (y, normal)},
               f"%p = nn.matmul %a, %b transpose_lhs : {tensor((*batch, k, m))}, {tensor(b)} -> {tensor(y)}\n"
               f"%y = nn.add %p, %r : {tensor(y)}",
               y, lambda a, b, r: np.swapaxes(a, -1, -2) @ b + r)
    # The product's own result leaves the group: the backward pass reads it.
    yield Case("square", factors, product + f"%y = nn.mul %p, %p : {tensor(y)}", y,
               lambda a, b: (a @ b) ** 2)
    yield Case("two_products", {**factors, "c": (a, normal)},
               product + f"%q = nn.matmul %c, %b : {tensor(a)}, {tensor(b)} -> {tensor(y)}\n"
               f"%y = nn.mul %p, %q : {tensor(y)}", y, lambda a, b, c: (a @ b) * (c @ b))
    # The backward's products have epilogues: the derivative of tanh on both sides.
    yield Case("chain", {**factors, "c": ((*batch, n, k), normal)},
               product + f"%t = nn.tanh %p : {tensor(y)}\n"
               f"%q = nn.matmul %t, %c : {tensor(y)}, {tensor((*batch, n, k))} -> {tensor(a)}\n"
               f"%y = nn.tanh %q : {tensor(a)}", a,
               lambda a, b, c: np.tanh(np.tanh(a @ b) @ c))


def test():
    failures = Failures()
    # 70 x 50 is cut into tiles of 64 x 48 and what is left of them. Blocks of the
    # depth are codegen-cpu-test's: differences of large products take hours.
    for m, k, n, batch in [(1, 1, 1, ()), (3, 5, 7, ()), (1, 4, 9, ()), (37, 2, 17, ()),
                           (70, 3, 50, ()), (5, 2, 3, (2,)), (1, 2, 1, (2, 3))]:
        cases = list(epilogues(m, k, n, batch))
        for case in cases:
            case.elements = 40
        failures += [f"m={m} k={k} n={n} {batch} {f}" for f in run(cases)]
    return failures


if __name__ == "__main__":
    main(test)
