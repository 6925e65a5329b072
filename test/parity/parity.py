#!/usr/bin/python3
"""Trains one recipe with trainc and with PyTorch from the same weights on the same
batches and compares losses, gradients and final weights.

    test/parity/parity.py models/recipes/tiny.toml --steps 200
    test/parity/parity.py models/recipes/gpt2-124m.toml --set batch.sequences=1 \\
        --set batch.length=64 --steps 20

Bounds (the walking skeleton's figures): losses of the first 20 steps within 2e-5
relative, of 200 within 1e-3; each gradient within 1e-4 in norm, relative to the
larger of its own norm and a millionth of the total; weights after 20 steps within
2e-4 in norm. The key bias is excepted there: its true gradient is zero, so
Adam amplifies rounding. --cuts also trains the same step cut into more
micro-batches, --threads-checked on other numbers of threads.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gpt2_torch
import safetensors_io

LOSS_20, LOSS_200, GRADIENT, WEIGHTS, CUT = 2e-5, 1e-3, 1e-4, 2e-4, 1e-6


def read_recipe(path, overrides):
    """The few keys the oracle needs; enough of TOML for our own recipes."""
    recipe, section = {}, None
    lines = open(path).read().splitlines()
    for line in lines:
        line = line.split("#")[0].strip()
        if line.startswith("["):
            section = recipe.setdefault(line.strip("[] "), {})
        elif "=" in line:
            key, value = (part.strip() for part in line.split("=", 1))
            section[key] = json.loads(value)
    for override in overrides:
        name, value = override.split("=", 1)
        section, key = name.split(".")
        try:
            value = json.loads(value)
        except ValueError:
            pass
        recipe.setdefault(section, {})[key] = value
    return recipe


class Parity:
    def __init__(self, arguments, work):
        self.a, self.work = arguments, work
        self.failures = []
        r = self.recipe = read_recipe(arguments.recipe, arguments.set)
        m, b = r["model"], r["batch"]
        self.layers, self.heads = m["num_layers"], m["num_heads"]
        self.vocab, self.length = m["vocab_size"], b["length"]
        self.rows = b["sequences"] * b.get("micro_batches", 1)
        rng = np.random.default_rng(arguments.seed)
        self.weights = {}
        for name, shape in gpt2_torch.shapes(self.vocab, m["max_positions"], m["hidden_size"],
                                             self.layers).items():
            # Everything random, so that no gradient is zero by accident.
            value = rng.standard_normal(shape) * (0.1 if len(shape) == 1 else 0.04)
            if name.endswith(".weight") and len(shape) == 1:
                value += 1
            self.weights[name] = value.astype(np.float32)
        count = self.rows * self.length * arguments.steps + 1
        self.tokens = np.minimum(rng.zipf(1.3, count) - 1, self.vocab - 1).astype(np.uint16)
        self.init = os.path.join(work, "init.safetensors")
        self.data = os.path.join(work, "tokens.safetensors")
        safetensors_io.write(self.init, self.weights, {"format": "pt"})
        safetensors_io.write(self.data, {"tokens": self.tokens})

    def tool(self, name, *args):
        binary = os.path.join(self.a.bin, name)
        done = subprocess.run([binary, *map(str, args)], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{name} {args[0]} failed:\n{done.stderr}")
        return done.stdout

    def path(self, name):
        return os.path.join(self.work, name)

    def check(self, what, got, bound):
        ok = got <= bound  # False for NaN
        if not ok:
            self.failures.append(what)
        print(f"  {'ok  ' if ok else 'FAIL'} {what}: {got:.2e} (bound {bound:.0e})")

    # The tool under test.

    def compile(self, name, overrides=()):
        sets = [x for o in [*self.a.set, "model.dropout=0.0", *overrides] for x in ("--set", o)]
        self.tool("trainc", "compile", self.a.recipe, "-o", self.path(name), *sets)
        return self.path(name)

    def train(self, plan, run, steps, threads=2):
        out = self.path(run)
        self.tool("trainrun", "train", plan, "--data", self.data, "--init", self.init, "--out", out,
                  "--steps", steps, "--order", "sequential", "--threads", threads,
                  "--checkpoint-every", min(20, steps), "--keep", 100)
        return [json.loads(line)["loss"] for line in open(os.path.join(out, "metrics.jsonl"))]

    def gradients(self, plan, name):
        path = self.path(name)
        self.tool("trainrun", "gradients", plan, "--data", self.data, "--init", self.init, "-o", path)
        result = {k: v.astype(np.float64) for k, v in safetensors_io.read(path).items()}
        return float(result.pop("loss").reshape(())), result

    # The oracle.

    def learning_rate(self, step):
        o, s = self.recipe["optimizer"], self.recipe["schedule"]
        peak, warmup, total = o["learning_rate"], s.get("warmup_steps", 0), s["total_steps"]
        if step <= warmup:
            return peak * step / warmup
        r = min(1.0, (step - warmup) / (total - warmup))
        low = peak * s.get("final_ratio", 0.0)
        if s["name"] == "cosine":
            return low + (peak - low) * 0.5 * (1 + math.cos(math.pi * r))
        if s["name"] == "linear":
            return low + (peak - low) * (1 - r)
        return peak

    def oracle(self, steps):
        """Losses, first gradients, weights after 20 steps."""
        torch.set_num_threads(2)
        w = {k: torch.tensor(v, requires_grad=True) for k, v in self.weights.items()}
        o = self.recipe["optimizer"]
        decayed = [p for p in w.values() if p.dim() > 1]
        spared = [p for p in w.values() if p.dim() == 1]
        groups = [{"params": decayed, "weight_decay": o.get("weight_decay", 0.0)},
                  {"params": spared, "weight_decay": 0.0}]
        if o["name"] == "sgd":
            optimizer = torch.optim.SGD(groups, lr=1.0)
        else:
            optimizer = torch.optim.AdamW(groups, lr=1.0, eps=o.get("epsilon", 1e-8),
                                          betas=(o.get("beta1", 0.9), o.get("beta2", 0.999)))
        losses, first, after = [], None, None
        tokens, t = torch.tensor(self.tokens.astype(np.int64)), self.length
        for step in range(1, steps + 1):
            begin = (step - 1) * self.rows
            rows = [tokens[(begin + r) * t:(begin + r) * t + t + 1] for r in range(self.rows)]
            batch = torch.stack(rows)
            logits = gpt2_torch.forward(w, batch[:, :-1], self.layers, self.heads)
            loss = torch.nn.functional.cross_entropy(logits.reshape(-1, self.vocab),
                                                     batch[:, 1:].reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            losses.append(loss.item())
            if first is None:
                first = {k: v.grad.numpy().astype(np.float64) for k, v in w.items()}
            if o.get("clip_norm", 0):
                torch.nn.utils.clip_grad_norm_(list(w.values()), o["clip_norm"])
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate(step)
            optimizer.step()
            if step == min(20, steps):
                after = {k: v.detach().numpy().astype(np.float64).copy() for k, v in w.items()}
        return losses, first, after

    def compare_gradients(self, what, got, want, bound):
        total = math.sqrt(sum(np.sum(g * g) for g in want.values()))
        if set(got) != set(want):
            sys.exit(f"gradients of other tensors: {set(got) ^ set(want)}")
        worst = max(
            (np.linalg.norm(got[k] - want[k]) / max(np.linalg.norm(want[k]), 1e-6 * total), k)
            for k in want)
        self.check(f"{what} (worst: {worst[1]})", worst[0], bound)

    def run(self):
        steps = self.a.steps
        plan = self.compile("parity.plan")
        losses = self.train(plan, "run", steps)
        want, first, after = self.oracle(steps)
        relative = [abs(a - b) / abs(b) for a, b in zip(losses, want)]
        assert len(losses) == len(want) == steps
        print(f"{self.a.recipe}: loss {want[0]:.4f} -> {want[-1]:.4f} in {steps} steps")
        self.check(f"loss of steps 1-{min(20, steps)}, relative", np.max(relative[:20]), LOSS_20)
        if steps > 20:
            self.check(f"loss of steps 1-{steps}, relative", np.max(relative), LOSS_200)
        loss, gradients = self.gradients(plan, "gradients.safetensors")
        self.check("loss of the gradients command, relative", abs(loss - want[0]) / want[0], LOSS_20)
        self.compare_gradients("gradients against PyTorch, in norm", gradients, first, GRADIENT)
        self.compare_weights(after, min(20, steps))
        for cut in self.a.cuts:
            self.compare_cut(cut, loss, gradients)
        if self.a.cuts:
            # The masks of dropout belong to the step's rows, not to the cut.
            noisy = self.compile("noisy.plan", ["model.dropout=0.2"])
            noisy_loss, noisy_gradients = self.gradients(noisy, "noisy.safetensors")
            self.check("dropout changes the loss (inverse of)", 1e-3 / abs(noisy_loss - loss), 1.0)
            for cut in self.a.cuts:
                self.compare_cut(cut, noisy_loss, noisy_gradients, ["model.dropout=0.2"])
        for threads in self.a.threads_checked:
            self.compare_threads(plan, threads)
        return self.failures

    def compare_weights(self, want, step):
        got = safetensors_io.read(self.path(f"run/checkpoint-{step}/model.safetensors"))
        worst = (0.0, "")
        for name, expected in want.items():
            value = got[name].astype(np.float64)
            if name.endswith("attn.c_attn.bias"):  # query, key, value: without the key
                third = len(value) // 3
                keep = np.r_[0:third, 2 * third:3 * third]
                value, expected = value[keep], expected[keep]
            error = np.linalg.norm(value - expected) / np.linalg.norm(expected)
            worst = max(worst, (error if error == error else math.inf, name))
        self.check(f"weights after {step} steps, in norm (worst: {worst[1]})", worst[0], WEIGHTS)

    def compare_cut(self, cut, loss, gradients, overrides=()):
        if self.rows % cut:
            sys.exit(f"{self.rows} sequences do not cut into {cut} micro-batches")
        plan = self.compile(f"cut{cut}.plan", [f"batch.sequences={self.rows // cut}",
                                               f"batch.micro_batches={cut}", *overrides])
        other, cut_gradients = self.gradients(plan, f"cut{cut}.safetensors")
        what = f"in {cut} micro-batches{' with dropout' if overrides else ''}"
        self.check(f"loss {what}, relative", abs(other - loss) / loss, CUT)
        self.compare_gradients(f"gradients {what}, in norm", cut_gradients, gradients, CUT)

    def compare_threads(self, plan, threads):
        steps = min(20, self.a.steps)
        self.train(plan, f"threads{threads}", steps, threads)
        same = all(
            open(self.path(f"run/checkpoint-{steps}/{file}"), "rb").read()
            == open(self.path(f"threads{threads}/checkpoint-{steps}/{file}"), "rb").read()
            for file in ("model.safetensors", "optimizer.safetensors"))
        self.check(f"bits with {threads} thread(s) differ", 0.0 if same else 1.0, 0.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--bin", default="build/release/bin", help="folder of trainc and trainrun")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cuts", type=int, nargs="*", default=[], help="micro-batches to cut into")
    parser.add_argument("--threads-checked", type=int, nargs="*", default=[])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        failures = Parity(arguments, work).run()
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
