"""GPT-2 in PyTorch, as an oracle (training-semantics.md 1.1): Hugging Face's names,
Conv1D layout [in, out], tied embedding, tanh-GELU, pre-norm, no dropout."""

import math

import torch
import torch.nn.functional as F


def shapes(vocab, positions, hidden, layers):
    """name -> shape of every parameter, in Hugging Face's order."""
    result = {"transformer.wte.weight": (vocab, hidden), "transformer.wpe.weight": (positions, hidden)}
    for i in range(layers):
        p = f"transformer.h.{i}."
        for norm in ("ln_1", "ln_2"):
            result[p + norm + ".weight"] = result[p + norm + ".bias"] = (hidden,)
        for linear, n_in, n_out in (
            ("attn.c_attn", hidden, 3 * hidden), ("attn.c_proj", hidden, hidden),
            ("mlp.c_fc", hidden, 4 * hidden), ("mlp.c_proj", 4 * hidden, hidden),
        ):
            result[p + linear + ".weight"] = (n_in, n_out)
            result[p + linear + ".bias"] = (n_out,)
    result["transformer.ln_f.weight"] = result["transformer.ln_f.bias"] = (hidden,)
    return result


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def forward(w, inputs, layers, heads):
    """Logits [B, T, V] of token ids [B, T]; w: name -> tensor."""
    batch, time = inputs.shape
    hidden = w["transformer.wte.weight"].shape[1]
    h = w["transformer.wte.weight"][inputs] + w["transformer.wpe.weight"][:time]
    mask = torch.ones(time, time, dtype=torch.bool).tril()

    def norm(x, name):
        return F.layer_norm(x, (hidden,), w[name + ".weight"], w[name + ".bias"], 1e-5)

    def linear(x, name):
        return x @ w[name + ".weight"] + w[name + ".bias"]

    for i in range(layers):
        p = f"transformer.h.{i}."
        q, k, v = linear(norm(h, p + "ln_1"), p + "attn.c_attn").split(hidden, dim=2)
        q, k, v = (x.view(batch, time, heads, -1).transpose(1, 2) for x in (q, k, v))
        scores = (q @ k.transpose(-2, -1)) / math.sqrt(hidden // heads)
        scores = scores.masked_fill(~mask, float("-inf"))
        a = (torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(batch, time, hidden)
        h = h + linear(a, p + "attn.c_proj")
        h = h + linear(gelu(linear(norm(h, p + "ln_2"), p + "mlp.c_fc")), p + "mlp.c_proj")
    return norm(h, "transformer.ln_f") @ w["transformer.wte.weight"].T
