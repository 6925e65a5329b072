#!/usr/bin/env python3
"""What a person at a terminal sees, and what a program reads.

    person.py --tools build/release/bin --work FOLDER CASE...
"""
import argparse
import json
import os
import pathlib
import pty
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from training import assert_same, checkpoints, compile_plan, contents, make_data, metrics, one_error

STEPS = 4000


def default_signals():
    """Whoever runs the tests may ignore some, as nohup does; the child must not inherit that."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class Case:
    def __init__(self, tools, work):
        self.tools, self.work = tools, work

    def train(self, run, steps=10**9, *more):
        return [self.tools / "trainrun", "train", self.work / "plan", "--data", self.work / "train.safetensors",
                "--out", self.work / run, "--steps", str(steps), "--keep", "1", "--resume", *more]

    def start(self, run, *more, **options):
        """A run that has made some steps and has a checkpoint."""
        process = subprocess.Popen(self.train(run, 10**9, "--checkpoint-every", "100", *more), text=True,
                                   stderr=subprocess.PIPE, **{"stdout": subprocess.PIPE, "preexec_fn": default_signals,
                                                              **options})
        while process.poll() is None and not list((self.work / run).glob("checkpoint-*")):
            time.sleep(0.001)
        return process

    def others(self):
        """The other commands by name, as a program calls them."""
        trainrun, work = self.tools / "trainrun", self.work
        if not (work / "run").exists():
            subprocess.run(self.train("run", 3), check=True, stdout=subprocess.DEVNULL)
        data, weights = ["--data", work / "train.safetensors"], ["--weights", work / "run"]
        return {
            "tokenize": [trainrun, "tokenize", "--model", "bytes", work / "train.txt", "-o", work / "t.safetensors"],
            "eval": [trainrun, "eval", work / "plan", *data, *weights],
            "gradients": [trainrun, "gradients", work / "plan", *data, "-o", work / "g.safetensors"],
            "predict": [trainrun, "predict", work / "plan", *data, *weights, "-o", work / "p.safetensors"],
            "generate": [trainrun, "generate", work / "plan", *weights, "--tokenizer", "bytes", "--prompt", "wa",
                         "--count", "4"],
            "inspect": [trainrun, "inspect", work / "plan"],
            "verify": [trainrun, "verify", work / "plan"],
        }


def on_terminal(command, environment, typed=None, until=""):
    """Runs on a terminal of its own and types `typed` once `until` was shown; status and output."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(command[0], [str(word) for word in command],
                   {**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment})
    output = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            piece = b""
        if not piece:
            break
        output += piece
        if typed and until.encode() in output:
            os.write(terminal, typed)
            typed = None
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), output.decode()


def ctrl_c(case):
    """Finishes the step, saves, says how to go on; and the rest has the same bits."""
    status, output = on_terminal(case.train("cut", STEPS), {}, b"\x03", "step 1/")
    assert status == 130, (status, output)
    for words in ("finishing the step", "interrupted at step", "--resume", "checkpoint-"):
        assert words in output, (words, output)
    summary = json.loads((case.work / "cut/summary.json").read_text())
    assert summary["interrupted"] is True and 0 < summary["steps"] < STEPS, summary
    assert checkpoints(case.work / "cut") == [summary["steps"]]
    assert len(metrics(case.work / "cut/metrics.jsonl")) == summary["steps"]
    for run in ("cut", "whole"):
        subprocess.run(case.train(run, STEPS), check=True, stdout=subprocess.DEVNULL)
    assert_same(case.work / "cut", contents(case.work / "whole"))


def twice(case):
    """A second signal ends the run at once; what was saved stays."""
    process = case.start("twice")
    # Both are there before the process goes on.
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        process.send_signal(number)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGTERM, (process.returncode, output, errors)
    assert errors.count("finishing the step") == 1 and "interrupted at" not in output
    assert checkpoints(case.work / "twice")[-1] % 100 == 0


