# RUN: %python %s
"""nn.scan: recurrences forward and in reverse, their gradients, outputs and sums."""

import numpy as np

import references as ref
from harness import Case, Failures, main, normal, run, tensor


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def small(rng, shape):
    return 0.5 * rng.standard_normal(shape)


def order(length, reverse):
    return range(length - 1, -1, -1) if reverse else range(length)


def rnn(length, batch, channels, reverse):
    """h = tanh(x + h·W); with W stored either way."""
    rows, state, weight = (length, batch, channels), (batch, channels), (channels, channels)
    for transposed in (False, True):
        flag = "transpose_rhs" if transposed else ""
        text = f"""
%y = nn.scan {'reverse' if reverse else ''} over (%x : {tensor(rows)}) from (%h : {tensor(state)}) with (%w0 : {tensor(weight)}) {{
^bb0(%row: {tensor(state)}, %before: {tensor(state)}, %u: {tensor(weight)}):
  %r = nn.matmul %before, %u {flag} : {tensor(state)}, {tensor(weight)} -> {tensor(state)}
  %s = nn.add %row, %r : {tensor(state)}
  %after = nn.tanh %s : {tensor(state)}
  nn.yield %after : {tensor(state)}
}} -> states ({tensor(rows)})"""

        def reference(x, h, w0, transposed=transposed):
            y = np.zeros(rows)
            for t in order(length, reverse):
                h = y[t] = np.tanh(x[t] + h @ (w0.T if transposed else w0))
            return y

        yield Case(f"rnn{'_t' if transposed else ''}{'_reverse' if reverse else ''}",
                   {"x": (rows, normal), "h": (state, normal), "w0": (weight, small)}, text, rows, reference,
                   elements=40)


def lstm(length, batch, channels):
    """PyTorch's cell: gates i, f, g, o; both states are results."""
    rows, state = (length, batch, channels), (batch, channels)
    gates, weight = (batch, 4 * channels), (4 * channels, channels)
    s, g = tensor(state), tensor(gates)
    text = f"""
%h1, %c1 = nn.scan over (%x : {tensor((length, *gates))}) from (%h, %c : {s}, {s}) with (%w0 : {tensor(weight)}) {{
^bb0(%row: {g}, %hb: {s}, %cb: {s}, %u: {tensor(weight)}):
  %r = nn.matmul %hb, %u transpose_rhs : {s}, {tensor(weight)} -> {g}
  %sum = nn.add %row, %r : {g}
  %ai, %af, %ag, %ao = nn.split %sum : {g} -> {s}, {s}, {s}, {s}
  %i = nn.sigmoid %ai : {s}
  %f = nn.sigmoid %af : {s}
  %gg = nn.tanh %ag : {s}
  %o = nn.sigmoid %ao : {s}
  %fc = nn.mul %f, %cb : {s}
  %ig = nn.mul %i, %gg : {s}
  %cn = nn.add %fc, %ig : {s}
  %tc = nn.tanh %cn : {s}
  %hn = nn.mul %o, %tc : {s}
  nn.yield %hn, %cn : {s}, {s}
}} -> states ({tensor(rows)}, {tensor(rows)})
%c2 = nn.mul %c1, %c1 : {tensor(rows)}
%y = nn.add %h1, %c2 : {tensor(rows)}"""

    def reference(x, h, c, w0):
        y = np.zeros(rows)
        for t in range(length):
            i, f, g, o = np.split(x[t] + h @ w0.T, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            y[t] = h + c * c
        return y

    yield Case("lstm", {"x": ((length, *gates), normal), "h": (state, normal), "c": (state, normal),
                        "w0": (weight, small)}, text, rows, reference, elements=40)


def everything(length, batch, channels):
    """Outputs that are no states, sums, a shared vector, one operand used twice, states that change places, a norm."""
    rows, state, vector = (length, batch, channels), (batch, channels), (channels,)
    s, v, m, b = tensor(state), tensor(vector), tensor((channels, channels)), tensor((batch,))
    text = f"""
%ha, %hb, %out, %sum = nn.scan over (%x : {tensor(rows)}) from (%h, %k : {s}, {s}) with (%bias, %w0 : {v}, {m}) {{
^bb0(%row: {s}, %p: {s}, %q: {s}, %bb: {v}, %u: {m}):
  %wide = nn.broadcast %bb [1] : {v} -> {s}
  %n, %mean, %rstd = nn.layer_norm %p, %bb, %bb {{epsilon = 1.0e-2 : f64}} : {s}, {v} -> {b}
  %l = nn.matmul %n, %u : {s}, {m} -> {s}
  %r = nn.matmul %q, %u transpose_rhs : {s}, {m} -> {s}
  %a = nn.add %l, %r : {s}
  %d = nn.mul %a, %row : {s}
  %e = nn.add %d, %wide : {s}
  %f = nn.tanh %e : {s}
  %g = nn.mul %f, %p : {s}
  %z = nn.reduce_sum %g [0] : {s} -> {v}
  nn.yield %q, %f, %g, %z : {s}, {s}, {s}, {v}
}} -> states ({tensor(rows)}, {tensor(rows)}) outputs ({tensor(rows)}) sums ({v})
%many = nn.broadcast %sum [2] : {v} -> {tensor(rows)}
%t1 = nn.mul %many, %out : {tensor(rows)}
%t2 = nn.add %t1, %ha : {tensor(rows)}
%y = nn.add %t2, %hb : {tensor(rows)}"""

    def reference(x, h, k, bias, w0):
        ha, hb, out, total = np.zeros(rows), np.zeros(rows), np.zeros(rows), np.zeros(vector)
        for t in range(length):
            n = ref.layer_norm(h, bias, bias, 1e-2)
            f = np.tanh((n @ w0 + k @ w0.T) * x[t] + bias)
            out[t] = f * h
            total = total + out[t].sum(0)
            h, k = k, f
            ha[t], hb[t] = h, k
        return total * out + ha + hb

    yield Case("everything", {"x": (rows, normal), "h": (state, normal), "k": (state, normal),
                              "bias": (vector, small), "w0": ((channels, channels), small)},
               text, rows, reference, elements=20)


def frozen(length, channels):
    """Only the weight is trained; the state is a vector, the sum a product of states."""
    rows, state = (length, channels), (channels,)
    s = tensor(state)
    text = f"""
%y = nn.scan over (%x : {tensor(rows)}) from (%h : {s}) with (%a : {s}) {{
^bb0(%row: {s}, %before: {s}, %k: {s}):
  %d = nn.mul %before, %k : {s}
  %after = nn.add %d, %row : {s}
  nn.yield %after : {s}
}} -> states ({tensor(rows)})"""

    def reference(x, h, a):
        y = np.zeros(rows)
        for t in range(length):
            h = y[t] = h * a + x[t]
        return y

    yield Case("decay", {"x": (rows, normal, False), "h": (state, normal, False), "a": (state, small)},
               text, rows, reference)


def test():
    failures = Failures()
    for length, batch, channels in [(1, 1, 1), (2, 1, 3), (5, 3, 7), (9, 17, 5), (3, 4, 33)]:
        cases = [*rnn(length, batch, channels, False), *rnn(length, batch, channels, True),
                 *lstm(length, batch, channels), *everything(length, batch, channels),
                 *frozen(length, channels)]
        failures += [f"T={length} B={batch} C={channels} {f}" for f in run(cases, seeds=(1,))]
    return failures


if __name__ == "__main__":
    main(test)
