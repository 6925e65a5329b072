# RUN: %python %s
"""Losses that count few rows: chunks behind the counted rows do not run.

Against NumPy and differences with nothing, few and all of the rows counted; the same
bits for any threads; uncounted rows get gradients of exactly zero; and what stands in
a row behind the last chunk that runs, be it NaN, reaches no gradient.
"""

import os
import tempfile

import numpy as np

import runtime
from harness import Failures, Precision, main, module_text, run
from test_vocabulary import inputs, outcome, projections

CHUNK = 16
CHUNKS = f"fusion.chunk_rows = {CHUNK} : i64"
COUNTED = CHUNKS + ", train.counted_share = 0.15 : f64"


def sample(rng, n, v, share):
    """Targets of which exactly share · n count, anywhere."""
    targets = rng.integers(0, v, n).astype(np.int32)
    targets[rng.permutation(n)[round(share * n):]] = -100
    return targets, rng.integers(0, v, n).astype(np.int32)


def made(folder, cases, n, attributes, micro_batches):
    plan = os.path.join(folder, "case.plan")
    text = module_text(cases, inputs(n, cases), attributes, micro_batches)
    runtime.compile_plan(text, plan, None)
    return plan


def compare(failures, n, c, v, share):
    """With and without the order; threads against threads; zeros of the hidden states."""
    rng = np.random.default_rng(n)
    targets, ids = sample(rng, n, v, share)
    cases = list(projections(n, c, v, targets, ids))
    for case in cases:
        case.forward = False
    values = {"targets": targets, "inputs": ids}
    tolerance = 1e-12 if Precision.element == "f64" else 2e-6
    where = f"n={n} counted {share}"
    with tempfile.TemporaryDirectory() as folder:
        for micro_batches in (1, 2):
            found = {}
            for attributes in (CHUNKS, COUNTED):
                plan = made(folder, cases, n, attributes, micro_batches)
                for threads in (1, 2, 3):
                    found[attributes, threads] = outcome(plan, np.random.default_rng(7), cases,
                                                         values, threads, micro_batches)
            for name, want in found[CHUNKS, 1].items():
                got = found[COUNTED, 1][name]
                failures.check(f"{where}, {micro_batches} micro-batches, {name}", got, want,
                               tolerance)
                for threads in (2, 3):
                    if found[COUNTED, threads][name].tobytes() != got.tobytes():
                        failures.append(f"{where}: {name} differs with {threads} threads")
            for case in cases:
                # Of those whose every gradient comes from counted rows.
                if case.name in ("plain", "options", "biased"):
                    rows = found[COUNTED, 1]["grad." + case.symbol("h")]
                    if np.any(rows[targets == -100]):
                        failures.append(f"{where}: {case.name} has gradients in uncounted rows")


def leave_out(failures, n, c, v, counted):
    """NaN in the hidden states of rows that lie in chunks without counted rows."""
    rng = np.random.default_rng(3)
    targets, ids = sample(rng, n, v, counted / n)
    order = np.argsort(targets == -100, kind="stable")
    behind = order[max(1, -(-counted // CHUNK)) * CHUNK:]
    cases = [case for case in projections(n, c, v, targets, ids)
             if case.name in ("plain", "options", "biased")]
    for case in cases:
        case.forward = False
        shape, sampler, trainable = case.tensors["h"]

        def poisoned(rng, shape, sampler=sampler):
            values = sampler(rng, shape)
            values[behind] = np.nan
            return values

        case.tensors["h"] = (shape, poisoned, trainable)
    with tempfile.TemporaryDirectory() as folder:
        finite = {}
        for attributes in (CHUNKS, COUNTED):
            plan = made(folder, cases, n, attributes, 1)
            found = outcome(plan, np.random.default_rng(7), cases, {"targets": targets}, 2, 1)
            finite[attributes] = all(np.all(np.isfinite(value)) for value in found.values())
        if not finite[COUNTED]:
            failures.append(f"{counted} of {n} rows counted: a chunk without any ran")
        if finite[CHUNKS]:
            failures.append("NaN in all rows reaches no gradient")


def test():
    failures = Failures()
    rng = np.random.default_rng(5)
    # Nothing, few and all counted; tails of several rows and of one.
    for n, c, v, share in [(40, 5, 7, 0.0), (40, 5, 7, 0.15), (40, 5, 7, 1.0), (33, 4, 16, 0.5),
                           (97, 3, 33, 0.17)]:
        targets, ids = sample(rng, n, v, share)
        for case in projections(n, c, v, targets, ids):
            failures += [f"n={n} c={c} v={v} counted {share} {f}"
                         for f in run([case], inputs(n, [case]), {"targets": targets, "inputs": ids},
                                      seeds=(1,), attributes=COUNTED)]
    for share in (0.0, 0.15, 1.0):
        compare(failures, 50, 6, 11, share)
    compare(failures, 129, 8, 70, 0.2)
    for counted in (0, 1, 16, 17, 40):
        leave_out(failures, 70, 6, 11, counted)
    return failures


if __name__ == "__main__":
    main(test)
