"""Structure of --json with limits only: check_limits.py FILE."""

import json
import sys

result = json.load(open(sys.argv[1]))
assert result["tiny"] and result["threads"] == 2 and result["results"] == []
assert {"processor", "memory", "system", "trainc"} <= set(result["machine"])
for side, threads in (("one", 1), ("all", 2)):
    limits = result["limits"][side]
    assert limits["threads"] == threads and limits["fma_flops"] > 0, limits
    sizes = []
    for place in ("l1", "l2", "l3", "memory"):
        assert all(limits[place][sweep] > 0 for sweep in ("read", "copy", "scale")), limits
        sizes.append(limits[place]["bytes"])
    assert sizes == sorted(sizes) and sizes[-1] == 64 << 20, sizes
