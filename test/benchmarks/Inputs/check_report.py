"""Unit test of benchmarks/suite: check_report.py SOURCE_ROOT."""

import math
import os
import sys

sys.path[:0] = [os.path.join(sys.argv[1], "benchmarks", name) for name in ("suite", "peers")]
import machine
import report
import rows


def side(scale, memory):
    place = lambda size, speed: {"bytes": size, "read": speed, "copy": speed / 2, "scale": speed}
    return {"threads": 2, "fma_flops": 100.0 * scale, "l1": place(64, 1000.0 * scale),
            "l2": place(256, 200.0 * scale), "l3": place(1024, 100.0 * scale),
            "memory": place(4096, memory)}


limits = machine.Limits(side(1, 40.0), side(2, 50.0))
assert limits.flops == 200 and limits.in_place == 50
assert [limits.bandwidth(n) for n in (1, 64, 255, 256, 1024, 4095, 4096, 1e9)] == [
    2000, 2000, 2000, 400, 200, 200, 50, 50]
again = limits.best_of(machine.Limits(side(1, 60.0), side(1.5, 45.0)))
assert again.flops == 200 and again.in_place == 50 and again.one["memory"]["read"] == 60


def row(flops, size):
    return rows.Row("g", "n", {}, flops, size)


assert limits.least_seconds(row(600, 64)) == 3  # multiply-adds bound
assert limits.least_seconds(row(600, 5000)) == 100  # memory bounds
assert limits.least_seconds(row(0, 512)) == 512 / 400  # a cache bounds

# Twice as fast as the peer, half of the limit; medians, not means.
r = report.Result("g", "n", "GFLOP/s", [2.0, 2.0, 9.0], [4.0, 4.0, 1.0], 8e9, 1.0)
assert (r.ratio, r.share, r.impossible()) == (2.0, 0.5, [])
assert r.cells()[3:] == ["4", "2", "8", "2.00x", "50 %"], r.cells()
assert r.json()["ours"]["value"] == 4 and r.json()["limit"] == 8

# A little above the limit is noise, more is wrong, whoever it is.
near = report.Result("g", "near", "ms", [0.98], [1.0], least=1.0)
ours = report.Result("g", "fast", "ms", [0.9], [1.2], least=1.0)
peer = report.Result("g", "peer", "ms", [1.2], [0.9], least=1.0)
assert report.refusal([r, near]) is None
message = report.refusal([r, near, ours, peer])
assert message.startswith("expected every result to be slower than the machine's limit, but got "
                          "faster: g fast (ours); g peer (peer);"), message
assert ours.cells()[-1] == "111 %!"

# The table names a group once, and a row without a peer has none.
text = report.table([r, near, report.Figure("h", "bytes", "MiB", 12.0)])
lines = text.splitlines()
assert [line.split()[0] for line in lines] == ["row", "g", "near", "h"], text
assert lines[3].split() == ["h", "bytes", "MiB", "12", "-", "-", "-", "-"], text

# What the rows count: GPT-2 124M's parameters and the products of a step.
updates = {r.label: r for r in rows.optimizer(rows.Shapes())}
assert rows.parameter_count(updates["AdamW"].spec) == 124439808
assert updates["AdamW"].bytes == 28 * 124439808
assert updates["AdamW + bfloat16 copies"].bytes == 28 * 124439808 + 2 * 123532032
assert updates["refresh in float16"].bytes == 6 * 123532032
# Per layer and step 4 s²l + 2 s³ with s = 768 and l = 3s, s, 4s, 4s.
assert updates["Muon"].flops == 2 * 5 * 56 * 768**3, updates["Muon"].flops
gemm = list(rows.gemm(rows.Shapes()))
assert len(gemm) == 2 * 16  # in float32, then the same in bfloat16
assert [r.flops for r in gemm[:16]] == [r.flops for r in gemm[16:]]
step = sum((1 if "head" in r.name else 12) * r.flops for r in gemm[:15])
assert math.isclose(step, 6 * 1024 * (12 * 12 * 768 * 768 + 50257 * 768)), step
print("report adds up")
