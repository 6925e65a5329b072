"""What the scripts of this folder share: --tools, --recipe and an empty --work, a text's tokens, plans, runs, checkpoints."""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "parity"))
import safetensors_io

parser = argparse.ArgumentParser()
for name in ("tools", "recipe", "work"):
    parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
options = parser.parse_args()
tools, recipe, work = options.tools, options.recipe, options.work
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)


def run(tool, *arguments):
    """The finished process, with stdout and stderr as text; what it said where it failed."""
    done = subprocess.run([tools / tool, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, (tool, arguments, done.returncode, done.stderr)
    return done


(work / "text.txt").write_text(" ".join(f"{i * i % 97} words" for i in range(4000)))
tokens = work / "tokens.safetensors"
run("trainrun", "tokenize", "--model", "bytes", work / "text.txt", "-o", tokens)


def with_section(section, body):
    """The recipe, in the work folder, with another section of that name."""
    text, count = re.subn(rf"^\[{section}\]\n(?:(?!\[).*\n)*", lambda _: f"[{section}]\n{body}\n\n", recipe.read_text(), flags=re.M)
    assert count == 1, (section, count)
    path = work / f"{section}.toml"
    path.write_text(text)
    return path


def compile_plan(name, *settings, of=recipe):
    """Of a model of bytes."""
    plan = work / f"{name}.plan"
    words = [word for setting in ("model.vocab_size=256", *settings) for word in ("--set", setting)]
    run("trainc", "compile", of, *words, "-o", plan)
    return plan


def train(plan, name, *arguments):
    """Folder of the run, its metrics, what it said on stderr."""
    folder = work / name
    log = run("trainrun", "train", plan, "--data", tokens, "--out", folder, *arguments).stderr
    return folder, [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()], log


def load(folder, step, file):
    """name -> array of one file of a checkpoint: "model" or "optimizer"."""
    return safetensors_io.read(folder / f"checkpoint-{step}" / f"{file}.safetensors")


def states(folder, step):
    """name -> array of all that a checkpoint holds."""
    return {**load(folder, step, "model"), **load(folder, step, "optimizer")}


def assert_equal(got, want, apart=()):
    assert set(got) - set(apart) == set(want) - set(apart), set(got) ^ set(want)
    for name in set(want) - set(apart):
        assert got[name].tobytes() == want[name].tobytes(), name


def assert_same_bits(plan, name, step, stop):
    """Trains with 2 threads, 1 and 3, and with a resume after `stop`; folder and metrics of the first."""
    folder, lines, _ = train(plan, name, "--steps", step, "--threads", 2)
    for threads in (1, 3):
        assert_equal(states(train(plan, f"{name}.{threads}", "--steps", step, "--threads", threads)[0], step), states(folder, step))
    train(plan, f"{name}.resumed", "--steps", stop)
    assert_equal(states(train(plan, f"{name}.resumed", "--steps", step, "--resume")[0], step), states(folder, step))
    return folder, lines
