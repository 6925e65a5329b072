"""The machine: its names, its limits, and what they allow a row at best."""

import json
import os
import platform
import subprocess


class Limits:
    """What limits-benchmark measured: of one thread and of all. Measured again
    during a run; the best counts, since a limit is what nothing exceeds."""

    PLACES = ("l1", "l2", "l3", "memory")
    SWEEPS = ("read", "copy", "scale")

    def __init__(self, one, all_threads):
        self.one, self.all = one, all_threads

    @classmethod
    def measure(cls, tools, threads, largest_mib, seconds):
        command = [os.path.join(tools, "limits-benchmark"), "--threads", str(threads),
                   "--largest-mib", str(largest_mib), "--seconds", str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stderr.strip()}")
        result = json.loads(done.stdout)
        return cls(result["one"], result["all"])

    @staticmethod
    def server(tools, threads, largest_mib):
        """Command that sweeps memory whenever it is asked (workers.Worker)."""
        return [os.path.join(tools, "limits-benchmark"), "--threads", str(threads),
                "--largest-mib", str(largest_mib), "--seconds", "0.15", "--serve"]

    def best_of(self, other):
        def best(a, b):
            if isinstance(a, dict):
                return {key: best(a[key], b[key]) for key in a}
            return max(a, b)
        return Limits(best(self.one, other.one), best(self.all, other.all))

    @property
    def flops(self):
        """f32 operations per second of all threads."""
        return self.all["fma_flops"]

    @property
    def in_place(self):
        """Bytes per second of the fastest sweep of memory."""
        return max(self.all["memory"][sweep] for sweep in self.SWEEPS)

    def bandwidth(self, size_bytes):
        """Of the largest sweep that is not larger; see runtime's MachineLimits.h."""
        fits = [p for p in self.PLACES if self.all[p]["bytes"] <= size_bytes] or ["l1"]
        return max(self.all[fits[-1]][sweep] for sweep in self.SWEEPS)

    @property
    def bfloat16_flops(self):
        """The same of factors in bfloat16: instructions for pairs, where there are any."""
        return max(self.flops, self.all["bfloat16_flops"])

    def least_seconds(self, row):
        """No time is shorter: operations at the peak, bytes at the bandwidth of a sweep of
        that size."""
        flops = self.bfloat16_flops if row.narrow else self.flops
        return max(row.flops / flops, row.bytes / self.bandwidth(row.bytes))


def processor():
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def describe(tools, source):
    """name -> text of everything that a result depends on."""
    def output(*command):
        done = subprocess.run(command, capture_output=True, text=True, cwd=source)
        lines = done.stdout.strip().splitlines()
        return lines[0] if done.returncode == 0 and lines else "unknown"

    meminfo = dict(line.split(":", 1) for line in open("/proc/meminfo"))
    cache = "/sys/devices/system/cpu/cpu0/cache"
    caches = []
    if os.path.isdir(cache):
        for index in sorted(os.listdir(cache)):
            if index.startswith("index"):
                def read(name):
                    with open(os.path.join(cache, index, name)) as file:
                        return file.read().strip()
                if read("type") != "Instruction":
                    caches.append(f"L{read('level')} {read('size')}")
    huge = "/sys/kernel/mm/transparent_hugepage/enabled"
    pages = open(huge).read().strip() if os.path.exists(huge) else "unknown"
    load = open("/proc/loadavg").read().split()[0]
    return {
        "processor": f"{processor()}, {len(os.sched_getaffinity(0))} CPUs, {', '.join(caches)}",
        "memory": f"{int(meminfo['MemTotal'].split()[0]) / 2**20:.0f} GiB, huge pages {pages}",
        "system": f"{platform.system()} {platform.release()}, load {load} at the start",
        "trainc": f"{output(os.path.join(tools, 'trainc'), '--version')}, commit "
                  f"{output('git', 'describe', '--always', '--dirty')}",
    }
