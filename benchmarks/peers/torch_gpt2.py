#!/usr/bin/python3
"""One training step of GPT-2 in plain PyTorch, as a person would tune it, timed.

    benchmarks/peers/torch_gpt2.py --tokens tokens.safetensors --steps 4 --threads 2
    benchmarks/peers/torch_gpt2.py --tokens t.safetensors --steps 4 --threads 2 \\
        --padded-vocabulary 50304 --init model.safetensors

The same mathematics, data order and update as trainc's recipe gpt2-124m: windows
of the tokens in order, cross-entropy over all targets, clipping at 1.0, AdamW
with decay on matrices. Prints one JSON object: milliseconds and loss of each
step, and the process's peak of resident memory. benchmarks/run sets the
environment (peers/environment.py).
"""

import argparse
import json
import math
import os
import sys
import time

import torch
import torch.nn.functional as F

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "parity"))
import gpt2_torch
import safetensors_io


def forward(w, inputs, layers, heads):
    """Logits [B·T, V] of token ids [B, T]; w: name -> tensor, Conv1D layout.
    Biases ride on the products, the scale and the mask on the scores."""
    batch, length = inputs.shape
    hidden = w["transformer.wte.weight"].shape[1]
    head = hidden // heads
    mask = torch.full((length, length), -math.inf).triu(1)
    mask = mask.expand(batch * heads, length, length)
    h = F.embedding(inputs, w["transformer.wte.weight"]) + w["transformer.wpe.weight"][:length]
    h = h.view(batch * length, hidden)

    def norm(x, name):
        return F.layer_norm(x, (hidden,), w[name + ".weight"], w[name + ".bias"], 1e-5)

    def linear(x, name):
        return torch.addmm(w[name + ".bias"], x, w[name + ".weight"])

    def per_head(x):
        x = x.view(batch, length, heads, head).transpose(1, 2)
        return x.reshape(batch * heads, length, head)

    for i in range(layers):
        p = f"transformer.h.{i}."
        q, k, v = linear(norm(h, p + "ln_1"), p + "attn.c_attn").split(hidden, dim=1)
        q, k, v = per_head(q), per_head(k), per_head(v)
        scores = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=1 / math.sqrt(head))
        a = torch.bmm(torch.softmax(scores, -1), v)
        a = a.view(batch, heads, length, head).transpose(1, 2).reshape(batch * length, hidden)
        h = h + linear(a, p + "attn.c_proj")
        up = linear(norm(h, p + "ln_2"), p + "mlp.c_fc")
        h = h + linear(F.gelu(up, approximate="tanh"), p + "mlp.c_proj")
    return norm(h, "transformer.ln_f") @ w["transformer.wte.weight"].t()


def optimizer_for(weights, foreach):
    """AdamW as in the recipe: matrices decay, vectors do not."""
    groups = [{"params": [p for p in weights if p.dim() > 1], "weight_decay": 0.1},
              {"params": [p for p in weights if p.dim() == 1], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=6e-4, betas=(0.9, 0.95), eps=1e-8, foreach=foreach)


def initial_weights(arguments):
    """Random, or from a file; rows of a padded vocabulary are zero."""
    generator = torch.Generator().manual_seed(1)
    given = safetensors_io.read(arguments.init) if arguments.init else {}
    weights = {}
    for name, shape in gpt2_torch.shapes(arguments.vocabulary, arguments.positions,
                                         arguments.hidden, arguments.layers).items():
        if given:
            value = torch.from_numpy(given[name].copy())
        elif len(shape) == 2:
            value = torch.empty(shape).normal_(0, 0.02, generator=generator)
        else:
            value = torch.ones(shape) if name.endswith(".weight") else torch.zeros(shape)
        rows = arguments.padded_vocabulary
        if rows and name == "transformer.wte.weight":
            value = torch.cat([value, torch.zeros(rows - value.shape[0], value.shape[1])])
        weights[name] = value.requires_grad_()
    return weights


def peak_bytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def train(arguments):
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    tokens = safetensors_io.read(arguments.tokens)["tokens"].astype("int64")
    weights = initial_weights(arguments)
    optimizer = optimizer_for(list(weights.values()), arguments.foreach)
    window = arguments.sequences * arguments.length
    milliseconds, losses = [], []
    for step in range(1, arguments.steps + 1):
        begin = time.perf_counter()
        part = tokens[(step - 1) * window:step * window + 1]
        inputs = torch.from_numpy(part[:-1]).view(arguments.sequences, arguments.length)
        targets = torch.from_numpy(part[1:])
        for group in optimizer.param_groups:  # the recipe's warm-up
            group["lr"] = 6e-4 * step / 700
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bfloat16):
            logits = forward(weights, inputs, arguments.layers, arguments.heads)
        loss = F.cross_entropy(logits.float(), targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        milliseconds.append(1e3 * (time.perf_counter() - begin))
    return {"step_ms": milliseconds, "loss": losses, "peak_bytes": peak_bytes(),
            "torch": torch.__version__}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", required=True, help="token file")
    parser.add_argument("--init", help="weights to start from; default: random")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sequences", type=int, default=4)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--hidden", type=int, default=768)
    parser.add_argument("--vocabulary", type=int, default=50257)
    parser.add_argument("--positions", type=int, default=1024)
    parser.add_argument("--padded-vocabulary", type=int, default=0)
    parser.add_argument("--bfloat16", action="store_true", help="products in bfloat16 (autocast)")
    parser.add_argument("--foreach", action="store_true", help="optimizer over lists of tensors")
    print(json.dumps(train(parser.parse_args())))


if __name__ == "__main__":
    main()
