"""Results as a table and as JSON, and the refusal of what cannot be true.

A result is faster than the machine's limit only where something was measured
wrongly, so it is marked, and the run fails.
"""

import statistics

# Clocks move between the measurement of a limit and that of a row.
TOLERANCE = 1.03

SCALES = {"ms": 1e3, "s": 1.0}


class Result:
    """One line of the table. Seconds of ours and the peer's samples; `work` is what
    GFLOP/s and GB/s count per run; `least` the seconds of the limit, or None. What is
    below `bound`, or `least` where none is given, cannot be true."""

    def __init__(self, group, name, unit, ours, peer=(), work=0.0, least=None, bound=None):
        self.group, self.name, self.unit = group, name, unit
        self.ours, self.peer, self.work, self.least = list(ours), list(peer), work, least
        self.bound = least if bound is None else bound

    def value(self, seconds):
        if self.unit in SCALES:
            return seconds * SCALES[self.unit]
        return self.work / seconds * 1e-9

    def median(self, samples):
        return statistics.median(samples) if samples else None

    @property
    def ratio(self):
        """How many times faster than the peer."""
        return self.median(self.peer) / self.median(self.ours) if self.peer else None

    @property
    def share(self):
        return self.least / self.median(self.ours) if self.least else None

    def impossible(self):
        """What is faster than the limit: a list of "ours" and "peer"."""
        if not self.bound:
            return []
        return [who for who, samples in (("ours", self.ours), ("peer", self.peer))
                if samples and self.bound > TOLERANCE * self.median(samples)]

    def cells(self):
        def number(seconds):
            if seconds is None:
                return "-"
            value = self.value(seconds)
            return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"

        return [self.group, self.name, self.unit, number(self.median(self.ours)),
                number(self.median(self.peer)), number(self.least),
                "-" if self.ratio is None else f"{self.ratio:.2f}x",
                "-" if self.share is None else
                f"{100 * self.share:.0f} %{'!' if self.impossible() else ''}"]

    def json(self):
        def side(samples):
            if not samples:
                return None
            return {"value": self.value(self.median(samples)), "seconds": samples}

        return {"group": self.group, "name": self.name, "unit": self.unit,
                "ours": side(self.ours), "peer": side(self.peer),
                "limit": None if self.least is None else self.value(self.least),
                "ratio": self.ratio, "share": self.share, "impossible": self.impossible()}


class Figure(Result):
    """A line that is no time: bytes, or a ratio. Nothing limits it."""

    def __init__(self, group, name, unit, ours, peer=None, ratio=None):
        super().__init__(group, name, unit, [ours], [] if peer is None else [peer])
        self.ratio_given = ratio

    def value(self, seconds):
        return seconds

    @property
    def ratio(self):
        return self.ratio_given


def table(results):
    lines = [["", "row", "unit", "ours", "peer", "limit", "peer/ours", "of limit"]]
    lines += [r.cells() for r in results]
    for previous, line in reversed(list(zip(lines[1:], lines[2:]))):
        if previous[0] == line[0]:
            line[0] = ""  # a group's name once
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = []
    for line in lines:
        left = [line[i].ljust(widths[i]) for i in range(3)]
        right = [line[i].rjust(widths[i]) for i in range(3, len(line))]
        text.append("  ".join(left + right).rstrip())
    return "\n".join(text)


def limits_table(limits):
    """One and all threads: multiply-adds, and each sweep over each place."""
    def row(name, of):
        return [name, *(f"{of(side):.1f}" for side in (limits.one, limits.all))]

    lines = [["limit", "1 thread", f"{limits.all['threads']} threads"],
             row("f32 multiply-add, GFLOP/s", lambda s: s["fma_flops"] * 1e-9)]
    for place in limits.PLACES:
        size = limits.all[place]["bytes"]
        size = f"{size >> 20} MiB" if size >> 20 else f"{size >> 10} KiB"
        for sweep in limits.SWEEPS:
            name = {"scale": "in-place scale"}.get(sweep, sweep)
            lines.append(row(f"{place} {name}, GB/s ({size})",
                             lambda s: s[place][sweep] * 1e-9))
    widths = [max(len(line[i]) for line in lines) for i in range(3)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), line[1].rjust(widths[1]),
                                line[2].rjust(widths[2])]) for line in lines)


def refusal(results):
    """The message that ends a run whose results cannot be true, or None."""
    wrong = [f"{r.group} {r.name} ({', '.join(r.impossible())})" for r in results
             if r.impossible()]
    if not wrong:
        return None
    return ("expected every result to be slower than the machine's limit, but got faster: "
            + "; ".join(wrong) + "; measure again on a calm machine, and if it stays, the row "
            "counts more than it does")
