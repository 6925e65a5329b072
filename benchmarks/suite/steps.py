"""Whole training steps, their memory, compile times and the time to a first step.

GPT-2 124M, 4 x 256 tokens, float32 or bfloat16, AdamW, clipping at 1.0, through `trainrun
train` as a person runs it, in turns with peers/torch_gpt2.py on the same tokens in
the same order. Both start from the same weights in every turn but the first, which
measures memory, and must then report the same losses.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "test", "parity"))
import gpt2_torch
import safetensors_io

PEER = os.path.join(ROOT, "benchmarks", "peers", "torch_gpt2.py")
LOSS_TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-3}  # relative, first steps


class Model:
    def __init__(self, recipe, sets, vocabulary, positions, hidden, layers, heads, batch, length,
                 padded, compute):
        self.recipe, self.sets = os.path.join(ROOT, "models", "recipes", recipe), list(sets)
        self.sets.append(f"precision.compute={compute}")
        self.compute = compute
        self.vocabulary, self.positions, self.hidden = vocabulary, positions, hidden
        self.layers, self.heads, self.batch, self.length = layers, heads, batch, length
        self.padded = padded

    @classmethod
    def gpt2(cls, compute="float32"):
        return cls("gpt2-124m.toml", ["batch.length=256"], 50257, 1024, 768, 12, 12, 4, 256, 50304,
                   compute)

    @classmethod
    def tiny(cls, compute="float32"):
        # The peer follows the 124M recipe's rate and warm-up.
        return cls("tiny.toml", ["optimizer.learning_rate=6e-4", "schedule.warmup_steps=700",
                                 "schedule.total_steps=100000"], 96, 16, 32, 2, 2, 2, 16, 128,
                   compute)

    def floor_seconds(self, limits):
        """Products and causal attention at the peak of their factors' type, AdamW's 28 bytes
        per parameter at memory's in-place speed."""
        rows, c, t = self.batch * self.length, self.hidden, self.length
        matrices = self.layers * 12 * c * c + self.vocabulary * c
        attention = 6.0 * self.layers * self.batch * c * t * (t + 1)
        parameters = sum(int(np.prod(s)) for s in self.shapes().values())
        flops = limits.flops if self.compute == "float32" else limits.bfloat16_flops
        return ((6.0 * rows * matrices + attention) / flops
                + 28.0 * parameters / limits.in_place)

    def shapes(self):
        return gpt2_torch.shapes(self.vocabulary, self.positions, self.hidden, self.layers)


class Steps:
    """Files and commands of the whole-step rows, in a folder of their own."""

    def __init__(self, model, tools, threads, work, peer):
        self.model, self.tools, self.threads = model, tools, threads
        self.work, self.peer = work, peer
        self.plan = os.path.join(work, "step.plan")
        self.tokens = os.path.join(work, "tokens.safetensors")
        self.init = os.path.join(work, "init.safetensors")

    def tool(self, name, *arguments):
        command = [os.path.join(self.tools, name), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stderr.strip()}")

    def compile(self, plan, *sets):
        """Seconds."""
        words = [w for s in [*self.model.sets, *sets] for w in ("--set", s)]
        begin = time.perf_counter()
        self.tool("trainc", "compile", self.model.recipe, "-o", plan, *words)
        return time.perf_counter() - begin

    def prepare(self, steps):
        self.compile(self.plan)
        m = self.model
        rng = np.random.default_rng(1)
        count = m.batch * m.length * steps + 1
        tokens = np.minimum(rng.zipf(1.3, count) - 1, m.vocabulary - 1).astype(np.uint16)
        safetensors_io.write(self.tokens, {"tokens": tokens})

    def write_weights(self):
        rng, weights = np.random.default_rng(2), {}
        for name, shape in self.model.shapes().items():
            if len(shape) == 2:
                weights[name] = 0.02 * rng.standard_normal(shape, dtype=np.float32)
            else:
                weights[name] = np.full(shape, name.endswith(".weight"), np.float32)
        safetensors_io.write(self.init, weights, {"format": "pt"})

    def ours(self, steps, init):
        """{"step_ms", "loss", "peak_bytes", "predicted_bytes"} of one process."""
        run = os.path.join(self.work, "run")
        try:
            self.tool("trainrun", "train", self.plan, "--data", self.tokens, "--out", run,
                      "--steps", steps, "--order", "sequential", "--threads", self.threads,
                      *(["--init", self.init] if init else []))
            with open(os.path.join(run, "metrics.jsonl")) as file:
                metrics = [json.loads(line) for line in file]
            with open(os.path.join(run, "summary.json")) as file:
                summary = json.load(file)
        finally:
            shutil.rmtree(run, ignore_errors=True)
        return {"step_ms": [m["step_ms"] for m in metrics], "loss": [m["loss"] for m in metrics],
                "peak_bytes": summary["peak_bytes"], "predicted_bytes": summary["predicted_bytes"]}

    def theirs(self, steps, init, padded):
        m = self.model
        command = [self.peer.python, PEER, "--tokens", self.tokens, "--steps", steps,
                   "--threads", self.threads, "--sequences", m.batch, "--length", m.length,
                   "--layers", m.layers, "--heads", m.heads, "--hidden", m.hidden,
                   "--vocabulary", m.vocabulary, "--positions", m.positions]
        command += ["--padded-vocabulary", m.padded] if padded else []
        command += ["--init", self.init] if init else []
        command += ["--bfloat16"] if m.compute == "bfloat16" else []
        done = subprocess.run([str(word) for word in command], env=self.peer.environment,
                              capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr.strip()[-2000:]}")
        return json.loads(done.stdout)

    def measure(self, turns, steps, say, alone):
        """name -> list of results, one a turn: ours, then each peer, then ours ...
        `say` reports progress, `alone()` is held while a process is measured."""
        self.prepare(steps)
        contestants = {"ours": lambda init: self.ours(steps, init)}
        if self.peer:
            contestants["peer"] = lambda init: self.theirs(steps, init, False)
            contestants["padded"] = lambda init: self.theirs(steps, init, True)
        results = {name: [] for name in contestants}
        for turn in range(turns):
            if turn == 1:
                self.write_weights()
            for name, run in contestants.items():
                say(f"training step, turn {turn + 1} of {turns}: {name}")
                with alone():
                    results[name].append(run(turn > 0))
        return results

    def time_to_first_step(self, plan):
        """Seconds from the start of the process to the end of its first step, which
        is when its line of metrics was written, and to the end of the process."""
        run = os.path.join(self.work, "first")
        shutil.rmtree(run, ignore_errors=True)
        begin = time.time()
        self.tool("trainrun", "train", plan, "--data", self.tokens, "--out", run, "--steps", 1,
                  "--threads", self.threads)
        end = time.time()
        written = os.stat(os.path.join(run, "metrics.jsonl")).st_mtime
        shutil.rmtree(run)
        return written - begin, end - begin


def step_ms(results):
    """Median over all steps but the first of each process, which touches memory for
    the first time."""
    times = [ms for r in results for ms in (r["step_ms"][1:] or r["step_ms"])]
    return statistics.median(times)


def check_losses(results, compute):
    """Message about losses that differ between contestants, or None."""
    turns = list(zip(*results.values()))[1:]
    for turn in turns:
        for step, losses in enumerate(zip(*(r["loss"] for r in turn)), 1):
            # A padded vocabulary adds exp(0) per row that no token names.
            if max(losses[:2]) - min(losses[:2]) > LOSS_TOLERANCE[compute] * abs(losses[0]):
                return f"expected equal losses at step {step}, but got {losses[:2]}"
    return None
