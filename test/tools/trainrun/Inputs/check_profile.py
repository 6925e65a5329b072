"""trainrun profile --json: its arithmetic, not its times.

    check_profile.py PROFILE.json STEPS THREADS
"""

import json
import math
import sys

profile = json.load(open(sys.argv[1]))
assert profile["steps"] == int(sys.argv[2]) and profile["threads"] == int(sys.argv[3]), profile
assert profile["device"] and profile["target"].startswith("cpu"), profile

limits = profile["limits"]
steps = limits["bandwidths"]
assert limits["flops_per_second"] > 0 and steps
assert [s["size_bytes"] for s in steps] == sorted(s["size_bytes"] for s in steps)


def least_seconds(flops, size_bytes):
    fits = [s for s in steps if s["size_bytes"] <= size_bytes] or steps[:1]
    return max(flops / limits["flops_per_second"], size_bytes / fits[-1]["bytes_per_second"])


def close(a, b):
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-15)


kernels = profile["kernels"]
assert len({k["name"] for k in kernels}) == len(kernels)
assert any("nn.matmul" in k["operation"] for k in kernels)
assert [k["seconds"] for k in kernels] == sorted((k["seconds"] for k in kernels), reverse=True)
for k in kernels:
    # Per step: sums over all launches of a step.
    n = k["launches"]
    assert n > 0 and n == int(n), k
    least = n * least_seconds(k["flops"] / n, k["bytes"] / n)
    assert close(k["least_seconds"], min(least, k["seconds"])), (k, least)
    assert close(k["share"], k["least_seconds"] / k["seconds"]) and 0 <= k["share"] <= 1, k
    assert k["bound"] in ("compute", "memory"), k

step = profile["step"]
assert close(step["kernel_seconds"], sum(k["seconds"] for k in kernels)), step
assert close(step["least_seconds"], sum(k["least_seconds"] for k in kernels)), step
assert step["seconds"] >= step["kernel_seconds"] >= step["least_seconds"] > 0, step
assert close(step["share"], step["least_seconds"] / step["seconds"]), step
print("profile adds up")
