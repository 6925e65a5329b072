#!/usr/bin/env python3
"""Kills training with SIGKILL at random moments and compares with a run that was left alone.

    kill_and_resume.py --tools build/release/bin --work FOLDER [--kills 300] [--seed N]

A small GPT with dropout, gradient clipping, a schedule, several micro-batches, validation and --keep is
trained to its end once. Then the same command with --resume is killed again and again, at moments spread
over start-up, steps, evaluations and checkpoints; whenever it reaches its end, everything in the run's
folder is compared bit by bit, apart from times, and the next run begins. After every kill the folder is
checked as well: whole checkpoints only, none lost, metrics up to the newest one. The number of threads
changes from start to start.

A third of the kills waits for a checkpoint under way, or a folder about to be removed, so that these are
not left to chance. Prints what was hit; fails at the first difference.
"""
import argparse
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from training import assert_same, checkpoints, compile_plan, contents, make_data, metrics

STEPS, CHECKPOINT_EVERY, KEEP, EVAL_EVERY, PATIENCE = 96, 5, 2, 7, 4


def make_inputs(tools, work):
    compile_plan(tools, work / "plan", "model.dropout=0.1", "batch.sequences=4", "batch.micro_batches=3",
                 "optimizer.learning_rate=4e-3", "schedule.warmup_steps=10", f"schedule.total_steps={STEPS}")
    make_data(tools, work)


def command(tools, work, run, threads):
    return [tools / "trainrun", "train", work / "plan", "--data", work / "train.safetensors", "--out", work / run,
            "--checkpoint-every", str(CHECKPOINT_EVERY), "--keep", str(KEEP), "--resume",
            "--eval-data", work / "held-out.safetensors", "--eval-every", str(EVAL_EVERY),
            "--patience", str(PATIENCE), "--threads", str(threads)]


def check_killed(run, newest_before):
    """What any instant must leave; returns the newest checkpoint's step."""
    steps = checkpoints(run)
    newest = steps[-1] if steps else 0
    assert newest >= newest_before, f"{run}: checkpoint {newest_before} is lost; there are {steps}"
    lines = metrics(run / "metrics.jsonl", whole=False)
    assert set(range(1, newest + 1)) <= set(lines), f"{run}: checkpoint-{newest}, metrics of {len(lines)} steps"
    return newest


def wait_and_kill(process, run, span, aimed, chance):
    """Returns whether the kill came before the end."""
    if aimed:
        # As soon as such a folder shows up, and up to some milliseconds later.
        pattern = chance.choice([".tmp-checkpoint-*", ".tmp-removed-*", "checkpoint-*"])
        begin = {p.name for p in run.glob(pattern)}
        while process.poll() is None and not {p.name for p in run.glob(pattern)} - begin:
            pass
        end = time.monotonic() + chance.uniform(0, 0.02)
        while time.monotonic() < end and process.poll() is None:
            pass
    else:
        try:
            process.wait(chance.uniform(0, span))
        except subprocess.TimeoutExpired:
            pass
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def phase(run):
    """What a kill hit, as far as the folder shows it."""
    names = {p.name for p in run.iterdir()} if run.exists() else set()
    for prefix, what in ((".tmp-checkpoint-", "writing a checkpoint"), (".tmp-removed-", "removing a checkpoint"),
                         (".tmp-metrics", "rewriting the metrics"), (".tmp-summary", "writing the summary")):
        if any(name.startswith(prefix) for name in names):
            return what
    return "elsewhere" if names else "before the run's folder"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = parser.parse_args()
    tools, work = options.tools.resolve(), options.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    chance = random.Random(options.seed)
    print(f"seed {options.seed}", flush=True)
    make_inputs(tools, work)

    begin = time.monotonic()
    subprocess.run(command(tools, work, "whole", 2), check=True, stdout=subprocess.DEVNULL)
    span = time.monotonic() - begin
    expected = contents(work / "whole")
    best, last = expected["summary.json"]["best_step"], expected["summary.json"]["steps"]
    assert EVAL_EVERY <= best < last - KEEP * CHECKPOINT_EVERY and last < STEPS, \
        f"expected a run that stops early and keeps an older best checkpoint, but got best {best}, last {last}"

    kills = finished = newest = 0
    hit = {}
    while True:
        run = work / f"run-{finished}"
        process = subprocess.Popen(command(tools, work, run.name, chance.randint(1, 3)), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        # The last run is left alone once all kills are done.
        if kills < options.kills and wait_and_kill(process, run, span / 3, chance.random() < 1 / 3, chance):
            kills += 1
            what = phase(run)
            hit[what] = hit.get(what, 0) + 1
            newest = check_killed(run, newest)
            continue
        errors = process.communicate()[1]
        assert process.returncode == 0, f"status {process.returncode} after {kills} kills: {errors}"
        assert_same(run, expected)
        shutil.rmtree(run)
        finished += 1
        newest = 0
        if kills >= options.kills:
            break
    print(f"{kills} kills, {finished} runs ended with the same bits; best step {best}, last step {last}")
    for what, count in sorted(hit.items(), key=lambda item: -item[1]):
        print(f"  {count:4} {what}")


if __name__ == "__main__":
    main()
