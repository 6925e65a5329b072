"""The run's files say what the contract (design, section 9) says."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../parity"))
import numpy as np

import safetensors_io

work = sys.argv[1]
metrics = [json.loads(line) for line in open(f"{work}/run/metrics.jsonl")]
assert [m["step"] for m in metrics] == list(range(1, 61))
keys = {"step", "loss", "losses", "learning_rate", "grad_norm", "tokens", "step_ms"}
assert all(keys <= set(m) for m in metrics), metrics[0]
assert metrics[-1]["loss"] < 0.7 * metrics[0]["loss"], (metrics[0], metrics[-1])
assert metrics[9]["learning_rate"] == 5e-3 and abs(metrics[0]["learning_rate"] - 5e-4) < 1e-18
assert metrics[-1]["tokens"] == 60 * 8 * 16

summary = json.load(open(f"{work}/run/summary.json"))
assert {"predicted_bytes", "peak_bytes", "tokens_per_second", "device"} <= set(summary), summary

model = safetensors_io.read(f"{work}/run/checkpoint-60/model.safetensors")
assert model["transformer.h.1.mlp.c_fc.weight"].shape == (32, 128)
assert "lm_head.weight" not in model
optimizer = safetensors_io.read(f"{work}/run/checkpoint-60/optimizer.safetensors")
assert optimizer["transformer.wte.weight.m"].shape == (300, 32)

predicted = safetensors_io.read(f"{work}/p.safetensors")
assert predicted["logits"].shape == (8, 16, 300) and predicted["hidden_states"].shape == (8, 16, 32)
# The model's head is tied: logits = hidden states times the embedding (1.1).
want = predicted["hidden_states"].astype(np.float64) @ model["transformer.wte.weight"].astype(np.float64).T
error = np.abs(predicted["logits"] - want).max() / np.abs(want).max()
assert error < 1e-5, error
