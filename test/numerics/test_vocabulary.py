# RUN: %python %s
"""Vocabulary projection and cross-entropy by rows: several chunks and a tail, with
bias, tied tables and options of the loss, against NumPy and differences; and the
same numbers as without chunks, over several micro-batches and any threads.
"""

import os
import tempfile

import numpy as np

import references as ref
import runtime
from harness import Case, Failures, Precision, main, module_text, normal, relative_error, run, tensor

CHUNKS = "fusion.chunk_rows = 16 : i64"


def scaled(factor):
    return lambda rng, shape: factor * rng.standard_normal(shape)


def projections(n, c, v, targets, ids):
    """loss of cross_entropy(h · wᵀ …), every row weighted by its own w."""
    h, w, x, r = tensor((n, c)), tensor((v, c)), tensor((n, v)), tensor((n,))
    i = tensor((n,), "i32")
    tensors = {"h": ((n, c), normal), "e": ((v, c), scaled(0.5))}
    product = f"%x = nn.matmul %h, %e transpose_rhs : {h}, {w} -> {x}\n"

    def loss(options=""):
        return f"%y, %lse = nn.cross_entropy %x, %targets {{{options}}} : {x}, {i} -> {r}"

    yield Case("plain", tensors, product + loss(), (n,),
               lambda h, e: ref.cross_entropy(h @ e.T, targets, -100, 0, 0))
    yield Case("options", tensors,
               product + loss("label_smoothing = 0.1 : f64, z_loss = 0.03 : f64"), (n,),
               lambda h, e: ref.cross_entropy(h @ e.T, targets, -100, 0.1, 0.03))
    # The table is stored the other way, and there is a bias (BERT's decoder).
    yield Case("biased", {"h": ((n, c), normal), "t": ((c, v), scaled(0.5)), "b": ((v,), normal)},
               f"%p = nn.matmul %h, %t : {h}, {tensor((c, v))} -> {x}\n"
               f"%bb = nn.broadcast %b [1] : {tensor((v,))} -> {x}\n"
               f"%x = nn.add %p, %bb : {x}\n" + loss(), (n,),
               lambda h, t, b: ref.cross_entropy(h @ t + b, targets, -100, 0, 0))
    # The table makes the hidden states as well.
    yield Case("tied", tensors,
               f"%rows = nn.embedding %e, %inputs : {w}, {i} -> {h}\n"
               f"%mixed = nn.mul %rows, %h : {h}\n"
               f"%x = nn.matmul %mixed, %e transpose_rhs : {h}, {w} -> {x}\n" + loss(), (n,),
               lambda h, e: ref.cross_entropy((e[ids] * h) @ e.T, targets, -100, 0, 0))
    # The gradient depends on lse: the operations between are by rows too.
    yield Case("squared", tensors,
               product + f"%loss, %lse = nn.cross_entropy %x, %targets : {x}, {i} -> {r}\n"
               f"%square = nn.mul %lse, %lse : {r}\n%y = nn.add %loss, %square : {r}", (n,),
               lambda h, e: ref.cross_entropy(h @ e.T, targets, -100, 0, 0)
               + ref.log_sum_exp(h @ e.T) ** 2)


def inputs(n, cases):
    names = ["targets"] + ["inputs"] * any(case.name == "tied" for case in cases)
    return [(name, tensor((n,), "i32")) for name in names]


def sample(rng, n, v, ignored):
    targets = rng.integers(0, v, n).astype(np.int32)
    targets[rng.random(n) < ignored] = -100
    return targets, rng.integers(0, v, n).astype(np.int32)


def outcome(plan, rng, cases, values, threads, micro_batches):
    """All results after `micro_batches`, with fresh parameters from `rng`."""
    session = runtime.Session(plan, threads=threads)
    for case in cases:
        for name, (shape, sampler, _) in case.tensors.items():
            session.set(case.symbol(name), sampler(rng, shape))
        session.set(case.symbol("w"), rng.standard_normal(case.result))
    for name, value in values.items():
        session.set(name, value)
    for batch in range(micro_batches):
        if "control.micro_batch" in session.names():
            session.set("control.micro_batch", batch)
        session.run("count" if batch == 0 else "accumulate")
        if batch == 0:
            session.run("accumulate")
    session.run("evaluate")
    names = [n for n in session.names() if n.startswith(("grad.", "loss."))]
    found = {n: session.variable(n).copy() for n in names}
    session.close()
    return found


def compare(failures, n, c, v):
    """Chunks against whole logits, threads against threads."""
    rng = np.random.default_rng(n)
    targets, ids = sample(rng, n, v, 0.3)
    cases = list(projections(n, c, v, targets, ids))
    for case in cases:
        case.forward = False
    values = {"targets": targets, "inputs": ids}
    tolerance = 1e-12 if Precision.element == "f64" else 2e-6
    with tempfile.TemporaryDirectory() as folder:
        for micro_batches in (1, 2):
            found = {}
            for chunks in ("", CHUNKS):
                plan = os.path.join(folder, "case.plan")
                text = module_text(cases, inputs(n, cases), chunks, micro_batches)
                runtime.compile_plan(text, plan, None)
                for threads in (1, 3):
                    found[chunks, threads] = outcome(plan, np.random.default_rng(7), cases, values,
                                                     threads, micro_batches)
                one, three = found[chunks, 1], found[chunks, 3]
                failures += [f"{name} differs with the threads" for name in one
                             if one[name].tobytes() != three[name].tobytes()]
            for name, whole in found["", 1].items():
                failures.check(f"n={n} {micro_batches} micro-batches {name} by chunks",
                               found[CHUNKS, 1][name], whole, tolerance)
                if not np.any(whole):
                    failures.append(f"{name} is zero")


def test():
    failures = Failures()
    rng = np.random.default_rng(5)
    # Two chunks and a tail; whole chunks; a tail of one row; all ignored.
    for n, c, v, ignored in [(40, 5, 7, 0.3), (32, 3, 33, 0.0), (33, 4, 16, 0.5), (20, 2, 9, 1.0)]:
        targets, ids = sample(rng, n, v, ignored)
        for case in projections(n, c, v, targets, ids):
            failures += [f"n={n} c={c} v={v} {f}"
                         for f in run([case], inputs(n, [case]), {"targets": targets, "inputs": ids},
                                      seeds=(1,), attributes=CHUNKS)]
    compare(failures, 50, 6, 11)
    compare(failures, 64, 8, 70)
    return failures


if __name__ == "__main__":
    main(test)
