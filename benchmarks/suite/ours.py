"""Our side of the kernel rows: compiles a row with trainc, runs its program.

Started by benchmarks/run with TRAINC_TOOLS_DIR and TRAINC_LIBRARY_DIR; the argument
is the number of threads. A time is that of one whole program run by the runtime's
thread pool, packing and all, so kernels may be called and cut as they like.
"""

import os
import re
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "..", "test", "numerics")]
import modules
import rows
import runtime
import workers


def write_recipe(path, spec):
    """The recipe with another section [optimizer]."""
    with open(os.path.join(modules.ROOT, "models", "recipes", spec["recipe"])) as file:
        text = file.read()
    section = re.compile(r"^\[optimizer\]\n.*?(?=^\[)", re.MULTILINE | re.DOTALL)
    with open(path, "w") as file:
        file.write(section.sub(lambda _: f"[optimizer]\n{spec['optimizer']}\n\n", text))


def compile_spec(spec, path):
    """Writes the plan; returns the program to time."""
    if spec["kind"] == "optimizer":
        recipe = path + ".toml"
        write_recipe(recipe, spec)
        sets = [word for item in spec["sets"] for word in ("--set", item)]
        subprocess.run([os.path.join(os.environ["TRAINC_TOOLS_DIR"], "trainc"), "compile", recipe,
                        "-o", path, *sets], check=True, capture_output=True)
        return spec["program"]
    text, program = modules.build(spec)
    runtime.compile_plan(text, path, None)
    return program


def fill(session, spec):
    """Random tensors of ordinary size; targets over the whole vocabulary."""
    rng = np.random.default_rng(1)
    names = session.names()
    for name in names:
        view = session.variable(name)
        if name == "targets":
            view[...] = rng.integers(0, spec.get("v", 1), view.shape)
            if "counted" in spec:  # the first row and others
                view[1 + rng.permutation(spec["m"] - 1)[spec["counted"] - 1:]] = -100
        elif name == "control.random":
            view[...] = (1, 1, 0)
        elif view.dtype == np.float32 and view.size and name.rpartition(".")[0] not in names:
            # States start at zero, as in training.
            scale = 0.02 if spec["kind"] in ("optimizer", "vocabulary") else 1.0
            rng.standard_normal(out=view.reshape(-1), dtype=np.float32)
            view *= scale


def check(session, spec, program):
    """Raises where the program did not compute what the row says."""
    if spec["kind"] == "matmul" and spec["epilogue"] is None:
        a, b = session.variable("a"), session.variable("b")
        want = (a.T if spec["transpose_lhs"] else a)[:2] @ (b.T if spec["transpose_rhs"] else b)
        got = session.variable("y")[:2]
        tolerance = 1e-2 if spec["narrow"] else 1e-3
        if not np.abs(got - want).max() <= tolerance * np.abs(want).max():
            raise RuntimeError("expected the product, but got something else")
    if spec["kind"] == "optimizer":
        check_copies(session, spec)
    results = [n for n in session.names() if n.startswith("grad.")] if program == "accumulate" else []
    for name in results:
        part = session.variable(name).reshape(-1)[:1000]
        if not np.isfinite(part).all() or not part.any():
            raise RuntimeError(f"expected a gradient in {name}, but got {part[:4]}")


def copies(session):
    """Pairs of a parameter and its copy in 16 bits, as names."""
    names = session.names()
    return [(name, name + end) for name in names for end in (".bf16", ".f16") if name + end in names]


def check_copies(session, spec):
    """There are as many as the row counts, and they are the parameters, rounded."""
    pairs = copies(session)
    count = sum(session.variable(copy).size for _, copy in pairs)
    wanted = 0 if spec["compute"] == "float32" else rows.copied_count(spec)
    if count != wanted:
        raise RuntimeError(f"expected copies of {wanted} elements, but got {count}")
    for name, copy in pairs:
        wide, narrow = (session.variable(n).reshape(-1)[:1000] for n in (name, copy))
        if narrow.dtype == np.uint16:
            bits = wide.view(np.uint32)
            wide = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
        if not (narrow == wide.astype(narrow.dtype)).all():
            raise RuntimeError(f"expected {copy} to be {name}, rounded, but got something else")


def prepare(spec, threads):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "row.plan")
        program = compile_spec(spec, path)
        session = runtime.Session(path, threads)
    if spec["kind"] == "optimizer":  # rules have scalars that start at 1
        session.set("control.random", (1, 0, 0))
        session.run("initialize")
    fill(session, spec)
    first = None
    if program == "apply":
        parameter = next(n[len("grad."):] for n in session.names() if n.startswith("grad."))
        first = session.variable(parameter).copy()
    if program == "accumulate":
        session.run("count")
    session.run(program)
    if first is not None and (session.variable(parameter) == first).all():
        raise RuntimeError("expected an update of the weights, but got none")
    check(session, spec, program)
    kept = Kept(session, program)
    return kept, {"ready": True}


class Kept:
    """A session that frees its memory with the last reference."""

    def __init__(self, session, program):
        self.session, self.program = session, program

    def __call__(self):
        self.session.run(self.program)

    def __del__(self):
        self.session.close()


if __name__ == "__main__":
    count = int(sys.argv[1])
    workers.serve(lambda spec: prepare(spec, count))
