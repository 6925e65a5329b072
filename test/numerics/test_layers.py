# RUN: %python %s
"""Matrix products, embeddings and layer normalisation."""

import numpy as np

import references as ref
from harness import Case, Failures, main, normal, run, tensor


def matmuls(m, k, n, batch=()):
    for ta in (False, True):
        for tb in (False, True):
            a, b = (*batch, *((k, m) if ta else (m, k))), (*batch, *((n, k) if tb else (k, n)))
            flags = " ".join((["transpose_lhs"] if ta else []) + (["transpose_rhs"] if tb else []))
            text = f"%y = nn.matmul %a, %b {flags} : {tensor(a)}, {tensor(b)} -> {tensor((*batch, m, n))}"
            yield Case("matmul_" + "nt"[ta] + "nt"[tb], {"a": (a, normal), "b": (b, normal)}, text,
                       (*batch, m, n),
                       lambda a, b, ta=ta, tb=tb: (np.swapaxes(a, -1, -2) if ta else a)
                       @ (np.swapaxes(b, -1, -2) if tb else b))
    # A weight used twice: gradients add.
    a = (*batch, m, k)
    if m == k:
        yield Case("matmul_square", {"a": (a, normal)},
                   f"%y = nn.matmul %a, %a : {tensor(a)}, {tensor(a)} -> {tensor(a)}", a,
                   lambda a: a @ a)


def embeddings(rng, rows, vocabulary, channels):
    ids = rng.integers(0, vocabulary, rows).astype(np.int32)
    ids[-1] = ids[0]  # a repeated row
    result = (*rows_shape(rows), channels)
    text = (f"%y = nn.embedding %table, %inputs : {tensor((vocabulary, channels))}, "
            f"{tensor(rows_shape(rows), 'i32')} -> {tensor(result)}")
    case = Case("embedding", {"table": ((vocabulary, channels), normal)}, text, result,
                lambda table: table[ids])
    return [case], [("inputs", tensor(rows_shape(rows), "i32"))], {"inputs": ids}


def rows_shape(rows):
    return rows if isinstance(rows, tuple) else (rows,)


def norms(shape):
    c = shape[-1]
    t, v, s = tensor(shape), tensor((c,)), tensor(shape[:-1])
    text = f"%y, %mean, %rstd = nn.layer_norm %x, %weight, %bias {{epsilon = 1.0e-2 : f64}} : {t}, {v} -> {s}"
    yield Case("layer_norm", {"x": (shape, normal), "weight": ((c,), normal), "bias": ((c,), normal)},
               text, shape, lambda x, weight, bias: ref.layer_norm(x, weight, bias, 1e-2))
    yield Case("layer_norm_frozen_weight",
               {"x": (shape, normal), "weight": ((c,), normal, False), "bias": ((c,), normal, False)},
               text, shape, lambda x, weight, bias: ref.layer_norm(x, weight, bias, 1e-2))
    yield Case("layer_norm_frozen_input",
               {"x": (shape, normal, False), "weight": ((c,), normal), "bias": ((c,), normal)},
               text, shape, lambda x, weight, bias: ref.layer_norm(x, weight, bias, 1e-2))


def fused_norms(rows, c):
    """Residual sums before and behind a norm, whose kernel computes them; backwards
    the gradients of both sums, and of weight and bias in parts."""
    shape = (rows, c)
    t, v, s = tensor(shape), tensor((c,)), tensor((rows,))
    text = (f"%s = nn.add %x, %r : {t}\n"
            f"%n, %mean, %rstd = nn.layer_norm %s, %weight, %bias {{epsilon = 1.0e-2 : f64}} : {t}, {v} -> {s}\n"
            f"%y = nn.add %n, %s : {t}")
    yield Case("residual_norm",
               {"x": (shape, normal), "r": (shape, normal), "weight": ((c,), normal),
                "bias": ((c,), normal)}, text, shape,
               lambda x, r, weight, bias: ref.layer_norm(x + r, weight, bias, 1e-2) + x + r,
               elements=20)


def test():
    failures = Failures()
    for m, k, n, batch in [(1, 1, 1, ()), (3, 3, 3, ()), (5, 7, 3, ()), (1, 9, 4, ()),
                           (33, 2, 17, ()), (37, 19, 70, ()), (3, 5, 4, (2,)), (1, 3, 1, (2, 3))]:
        failures += [f"m={m} k={k} n={n} {f}" for f in run(list(matmuls(m, k, n, batch)))]
    rng = np.random.default_rng(5)
    for rows, vocabulary, channels in [(1, 1, 1), (7, 3, 5), (40, 11, 1)]:
        failures += run(*embeddings(rng, rows, vocabulary, channels))
    for shape in [(1, 2), (3, 7), (2, 3, 5), (9, 33)]:
        failures += [f"{shape} {f}" for f in run(list(norms(shape)))]
    # The last is in parts of 26 rows, the last of 23, and more than one tile.
    for rows, c in [(1, 2), (3, 7), (9, 33), (101, 1237)]:
        failures += [f"{rows}x{c} {f}" for f in run(list(fused_norms(rows, c)))]
    return failures


if __name__ == "__main__":
    main(test)
