"""What nn computes, in NumPy float64: the formulas of dialects/nn/*.td."""

import statistics

import numpy as np
from math import erf as _erf

erf = np.vectorize(_erf, otypes=[np.float64])


def gelu(x, kind):
    if kind == "erf":
        return 0.5 * x * (1 + erf(x / np.sqrt(2)))
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def layer_norm(x, weight, bias, epsilon):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return weight * (x - mean) / np.sqrt(variance + epsilon) + bias


def log_sum_exp(x):
    top = x.max(-1, keepdims=True)
    return (top + np.log(np.exp(x - top).sum(-1, keepdims=True)))[..., 0]


def softmax(x):
    return np.exp(x - log_sum_exp(x)[..., None])


def cross_entropy(logits, targets, ignore_index, smoothing, z_loss):
    lse = log_sum_exp(logits)
    counted = targets != ignore_index
    safe = np.where(counted, targets, 0)
    target = np.take_along_axis(logits, safe[:, None], 1)[:, 0]
    loss = lse - (1 - smoothing) * target - smoothing * logits.mean(-1) + z_loss * lse**2
    return np.where(counted, loss, 0.0)


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011). counter: 4 arrays, key: 2 integers."""
    mask = np.uint64(0xFFFFFFFF)
    x = [np.asarray(c, dtype=np.uint64) & mask for c in np.broadcast_arrays(*counter)]
    k = [np.uint64(key[0] & 0xFFFFFFFF), np.uint64(key[1] & 0xFFFFFFFF)]
    for _ in range(10):
        p0, p1 = x[0] * np.uint64(0xD2511F53), x[2] * np.uint64(0xCD9E8D57)
        high, low = np.uint64(32), mask
        x = [(p1 >> high) ^ x[1] ^ k[0], p1 & low, (p0 >> high) ^ x[3] ^ k[1], p0 & low]
        k = [(k[0] + np.uint64(0x9E3779B9)) & mask, (k[1] + np.uint64(0xBB67AE85)) & mask]
    return x


def _key(seed):
    return seed & 0xFFFFFFFF, seed >> 32


def keep(element, counters, stream, rate):
    """Which elements dropout keeps, by global index (nn.dropout)."""
    element = np.asarray(element, dtype=np.uint64)
    block = element // np.uint64(4)
    words = np.stack(philox((block, block >> np.uint64(32), counters[1], stream),
                            _key(counters[0])))
    which = (element % np.uint64(4)).astype(np.int64)
    word = np.take_along_axis(words, which[None], 0)[0]
    return (word >> np.uint64(8)).astype(np.float64) * 2.0**-24 >= rate


def dropout(x, counters, stream, rate, batch_rows):
    first = counters[2] * (x.size // batch_rows)
    element = first + np.arange(x.size).reshape(x.shape)
    return np.where(keep(element, counters, stream, rate), x / (1 - rate), 0.0)


def random(kind, shape, counters, stream, offset, scale):
    element = np.arange(int(np.prod(shape)), dtype=np.uint64).reshape(shape)
    w = philox((element, element >> np.uint64(32), counters[1], stream), _key(counters[0]))

    def uniform(high, low):
        bits = (high << np.uint64(21)) ^ (low >> np.uint64(11))
        return bits.astype(np.float64) * 2.0**-53

    u1, u2 = uniform(w[0], w[1]), uniform(w[2], w[3])
    if kind == "uniform":
        return offset + scale * u1
    if kind == "truncated":
        # Between the two deviations; Python's quantile is no code of ours.
        quantile = np.vectorize(statistics.NormalDist().inv_cdf)
        low = statistics.NormalDist().cdf(-2)
        return offset + scale * quantile(low + (1 - 2 * low) * u1)
    return offset + scale * np.sqrt(-2 * np.log(1 - u1)) * np.cos(2 * np.pi * u2)


def attention(q, k, v, scale, mask="none", window=0, lengths=None, counters=None, stream=0,
              rate=0.0, part="result"):
    """q [B, Tq, H, D], k and v [B, Tk, H, D] -> [B, Tq, H, D]. Other parts: "lse"
    [B, H, Tq]; "weights", the probabilities and what dropout multiplies them by, both
    [B, H, Tq, Tk]."""
    batch, tq, heads, _ = q.shape
    tk = k.shape[1]
    score = scale * np.einsum("bihd,bjhd->bhij", q, k)
    i, j = np.arange(tq)[:, None], np.arange(tk)[None, :]
    see = np.ones((batch, 1, tq, tk), dtype=bool)
    if mask in ("causal", "window"):
        see &= j <= i
    if mask == "window":
        see &= i - j < window
    inside = None if lengths is None else j < lengths[:, None, None, None]
    if mask == "prefix":
        see = (j <= i) | inside
    elif inside is not None:
        see = see & inside
    score = np.where(see, score, -np.inf)
    top = score.max(-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    weight = np.exp(score - top)
    total = weight.sum(-1, keepdims=True)
    if part == "lse":
        with np.errstate(divide="ignore"):
            return (top + np.log(total))[..., 0]
    p = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    factor = np.ones_like(p)
    if rate > 0:
        row = counters[2] + np.arange(batch)
        element = row[:, None, None, None] * heads + np.arange(heads)[:, None, None]
        element = (element * tq + i) * tk + j
        factor = np.where(keep(element, counters, stream, rate), 1 / (1 - rate), 0.0)
    if part == "weights":
        return p, factor
    return np.einsum("bhij,bjhd->bihd", p * factor, v)


def attention_gradient_terms(q, k, v, gradient, scale, *mask, **options):
    """Largest sums of the absolute values of the terms in the gradients of q and k:
    p (|m·dp| + |delta|) instead of p (m·dp - delta)."""
    p, factor = attention(q, k, v, scale, *mask, part="weights", **options)
    result = np.einsum("bhij,bjhd->bihd", p * factor, v)
    dp = factor * np.einsum("bihd,bjhd->bhij", np.abs(gradient), np.abs(v))
    delta = np.einsum("bihd,bihd->bhi", np.abs(gradient), np.abs(result))
    ds = scale * p * (dp + delta[..., None])
    return {"q": np.einsum("bhij,bjhd->bihd", ds, np.abs(k)).max(),
            "k": np.einsum("bhij,bihd->bjhd", ds, np.abs(q)).max()}
