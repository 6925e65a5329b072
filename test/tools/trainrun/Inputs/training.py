"""What the tests of trainrun share: a small plan with data, and commands that must end as said."""
import json
import pathlib
import random
import struct
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[4]
FILES = ("model.safetensors", "optimizer.safetensors", "state.json")


def compile_plan(tools, path, *overrides, target=None):
    command = [tools / "trainc", "compile", ROOT / "models/recipes/tiny.toml", "-o", path]
    for override in ("model.vocab_size=256", *overrides):
        command += ["--set", override]
    if target:
        command += ["--target", target]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def tokenize(tools, path, text):
    source = path.with_suffix(".txt")
    source.write_text(text)
    subprocess.run([tools / "trainrun", "tokenize", "--model", "bytes", source, "-o", path], check=True,
                   stdout=subprocess.DEVNULL)


def make_data(tools, work, words=600):
    """train.safetensors, and held-out.safetensors whose loss falls first and then rises."""
    chance = random.Random(5)
    tokenize(tools, work / "train.safetensors",
             " ".join(chance.choice(["light", "dark", "water", "earth"]) for _ in range(words)))
    tokenize(tools, work / "held-out.safetensors",
             "".join(chance.choice("abcdefghijklmnopqrstuvwxyz     ") for _ in range(700)))


def check_whole(folder):
    """A checkpoint has every byte that its headers promise."""
    for name in FILES:
        data = (folder / name).read_bytes()
        if name == "state.json":
            assert json.loads(data)["step"] == int(folder.name.split("-")[1]), f"{folder}: of another step"
            continue
        header = struct.unpack("<Q", data[:8])[0]
        tensors = json.loads(data[8:8 + header])
        end = max(t["data_offsets"][1] for n, t in tensors.items() if n != "__metadata__")
        assert len(data) == 8 + header + end, f"{folder}/{name}: {len(data)} bytes, expected {8 + header + end}"


def checkpoints(run):
    """Steps of the checkpoints of a run, all of them whole."""
    steps = sorted(int(path.name.split("-")[1]) for path in run.glob("checkpoint-*"))
    for step in steps:
        check_whole(run / f"checkpoint-{step}")
    return steps


def metrics(path, whole=True):
    """The lines by step, without times; `whole`: also that none is torn."""
    lines = {}
    text = path.read_text() if path.exists() else ""
    assert not whole or text.endswith("\n") or not text, f"{path}: the last line is torn"
    for line in text.split("\n")[:-1]:
        entry = json.loads(line)
        assert entry.pop("step_ms") > 0 and entry["step"] not in lines, f"{path}: {line}"
        lines[entry["step"]] = entry
    return lines


def contents(run):
    """All of a finished run that must not depend on interruptions."""
    summary = json.loads((run / "summary.json").read_text())
    result = {"summary.json": {k: summary[k] for k in (
        "steps", "tokens", "loss", "eval_loss", "best_eval_loss", "best_step", "best_checkpoint", "interrupted")},
        "metrics.jsonl": metrics(run / "metrics.jsonl")}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if path.is_file() and name not in result:
            result[name] = path.read_bytes()
    return result


def assert_same(run, expected):
    got = contents(run)
    assert got.keys() == expected.keys(), f"{run}: expected {sorted(expected)}, but got {sorted(got)}"
    for name, value in expected.items():
        assert got[name] == value, f"{run}/{name} differs from the run that was left alone"


def one_error(process, status, *words):
    """The process ended with this status and one line of error that has these words."""
    text = process.stderr.read() if hasattr(process.stderr, "read") else process.stderr
    code = process.wait() if hasattr(process, "wait") else process.returncode
    assert code == status, f"status {code}, expected {status}: {text}"
    lines = [line for line in text.splitlines() if line]
    assert len(lines) == 1 and lines[0].startswith("error: "), text
    for word in words:
        assert word in lines[0], f"expected '{word}' in: {text}"
