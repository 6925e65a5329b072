# RUN: %python %s
"""Programs in 16 bits, compiled from f32 modules by the precision stage.

Products of small multiples of 1/4 and their sums are exact in f32, and the factors
exact in 16 bits: whatever the order, layout or edge, results must be exact. Where
values are rounded on the way (attention, losses, norms) errors are of the size of
that rounding. The same bits come from the instruction for vectors of pairs of bfloat16
and from its emulation, and from each on any number of threads; from tiles, which add up
in another order, nearly the same.
"""

import ctypes
import os
import tempfile

import numpy as np

import references as ref
import runtime
from harness import Case, Failures, Precision, main, module_text, normal, relative_error, run, tensor
from test_attention import attention, joint

TYPES = {"bfloat16": 2.0**-8, "float16": 2.0**-11}  # half an ulp of 1


def quarters(rng, shape):
    return rng.integers(-8, 9, shape) / 4


def products(m, k, n):
    a, b, y = (m, k), (k, n), (m, n)

    def case(name, a, b, flags, reference):
        text = f"%y = nn.matmul %a, %b {flags} : {tensor(a)}, {tensor(b)} -> {tensor(y)}"
        return Case(name, {"a": (a, quarters), "b": (b, quarters)}, text, y, reference, elements=20,
                    weights=quarters)

    yield case("nn", a, b, "", lambda a, b: a @ b)
    yield case("nt", a, b[::-1], "transpose_rhs", lambda a, b: a @ b.T)
    yield case("tn", a[::-1], b, "transpose_lhs", lambda a, b: a.T @ b)
    yield case("tt", a[::-1], b[::-1], "transpose_lhs transpose_rhs", lambda a, b: a.T @ b.T)


def embeddings(positions, v, c, ids):
    """The rows of a table, read in 16 bits; the gradient's sums are in f32."""
    h, w = tensor((positions, c)), tensor((v, c))
    return Case("rows", {"e": ((v, c), quarters)},
                f"%y = nn.embedding %e, %inputs : {w}, {tensor((positions,), 'i32')} -> {h}",
                (positions, c), lambda e: e[ids], elements=20, weights=quarters)


def layer(m, k, n):
    """A norm, a product with bias and GELU, a residual and the product back: what is
    kept between kernels is rounded."""
    x, w1, w2, h = tensor((m, k)), tensor((k, n)), tensor((n, k)), tensor((m, n))
    text = (f"%z, %mean, %rstd = nn.layer_norm %x, %g, %b {{epsilon = 1.0e-5 : f64}} : {x}, "
            f"{tensor((k,))} -> {tensor((m,))}\n"
            f"%p = nn.matmul %z, %u : {x}, {w1} -> {h}\n"
            f"%bb = nn.broadcast %c [1] : {tensor((n,))} -> {h}\n%q = nn.add %p, %bb : {h}\n"
            f"%a = nn.gelu tanh %q : {h}\n%r = nn.matmul %a, %v : {h}, {w2} -> {x}\n"
            f"%y = nn.add %x, %r : {x}")

    def reference(x, g, b, u, c, v):
        z = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5) * g + b
        return x + ref.gelu(z @ u + c, "tanh") @ v

    def small(rng, shape):
        return 0.5 * rng.standard_normal(shape)

    return Case("layer", {"x": ((m, k), normal), "g": ((k,), normal), "b": ((k,), normal),
                          "u": ((k, n), small), "c": ((n,), normal), "v": ((n, k), small)},
                text, (m, k), reference, elements=20)


def loss(n, c, v, targets):
    h, w, x, r = tensor((n, c)), tensor((v, c)), tensor((n, v)), tensor((n,))
    text = (f"%x = nn.matmul %h, %e transpose_rhs : {h}, {w} -> {x}\n"
            f"%y, %lse = nn.cross_entropy %x, %targets {{label_smoothing = 0.1 : f64}} : {x}, "
            f"{tensor((n,), 'i32')} -> {r}")
    return Case("loss", {"h": ((n, c), normal), "e": ((v, c), normal)}, text, (n,),
                lambda h, e: ref.cross_entropy(h @ e.T, targets, -100, 0.1, 0), elements=20)


def in_type(compute, tolerance, cases, *arguments):
    """Like run(), in 16 bits and for every target."""
    Precision.element, Precision.targets = "f32", (None, "cpu:x86-64-v3", "cpu:reference")
    Precision.forward = Precision.gradient = tolerance
    failures = run(cases, *arguments, seeds=(1,), attributes=f'train.compute = "{compute}"')
    return [f"{compute} {failure}" for failure in failures]


def tiles_granted():
    """Whether the CPU has tile registers and Linux lets this process use them (AMX)."""
    arch_prctl, request_permission, tile_data = 158, 0x1023, 18
    return ctypes.CDLL(None).syscall(arch_prctl, request_permission, tile_data) == 0


