"""How PyTorch is tuned on this machine: interpreter, BLAS, allocator, threads.

Debian's PyTorch takes sgemm from the BLAS that is installed. Of those found here
the fastest in a short product is used: OpenBLAS with OpenMP threads (shared with
PyTorch), oneDNN's sgemm, OpenBLAS with threads of its own, the system's default.
tcmalloc replaces the allocator where it is installed. Threads are pinned.
tools/dev/install-packages benchmarks installs all of it; `root` is a folder with
unpacked packages for machines where nothing may be installed.
"""

import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
WORKER = os.path.join(HERE, "torch_worker.py")
# What may be set outside and would slow the peer or change its threads.
CLEARED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
           "OMP_PROC_BIND", "OMP_PLACES", "OMP_WAIT_POLICY", "OMP_SCHEDULE", "GOMP_CPU_AFFINITY",
           "GOMP_SPINCOUNT", "KMP_AFFINITY", "KMP_BLOCKTIME", "MKL_NUM_THREADS", "LD_PRELOAD",
           "ATEN_CPU_CAPABILITY", "MALLOC_ARENA_MAX")


def interpreter():
    """A Python with torch and numpy, or None."""
    for candidate in ("/usr/bin/python3", sys.executable):
        done = subprocess.run([candidate, "-c", "import torch, numpy"], capture_output=True)
        if done.returncode == 0:
            return candidate
    return None


def find(pattern, root):
    """The first match under /usr/lib, also inside `root`."""
    for base in filter(None, (root, "/")):
        for found in sorted(glob.glob(os.path.join(base, "usr/lib/*", pattern))):
            return found
    return None


def onednn_blas(build):
    """Path of the shim, compiled into `build`; None without oneDNN or a compiler."""
    target = os.path.join(build, "libonednn_blas.so")
    library = find("libdnnl.so.2", None)
    if library is None:
        return None
    done = subprocess.run(["cc", "-O2", "-shared", "-fPIC", os.path.join(HERE, "onednn_blas.c"),
                           "-o", target, library], capture_output=True)
    return target if done.returncode == 0 else None


class Peer:
    """Interpreter, environment, and what they are called in reports. Without `probe`
    nothing is tuned: for tests of the benchmark on busy machines. Without `products`
    the BLAS does not matter, and none is looked for."""

    def __init__(self, threads, build, root=None, probe=True, products=True):
        self.threads, self.tuned = threads, probe
        self.python = interpreter()
        if self.python is None:
            return
        base = {k: v for k, v in os.environ.items() if k not in CLEARED}
        base.update(OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
        if probe:  # a pinned thread waits for whoever else has its CPU
            base.update(OMP_PROC_BIND="true")
        malloc = find("libtcmalloc_minimal.so.4", root)
        preload = [malloc] if malloc else []
        self.allocator = "tcmalloc" if malloc else "libc"
        # Polling threads help while PyTorch has them to itself, and ruin it where
        # the BLAS brings its own.
        active = {"OMP_WAIT_POLICY": "active"}
        choices = []
        for name, folder in (("OpenBLAS (OpenMP)", "openblas-openmp"),
                             ("OpenBLAS (own threads)", "openblas-pthread")):
            library = find(os.path.join(folder, "libblas.so.3"), root)
            if library:
                policy = active if folder == "openblas-openmp" else {"OMP_WAIT_POLICY": "passive"}
                choices.append((name, [library], policy))
        shim = onednn_blas(build) if products else None
        if shim:
            choices.append(("oneDNN's sgemm", [shim], active))
        choices.append(("the system's default BLAS", [], {} if products or not probe else active))
        self.tried = []
        for name, libraries, policy in choices if probe and products else choices[-1:]:
            environment = {**base, **policy, "LD_PRELOAD": ":".join(preload + libraries)}
            speed = self.speed(environment) if probe and products else 0.0
            self.tried.append((speed, name, environment))
        _, self.blas, self.environment = max(self.tried, key=lambda entry: entry[0])

    def speed(self, environment):
        """GFLOP/s of a product; 0 where this choice does not even load."""
        try:
            done = subprocess.run([self.python, WORKER, str(self.threads), "probe"],
                                  env=environment, capture_output=True, text=True, timeout=60)
            return float(done.stdout) if done.returncode == 0 else 0.0
        except (subprocess.TimeoutExpired, ValueError):
            return 0.0

    def version(self):
        done = subprocess.run([self.python, "-c", "import torch; print(torch.__version__)"],
                              env=self.environment, capture_output=True, text=True)
        return done.stdout.strip()

    def describe(self):
        name = f"PyTorch {self.version()} with {self.blas} and {self.allocator}"
        if not self.tuned:
            return f"{name}, untuned"
        if len(self.tried) == 1:
            return f"{name}, {self.threads} pinned threads"
        tried = ", ".join(f"{name} {speed:.0f}" for speed, name, _ in self.tried)
        return f"{name}, {self.threads} pinned threads (product in GFLOP/s: {tried})"
