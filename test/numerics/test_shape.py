# RUN: %python %s
"""Moving and reducing elements."""

import numpy as np

from harness import Case, Failures, main, normal, run, tensor


def cases(a, b, c):
    t = tensor((a, b, c))
    x = {"x": ((a, b, c), normal)}
    square = lambda text, result: f"{text}\n%y = nn.mul %z, %z : {tensor(result)}"

    def case(name, text, result, function, tensors=x):
        return Case(name, tensors, square(text, result), result,
                    lambda **k: function(**k) ** 2)

    yield case("reshape", f"%z = nn.reshape %x : {t} -> {tensor((b, a * c))}", (b, a * c),
               lambda x: x.reshape(b, a * c))
    for p in [(0, 2, 1), (2, 0, 1), (1, 2, 0), (2, 1, 0)]:
        result = tuple((a, b, c)[d] for d in p)
        yield case("transpose_" + "".join(map(str, p)),
                   f"%z = nn.transpose %x {list(p)} : {t} -> {tensor(result)}", result,
                   lambda x, p=p: x.transpose(p))
    yield case("broadcast", f"%z = nn.broadcast %x [0, 2, 3] : {t} -> {tensor((a, 3, b, c))}",
               (a, 3, b, c), lambda x: np.repeat(x[:, None], 3, 1))
    yield case("broadcast_scalar", f"%z = nn.broadcast %x [] : {tensor(())} -> {tensor((a, b))}",
               (a, b), lambda x: np.full((a, b), x), {"x": ((), normal)})
    yield case("broadcast_bias", f"%z = nn.broadcast %x [2] : {tensor((c,))} -> {t}", (a, b, c),
               lambda x: np.broadcast_to(x, (a, b, c)), {"x": ((c,), normal)})
    yield case("slice", f"%z = nn.slice %x [0, {b // 2}, {c - 1}] : {t} -> {tensor((a, b - b // 2, 1))}",
               (a, b - b // 2, 1), lambda x: x[:, b // 2:, c - 1:])
    yield case("pad", f"%z = nn.pad %x [1, 0, 2] : {t} -> {tensor((a + 1, b + 1, c + 3))}",
               (a + 1, b + 1, c + 3), lambda x: np.pad(x, ((1, 0), (0, 1), (2, 1))))
    part, whole = tensor((a, c)), tensor((a, 3 * c))
    # The middle part is unused: its gradient is zero.
    yield case("split", f"%u, %v, %w3 = nn.split %x : {whole} -> {part}, {part}, {part}\n"
               f"%z = nn.mul %u, %w3 : {part}", (a, c),
               lambda x: x[:, :c] * x[:, 2 * c:], {"x": ((a, 3 * c), normal)})
    yield case("concat", f"%z = nn.concat %u, %v : {part}, {part} -> {tensor((a, 2 * c))}",
               (a, 2 * c), lambda u, v: np.concatenate([u, v], 1),
               {"u": ((a, c), normal), "v": ((a, c), normal)})
    for axes in [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]:
        result = tuple(n for d, n in enumerate((a, b, c)) if d not in axes)
        yield case("sum_" + "".join(map(str, axes)),
                   f"%z = nn.reduce_sum %x {list(axes)} : {t} -> {tensor(result)}", result,
                   lambda x, axes=axes: x.sum(axes))


def test():
    failures = Failures()
    for shape in [(1, 1, 1), (2, 3, 5), (3, 1, 7), (5, 8, 1), (1, 9, 4)]:
        failures += [f"{shape} {f}" for f in run(list(cases(*shape)))]
    return failures


if __name__ == "__main__":
    main(test)