def signals(case):
    for number in (signal.SIGTERM, signal.SIGHUP):
        process = case.start(number.name)
        process.send_signal(number)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 128 + number, (number, process.returncode)
        assert "run the same command with --resume" in output.splitlines()[-1], output
    # As under nohup.
    process = case.start("nohup", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    lines = case.work / "nohup/metrics.jsonl"
    size = lines.stat().st_size
    while process.poll() is None and lines.stat().st_size <= size + 100_000:
        time.sleep(0.001)
    assert process.poll() is None, "SIGHUP was to be ignored"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130


def colour(case):
    """On a terminal only, and not with NO_COLOR."""
    wrong = [case.tools / "trainrun", "verify", case.work / "nothing"]
    shown = {}
    for name, environment in (("terminal", {}), ("NO_COLOR", {"NO_COLOR": "1"}), ("dumb", {"TERM": "dumb"})):
        status, output = on_terminal(wrong, environment)
        assert status == 1
        status, progress = on_terminal(case.train(f"colour-{name}", 3), environment)
        assert status == 0 and "\r\x1b[K" in progress, progress
        shown[name] = ("\x1b[1;31merror\x1b[0m: " in output, "\x1b[1;32m[###" in progress, "\x1b[1;" in output + progress)
    assert shown == {"terminal": (True, True, True), "NO_COLOR": (False,) * 3, "dumb": (False,) * 3}, shown
    piped = subprocess.run(wrong, capture_output=True, text=True)
    assert piped.stderr.startswith("error: ") and "\x1b" not in piped.stderr
    piped = subprocess.run(case.train("colour-piped", 3), capture_output=True, text=True)
    assert "\x1b" not in piped.stdout + piped.stderr


def output(case):
    """A run does not depend on readers of its progress; results must arrive."""
    process = subprocess.Popen(case.train("unread", 3), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.wait() == 0 and not process.stderr.read()
    assert checkpoints(case.work / "unread") == [3]
    with open("/dev/full", "w") as full:
        process = subprocess.run(case.train("full", 3), stdout=full, stderr=subprocess.PIPE, text=True)
        assert process.returncode == 0, process.stderr
        for name, command in case.others().items():
            if name != "generate":
                process = subprocess.run([*command, "--json"], stdout=full, stderr=subprocess.PIPE, text=True)
                one_error(process, 3, "standard output", "No space left")


def as_json(case):
    """One object on stdout, nothing else; progress of training on stderr."""
    for name, command in case.others().items():
        text = subprocess.run([*command, "--json"], check=True, capture_output=True, text=True)
        assert isinstance(json.loads(text.stdout), dict) and not text.stderr, (name, text)
    for _ in range(2):  # the second time there is nothing to do
        text = subprocess.run(case.train("json", 3, "--json"), check=True, capture_output=True, text=True)
        assert json.loads(text.stdout)["steps"] == 3 and "at step 3" in text.stderr, text
    text = subprocess.run([*case.others()["generate"], "--json"], check=True, capture_output=True, text=True)
    generated = json.loads(text.stdout)
    assert generated["text"].startswith("wa") and len(generated["tokens"]) == 4


def summary_lines(case):
    """The last line of each command says what came out."""
    ends = {"tokenize": "wrote ", "eval": "held-out loss ", "gradients": "loss ", "predict": "wrote ", "verify": ": sound"}
    for name, words in ends.items():
        text = subprocess.run(case.others()[name], check=True, capture_output=True, text=True).stdout
        assert words in text.splitlines()[-1], (name, text)
    text = subprocess.run(case.others()["generate"], check=True, capture_output=True, text=True)
    assert text.stderr.startswith("4 tokens after 2 of the prompt, "), text
    text = subprocess.run(case.train("lines", 3), check=True, capture_output=True, text=True).stdout
    assert text.splitlines()[-1].startswith("done: loss "), text


CASES = {"ctrl-c": ctrl_c, "twice": twice, "signals": signals, "colour": colour, "output": output, "json": as_json,
         "summary-lines": summary_lines}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("cases", nargs="+", choices=CASES)
    options = parser.parse_args()
    work = options.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    case = Case(options.tools.resolve(), work)
    compile_plan(case.tools, work / "plan")
    make_data(case.tools, work)
    for name in options.cases:
        CASES[name](case)
        print(f"{name}: ok", flush=True)


if __name__ == "__main__":
    main()
