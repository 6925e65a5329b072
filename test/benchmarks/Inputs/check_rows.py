"""Arithmetic of --json with every group: check_rows.py FILE."""

import json
import math
import statistics
import sys

result = json.load(open(sys.argv[1]))
rows = result["results"]
groups = {row["group"] for row in rows}
assert groups == {"gemm", "attention", "vocabulary", "norm", "optimizer", "step", "memory",
                  "compile", "start"}, groups
assert len({(row["group"], row["name"]) for row in rows}) == len(rows)
for row in rows:
    ours, peer = row["ours"], row["peer"]
    assert ours["seconds"], row
    if row["group"] not in ("compile", "start") and "prediction" not in row["name"]:
        assert peer["seconds"] and row["ratio"] > 0, row
    if row["unit"] in ("GFLOP/s", "GB/s"):
        # value x median = work, on both sides.
        work = [side["value"] * statistics.median(side["seconds"]) for side in (ours, peer)]
        assert math.isclose(*work, rel_tol=1e-9), row
        assert math.isclose(row["ratio"], ours["value"] / peer["value"], rel_tol=1e-9), row
        assert math.isclose(row["share"], ours["value"] / row["limit"], rel_tol=1e-9), row
    elif row["unit"] == "ms" and peer:
        assert math.isclose(row["ratio"], peer["value"] / ours["value"], rel_tol=1e-9), row
        assert math.isclose(row["share"], row["limit"] / ours["value"], rel_tol=1e-9), row
