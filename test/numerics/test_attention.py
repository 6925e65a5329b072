# RUN: %python %s
"""Attention: every mask, odd sizes below, at and above the blocks, lengths, dropout."""

import numpy as np

import references as ref
from harness import COUNT, COUNTERS, WEIGHT, Case, Failures, main, normal, run, tensor

SCALE = 0.7


def attention(name, b, tq, tk, h, d, mask, extra="", operands="", **options):
    q, k = (b, tq, h, d), (b, tk, h, d)
    text = (f"%y, %lse = nn.attention {mask} %q, %k, %v {operands} "
            f"{{scale = {SCALE} : f64{extra}}} : "
            f"{tensor(q)}, {tensor(k)} -> {tensor((b, h, tq))}")
    return Case(name, {"q": (q, normal), "k": (k, normal), "v": (k, normal)}, text, q,
                lambda q, k, v: ref.attention(q, k, v, SCALE, mask, **options),
                forward="counters" not in options,
                scales=lambda q, k, v, w: ref.attention_gradient_terms(
                    q, k, v, w * (WEIGHT / COUNT), SCALE, mask, **options),
                elements=12,
                outputs={"lse": ((b, h, tq), lambda q, k, v: ref.attention(
                    q, k, v, SCALE, mask, part="lse", **options))})


def windowed(name, b, t, h, d, window):
    return attention(name, b, t, t, h, d, "window", f", window = {window} : i64", window=window)


def with_lengths(b, tq, tk, h, d, lengths):
    """Masks that depend on the data; a row without keys gives 0 and lse -inf."""
    lengths = np.array(lengths, np.int32)
    operands = f"lengths %inputs : {tensor((b,), 'i32')}"
    cases = [attention("none", b, tq, tk, h, d, "none", operands=operands, lengths=lengths),
             attention("prefix", b, tq, tk, h, d, "prefix", operands=operands, lengths=lengths)]
    if tq == tk:
        cases += [attention("causal", b, tq, tk, h, d, "causal", operands=operands,
                            lengths=lengths),
                  attention("window", b, tq, tk, h, d, "window", ", window = 9 : i64",
                            operands=operands, lengths=lengths, window=9)]
    return cases, [("inputs", tensor((b,), "i32"))], {"inputs": lengths}


def with_dropout(b, tq, tk, h, d, mask, rate=0.3):
    case = attention("dropout", b, tq, tk, h, d, mask,
                     f", dropout = {rate} : f64, stream = 9 : i64",
                     "counters %control_random : tensor<3xi64>", counters=COUNTERS, stream=9,
                     rate=rate)
    return [case], [("control.random", "tensor<3xi64>")]


def joint(name, b, t, h, d):
    """Queries, keys and values as columns of one tensor: kernels read and write them there."""
    whole, part, head = (b * t, 3 * h * d), tensor((b * t, h * d)), tensor((b, t, h, d))
    text = f"%u0, %u1, %u2 = nn.split %x : {tensor(whole)} -> {part}, {part}, {part}\n"
    for i, operand in enumerate("qkv"):
        text += f"%{operand} = nn.reshape %u{i} : {part} -> {head}\n"
    text += (f"%y, %lse = nn.attention causal %q, %k, %v {{scale = {SCALE} : f64}} : "
             f"{head}, {head} -> {tensor((b, h, t))}")

    def heads(x):
        return [u.reshape(b, t, h, d) for u in np.split(x, 3, axis=1)]

    def scales(x, w):
        terms = ref.attention_gradient_terms(*heads(x), w * (WEIGHT / COUNT), SCALE, "causal")
        return {"x": max(terms.values())}

    return Case(name, {"x": (whole, normal)}, text, (b, t, h, d),
                lambda x: ref.attention(*heads(x), SCALE, "causal"), scales=scales, elements=12)


def sizes():
    """(B, T, H, D): one query; below a vector; primes and tails of one, two and three blocks."""
    return [(1, 1, 1, 1), (2, 1, 2, 5), (2, 5, 3, 4), (1, 17, 2, 3), (1, 64, 1, 8),
            (1, 67, 2, 5), (1, 128, 1, 16), (1, 131, 1, 1), (1, 149, 2, 20), (1, 33, 1, 80)]


def test():
    failures = Failures()
    for b, t, h, d in sizes():
        cases = [attention("none", b, t, t, h, d, "none"),
                 attention("causal", b, t, t, h, d, "causal"),
                 windowed("window_1", b, t, h, d, 1), windowed("window_7", b, t, h, d, 7),
                 windowed("window_70", b, t, h, d, 70)]
        failures += [f"B={b} T={t} H={h} D={d} {f}" for f in run(cases)]
    for b, t, h, d in [(1, 1, 1, 1), (2, 5, 3, 4), (1, 67, 2, 5), (2, 64, 2, 16), (1, 131, 3, 20)]:
        failures += [f"B={b} T={t} H={h} D={d} {f}" for f in run([joint("joint", b, t, h, d)])]
    for b, tq, tk, h, d in [(1, 3, 133, 2, 4), (2, 70, 9, 1, 3), (1, 1, 66, 1, 17)]:
        failures += [f"Tq={tq} Tk={tk} {f}"
                     for f in run([attention("cross", b, tq, tk, h, d, "none")])]
    for shape, lengths in [((3, 5, 6, 2, 4), (0, 3, 6)), ((3, 5, 5, 2, 4), (5, 1, 2)),
                           ((3, 131, 131, 1, 4), (0, 70, 131)), ((2, 64, 64, 1, 3), (64, 65)),
                           ((2, 20, 130, 1, 5), (65, 200))]:
        failures += [f"{shape} lengths={lengths} {f}"
                     for f in run(*with_lengths(*shape, lengths))]
    for shape, mask in [((2, 5, 5, 3, 4), "causal"), ((1, 131, 131, 2, 4), "causal"),
                        ((2, 132, 132, 1, 5), "causal"), ((1, 34, 34, 2, 3), "none"),
                        ((1, 9, 70, 1, 8), "none")]:
        failures += [f"{shape} {f}" for f in run(*with_dropout(*shape, mask))]
    return failures


if __name__ == "__main__":
    main(test)
