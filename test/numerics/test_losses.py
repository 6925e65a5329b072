# RUN: %python %s
"""Softmax, cross-entropy with its options, dropout."""

import numpy as np

import references as ref
from harness import COUNTERS, Case, Failures, main, normal, run, tensor


def softmax(shape):
    t = tensor(shape)
    return Case("softmax", {"x": (shape, normal)}, f"%y = nn.softmax %x : {t}", shape, ref.softmax)


def cross_entropies(n, v, targets):
    t, i, r = tensor((n, v)), tensor((n,), "i32"), tensor((n,))
    for name, smoothing, z in [("plain", 0.0, 0.0), ("smooth", 0.1, 0.0), ("z_loss", 0.0, 0.01),
                               ("both", 0.2, 0.05)]:
        text = (f"%y, %lse = nn.cross_entropy %x, %targets {{ignore_index = -100 : i64, "
                f"label_smoothing = {smoothing} : f64, z_loss = {z} : f64}} : {t}, {i} -> {r}")
        yield Case("cross_entropy_" + name, {"x": ((n, v), normal)}, text, (n,),
                   lambda x, s=smoothing, z=z: ref.cross_entropy(x, targets, -100, s, z))
    text = (f"%loss, %lse = nn.cross_entropy %x, %targets : {t}, {i} -> {r}\n"
            f"%product = nn.mul %lse, %lse : {r}\n%y = nn.add %loss, %product : {r}")
    yield Case("cross_entropy_lse", {"x": ((n, v), normal)}, text, (n,),
               lambda x: ref.cross_entropy(x, targets, -100, 0, 0) + ref.log_sum_exp(x) ** 2)


def dropout(shape, rows):
    t = tensor(shape)
    text = (f"%y = nn.dropout %x, %control_random {{rate = 0.3 : f64, batch_rows = {rows} : i64, "
            f"stream = 4 : i64}} : {t}, tensor<3xi64>")
    return Case("dropout", {"x": (shape, normal)}, text, shape,
                lambda x: ref.dropout(x, COUNTERS, 4, 0.3, rows), forward=False)


def published_values(failures):
    # training-semantics.md 3.1: logits [2, 1, 0.1], label 0.
    x = np.array([[2.0, 1.0, 0.1]])
    for z, want in [(0.0, 0.41703002), (1e-4, 0.41761422)]:
        failures.check(f"reference with z = {z}", ref.cross_entropy(x, np.array([0]), -100, 0, z),
                       [want], 1e-7)
    # Random123's known-answer test of philox4x32-10.
    words = [int(w) for w in ref.philox((0, 0, 0, 0), (0, 0))]
    if words != [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]:
        failures.append(f"reference Philox gives {[hex(w) for w in words]}")


def test():
    failures = Failures()
    published_values(failures)
    for shape in [(1,), (7,), (3, 1), (5, 9), (2, 3, 5)]:
        failures += [f"{shape} {f}" for f in run([softmax(shape)])]
    rng = np.random.default_rng(3)
    for n, v in [(1, 1), (5, 7), (9, 33)]:
        targets = rng.integers(0, v, n).astype(np.int32)
        targets[n // 2] = -100  # ignored
        failures += [f"n={n} v={v} {f}"
                     for f in run(list(cross_entropies(n, v, targets)),
                                  [("targets", tensor((n,), "i32"))], {"targets": targets})]
    for shape, rows in [((4, 9), 4), ((2, 3, 5), 2), ((1, 1), 1)]:
        failures += [f"{shape} {f}" for f in run([dropout(shape, rows)],
                                                 [("control.random", "tensor<3xi64>")])]
    return failures


if __name__ == "__main__":
    main(test)
