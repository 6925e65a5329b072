# RUN: %python %s
"""Elementwise operations of nn, at random shapes with extents 1 and odd ones."""

import numpy as np

import references as ref
from harness import Case, Failures, away_from_zero, distinct, main, normal, positive, run, tensor

UNARY = {
    "neg": (normal, lambda x: -x),
    "exp": (normal, np.exp),
    "log": (positive, np.log),
    "tanh": (normal, np.tanh),
    "sqrt": (positive, np.sqrt),
    "rsqrt": (positive, lambda x: 1 / np.sqrt(x)),
    "cos": (normal, np.cos),
    "sin": (normal, np.sin),
    "sigmoid": (normal, lambda x: 1 / (1 + np.exp(-x))),
    "relu": (away_from_zero, lambda x: np.maximum(x, 0)),
    "gelu tanh": (normal, lambda x: ref.gelu(x, "tanh")),
    "gelu erf": (normal, lambda x: ref.gelu(x, "erf")),
}
BINARY = {
    "add": (normal, np.add), "sub": (normal, np.subtract), "mul": (normal, np.multiply),
    "div": (positive, np.divide), "maximum": (distinct, np.maximum),
    "minimum": (distinct, np.minimum),
}


def cases(shape):
    t = tensor(shape)
    for name, (sample, function) in UNARY.items():
        yield Case(name.replace(" ", "_"), {"x": (shape, sample)}, f"%y = nn.{name} %x : {t}",
                   shape, lambda x, f=function: f(x))
    for name, (sample, function) in BINARY.items():
        if sample is distinct:  # one sample for both operands, so that they are apart
            double = (2, *shape)
            half = tensor((1, *shape))
            text = (f"%l = nn.slice %x {[0] * len(double)} : {tensor(double)} -> {half}\n"
                    f"%r = nn.slice %x {[1] + [0] * len(shape)} : {tensor(double)} -> {half}\n"
                    f"%y = nn.{name} %l, %r : {half}")
            yield Case(name, {"x": (double, sample)}, text, (1, *shape),
                       lambda x, f=function: f(x[:1], x[1:]))
        else:
            yield Case(name, {"a": (shape, sample), "b": (shape, sample)},
                       f"%y = nn.{name} %a, %b : {t}", shape, lambda a, b, f=function: f(a, b))
    yield Case("square", {"a": (shape, normal)}, f"%y = nn.mul %a, %a : {t}", shape,
               lambda a: a * a)
    mask = tensor(shape, "i1")
    for predicate, function in {"gt": np.greater, "le": np.less_equal}.items():
        text = (f"%c = nn.compare {predicate} %m, %n : {t} -> {mask}\n"
                f"%y = nn.select %c, %a, %b : {mask}, {t}")
        yield Case("select_" + predicate,
                   {"m": (shape, normal, False), "n": (shape, normal, False),
                    "a": (shape, normal), "b": (shape, normal)}, text, shape,
                   lambda m, n, a, b, f=function: np.where(f(m, n), a, b))
    # Differences of f32 roundings are noise, so the linear cast is tested where
    # rounding is exact: small multiples of 1/8.
    text = (f"%narrow = nn.cast %x : {t} -> {tensor(shape, 'f32')}\n"
            f"%wide = nn.cast %narrow : {tensor(shape, 'f32')} -> {t}\n"
            f"%y = nn.mul %wide, %wide : {t}")
    yield Case("cast", {"x": (shape, lambda rng, s: rng.integers(-16, 17, s) / 8.0)}, text, shape,
               lambda x: x * x)


def test():
    failures = Failures()
    rng = np.random.default_rng(11)
    shapes = [(), (1,), (7,), (1, 5), tuple(rng.choice([1, 2, 3, 5, 9], 3)), (3, 33)]
    for shape in shapes:
        shape = tuple(int(d) for d in shape)
        failures += [f"{shape} {f}" for f in run(list(cases(shape)))]
    return failures


if __name__ == "__main__":
    main(test)