def rounded(x):
    """f32 to bfloat16 and back, to nearest, ties to even."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def in_tiles(a, b):
    """a @ b as tiles add up, of one block of the depth: of 16 pairs the first products, and
    apart the second ones, both together to what was there (docs/decisions/precision.md).
    Products of bfloat16 are exact in f32."""
    a, b = rounded(a), rounded(b)
    total = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for first in range(0, a.shape[1], 32):
        sums = [np.zeros_like(total), np.zeros_like(total)]
        for k in range(first, min(first + 32, a.shape[1])):
            sums[k % 2] += a[:, k, None] * b[k]
        total += sums[0] + sums[1]
    return total


def same_bits():
    """Products, with depths of odd length and of several blocks, by each instruction and
    by the emulation, on one thread and three."""
    failures = Failures()
    Precision.element = "f32"
    cases = [case for m, k, n in [(33, 1601, 50), (70, 95, 131)] for case in products(m, k, n)]
    for index, case in enumerate(cases):
        case.name = f"{case.name}{index}"
    text = module_text(cases, attributes='train.compute = "bfloat16"')
    with tempfile.TemporaryDirectory() as folder:
        results = {}
        flags = open("/proc/cpuinfo").read().split()
        wide = "cpu:x86-64-v4" if "avx512bw" in flags else "cpu:x86-64-v3"
        runs = [(wide, 1), (wide, 3)] + [("cpu:znver4", 2)] * ("avx512_bf16" in flags)
        tiles = "cpu:sapphirerapids"
        runs += [(tiles, 1), (tiles, 3)] * ("amx_bf16" in flags and tiles_granted())
        for target, threads in runs:
            path = os.path.join(folder, "case.plan")
            runtime.compile_plan(text, path, target)
            session = runtime.Session(path, threads)
            rng = np.random.default_rng(3)
            values = {}
            for case in cases:
                for name, shape, _ in case.parameters():
                    values[case.name, name] = rng.standard_normal(shape).astype(np.float32)
                    session.set(case.symbol(name), values[case.name, name])
            session.set("control.micro_batch", 0)
            for program in ("count", "accumulate", "predict"):
                session.run(program)
            results[target, threads] = {
                name: session.variable(name).copy() for name in session.names()
                if name.startswith("grad.") or name.endswith(".y")}
            session.close()
    for case in cases if (tiles, 1) in results else ():
        a, b = values[case.name, "a"], values[case.name, "b"]
        if max(a.shape + b.shape) > 700:
            continue
        want = in_tiles(a.T if case.name[0] == "t" else a, b.T if case.name[1] == "t" else b)
        if not np.array_equal(results[tiles, 1][case.name + ".y"].view(np.uint32), want.view(np.uint32)):
            failures.append(f"{case.name} in tiles adds up in another order")
    first = next(iter(results))
    for other in list(results)[1:]:
        same_target = next(run for run in results if run[0] == other[0])
        for name, value in results[first].items():
            got, again = results[other][name], results[same_target][name]
            if not np.array_equal(got.view(np.uint32), again.view(np.uint32)):
                failures.append(f"{same_target} and {other} differ in {name}")
            # Blocks of the depth are longer for pairs: only within one are bits equal.
            if other[0] != first[0] and (other[0] == tiles or case_depth(cases, name) > 700):
                failures.check(f"{first} {other} {name}", got, value, 1e-5)
            elif not np.array_equal(value.view(np.uint32), got.view(np.uint32)):
                failures.append(f"{first} and {other} differ in {name}")
    return failures


def written_parameters():
    """Copies follow a parameter that the host writes where it has asked for it, also after
    a program has used it."""
    failures = Failures()
    Precision.element = "f32"
    case = next(products(5, 6, 7))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "case.plan")
        runtime.compile_plan(module_text([case], attributes='train.compute = "bfloat16"'), path, None)
        session = runtime.Session(path)
        rng = np.random.default_rng(4)
        for _ in range(2):
            arrays = {name: quarters(rng, shape) for name, shape, _ in case.parameters()}
            for name, value in arrays.items():
                session.set(case.symbol(name), value)
            session.run("predict")
            failures.check("written parameters", session.variable(case.name + ".y"), arrays["a"] @ arrays["b"], 1e-7)
        session.close()
    return failures


def case_depth(cases, variable):
    """The depth of the products behind a variable, at most."""
    name = variable.removeprefix("grad.").split(".")[0]
    case = next(c for c in cases if c.name == name)
    return max(max(shape) for shape, *_ in case.tensors.values())


def test():
    failures = Failures()
    Precision.element = "f32"
    for compute, ulp in TYPES.items():
        for m, k, n in [(1, 1, 1), (3, 5, 7), (17, 33, 49), (64, 96, 48), (5, 129, 30),
                        (130, 31, 65), (97, 833, 70)]:
            failures += [f"m={m} k={k} n={n} {f}"
                         for f in in_type(compute, 2e-7, list(products(m, k, n)))]
        rng = np.random.default_rng(5)
        ids = rng.integers(0, 11, 37).astype(np.int32)
        failures += in_type(compute, 2e-7, [embeddings(37, 11, 9, ids)],
                            [("inputs", tensor((37,), "i32"))], {"inputs": ids})
        for m, k, n in [(6, 8, 16), (37, 19, 50)]:
            failures += in_type(compute, 8 * ulp, [layer(m, k, n)])
        targets = rng.integers(0, 70, 9).astype(np.int32)
        targets[3] = -100
        failures += in_type(compute, 8 * ulp, [loss(9, 12, 70, targets)],
                            [("targets", tensor((9,), "i32"))], {"targets": targets})
        for b, t, h, d in [(2, 5, 3, 4), (1, 67, 2, 5), (1, 131, 1, 16)]:
            cases = [attention("none", b, t, t, h, d, "none"),
                     attention("causal", b, t, t, h, d, "causal")]
            failures += in_type(compute, 12 * ulp, cases)
        failures += in_type(compute, 12 * ulp, [joint("joint", 2, 20, 2, 8)])
    return failures + same_bits() + written_parameters()


if __name__ == "__main__":
    main(test, both_precisions=False)
