# RUN: %python %s
"""A whole recipe against PyTorch in f64: GPT-2, causal_lm, clipping, AdamW, cosine.

models/recipes/tiny.toml with two micro-batches runs three steps on seeded random
weights and data with ignored targets. Compared with a GPT-2 written from
training-semantics.md 1.1: logits and hidden states, the loss of @evaluate, the
step's loss, every gradient (3.1: divided by the targets of the whole step), the
norm, the learning rate (6.1), every updated parameter (4.3, 4.6), and the logits
of @prefill.
"""

import math
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch

import runtime
from harness import TARGETS, relative_error

B, T, C, H, L, V, M = 2, 16, 32, 2, 2, 96, 2
TOLERANCE = 3e-5  # f32 against f64, on the largest value of a tensor
PEAK = 0.02  # updates far above the rounding of f32 weights
RECIPE = os.path.join(os.path.dirname(__file__), "../../models/recipes/tiny.toml")


def gpt2(p, ids):
    """Logits and final hidden states of ids [B, T]."""
    w = lambda name: p["transformer." + name]
    norm = lambda x, name: torch.nn.functional.layer_norm(
        x, (C,), w(name + ".weight"), w(name + ".bias"), 1e-5)
    linear = lambda x, name: x @ w(name + ".weight") + w(name + ".bias")
    h = w("wte.weight")[ids] + w("wpe.weight")[:ids.shape[1]]
    mask = torch.tril(torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool))
    for i in range(L):
        q, k, v = linear(norm(h, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn").split(C, dim=-1)
        heads = lambda x: x.reshape(*x.shape[:2], H, C // H).transpose(1, 2)
        score = heads(q) @ heads(k).transpose(2, 3) / math.sqrt(C // H)
        mixed = score.masked_fill(~mask, -math.inf).softmax(-1) @ heads(v)
        h = h + linear(mixed.transpose(1, 2).reshape(h.shape), f"h.{i}.attn.c_proj")
        m = linear(norm(h, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")
        m = 0.5 * m * (1 + torch.tanh(math.sqrt(2 / math.pi) * (m + 0.044715 * m ** 3)))
        h = h + linear(m, f"h.{i}.mlp.c_proj")
    h = norm(h, "ln_f")
    return h @ w("wte.weight").T, h


def loss_sum(p, inputs, targets):
    logits, _ = gpt2(p, torch.from_numpy(inputs).long())
    return torch.nn.functional.cross_entropy(
        logits.reshape(-1, V), torch.from_numpy(targets).long().reshape(-1),
        ignore_index=-100, reduction="sum")


def rate(step):
    """Cosine to a tenth with w = 10, T = 100."""
    if step <= 10:
        return PEAK * step / 10
    return PEAK * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (min(step, 100) - 10) / 90)))


def run(session, rng, failures):
    def compare(what, got, want, tolerance=TOLERANCE):
        error = relative_error(got, want)
        if not error <= tolerance:
            failures.append(f"{what}: expected a relative error of at most {tolerance}, but got {error}")

    names = [n[len("grad."):] for n in session.names() if n.startswith("grad.")]
    if len(names) != 4 + 12 * L:
        failures.append(f"expected {4 + 12 * L} gradients, but got {len(names)}")
    session.set("control.random", [1, 0, 0])
    session.run("initialize")
    p = {}
    for name in names:
        # Far from the start, so that no gradient is nearly zero.
        value = session.variable(name)
        value += 0.2 * rng.standard_normal(value.shape).astype(np.float32)
        p[name] = torch.tensor(np.array(value, np.float64), requires_grad=True)
    decayed = [x for x in p.values() if x.ndim > 1]
    spared = [x for x in p.values() if x.ndim == 1]
    adamw = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1},
                               {"params": spared, "weight_decay": 0.0}],
                              lr=PEAK, betas=(0.9, 0.95), eps=1e-8)
    for step in range(1, 4):
        inputs = rng.integers(0, V, (M, B, T)).astype(np.int32)
        targets = rng.integers(0, V, (M, B, T)).astype(np.int32)
        targets[rng.random((M, B, T)) < 0.3] = -100
        targets[0, 0, :step] = -100  # micro-batches with different counts
        for program in ("count", "accumulate"):
            for j in range(M):
                session.set("inputs", inputs[j])
                session.set("targets", targets[j])
                session.set("control.micro_batch", j)
                session.run(program)
        count = (targets != -100).sum()
        compare("count", session.variable("loss.causal_lm.count"), count, 0)
        adamw.zero_grad()
        total = sum(loss_sum(p, inputs[j], targets[j]) for j in range(M))
        (total / count).backward()
        compare(f"step {step}: loss", session.variable("loss.causal_lm.sum"), total.item())
        for name in names:
            compare(f"step {step}: gradient of {name}", session.variable("grad." + name),
                    p[name].grad.numpy())
        norm = torch.nn.utils.clip_grad_norm_(p.values(), 1.0)
        for group in adamw.param_groups:
            group["lr"] = rate(step)
        adamw.step()
        session.run("apply")
        compare(f"step {step}: norm", session.variable("metric.grad_norm"), norm.item())
        # Partial sums of kernels are of what the gradients hold after the last
        # micro-batch.
        own = math.sqrt(sum(np.sum(session.variable("grad." + name).astype(np.float64)**2)
                            for name in names))
        compare(f"step {step}: norm of its own gradients", session.variable("metric.grad_norm"),
                own, 1e-12)
        compare(f"step {step}: learning rate", session.variable("metric.learning_rate"),
                rate(step), 1e-12)
        for name in names:
            got, want = session.variable(name), p[name].detach().numpy()
            if name.endswith("c_attn.bias"):
                # Softmax ignores what all keys share: the keys' bias has gradient 0,
                # and Adam makes steps of full size from its rounding.
                got, want = np.delete(got, np.s_[C:2 * C]), np.delete(want, np.s_[C:2 * C])
            compare(f"step {step}: {name}", got, want)

    session.set("inputs", inputs[0])
    session.set("targets", targets[0])
    session.run("evaluate")
    with torch.no_grad():
        logits, hidden = gpt2(p, torch.from_numpy(inputs[0]).long())
        compare("evaluated sum", session.variable("loss.causal_lm.evaluate_sum"),
                loss_sum(p, inputs[0], targets[0]).item())
    compare("evaluated count", session.variable("loss.causal_lm.evaluate_count"),
            (targets[0] != -100).sum(), 0)
    session.run("predict")
    compare("logits", session.variable("logits"), logits.numpy())
    compare("hidden states", session.variable("hidden_states"), hidden.numpy())
    for position in (0, 7, T - 1):
        session.set("prefill.inputs", inputs[0][:1])
        session.set("control.position", [position])
        session.run("prefill")
        compare(f"next logits at {position}", session.variable("next_logits"),
                logits[0, position].numpy())


def main():
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        for target in TARGETS:
            plan = os.path.join(folder, "tiny.plan")
            command = [os.path.join(os.environ["TRAINC_TOOLS_DIR"], "trainc"), "compile",
                       RECIPE, "-o", plan, "--set", f"batch.micro_batches={M}",
                       "--set", f"optimizer.learning_rate={PEAK}",
                       *(["--target", target] if target else [])]
            result = subprocess.run(command, capture_output=True, text=True)
            if result.returncode:
                sys.exit(f"{' '.join(command)}\n{result.stderr}")
            session = runtime.Session(plan)
            found = []
            run(session, np.random.default_rng(int.from_bytes(b"gpt2", "big")), found)
            session.close()
            failures += [f"{target or 'default'}: {text}" for text in found]
    print("\n".join(failures[:40]))
    sys.exit(f"{len(failures)} failures" if failures else 0)


if __name__ == "__main__":
    main()
