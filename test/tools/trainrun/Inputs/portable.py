#!/usr/bin/env python3
"""A checkpoint of one plan continues under others: cut differently, for another target, of another length.

    portable.py --tools build/release/bin --work FOLDER

All with dropout, so equal losses also show that every row keeps its noise however a batch is cut.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from training import compile_plan, make_data, metrics

CUT, LAST = 6, 14


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    options = parser.parse_args()
    tools, work = options.tools.resolve(), options.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    # Few windows: the second epoch begins, shuffled anew, after the cut.
    make_data(tools, work, words=190)

    def plan(name, sequences, micro_batches, length=16, target=None):
        compile_plan(tools, work / name, "model.dropout=0.1", f"batch.sequences={sequences}", f"batch.length={length}",
                     f"batch.micro_batches={micro_batches}", "optimizer.learning_rate=5e-3", target=target)

    def train(name, run, steps):
        subprocess.run([tools / "trainrun", "train", work / name, "--data", work / "train.safetensors", "--out",
                        work / run, "--steps", str(steps), "--resume"], check=True, stdout=subprocess.DEVNULL)
        state = json.loads((work / run / f"checkpoint-{steps}/state.json").read_text())
        # Equal up to the order of summation, and so are not their bytes.
        for key in ("loss", "files", "hash"):
            del state[key]
        return metrics(work / run / "metrics.jsonl"), state

    plan("1x8", 8, 1)
    whole, state = train("1x8", "whole", LAST)
    windows = (state["data_tokens"] - 1) // 16
    assert CUT * 8 < windows < LAST * 8, windows
    train("1x8", "begun", CUT)

    plan("4x2", 2, 4)
    plan("2x4-reference", 4, 2, target="cpu:reference")
    plan("8x1-v3", 1, 8, target="cpu:x86-64-v3")
    for other in ("4x2", "2x4-reference", "8x1-v3"):
        shutil.copytree(work / "begun", work / f"continued-{other}")
        lines, other_state = train(other, f"continued-{other}", LAST)
        assert other_state == state, (other_state, state)
        assert list(lines) == list(range(1, LAST + 1))
        worst = 0.0
        for step, line in lines.items():
            if step <= CUT:
                assert line == whole[step], f"step {step} was not to change"
            assert line["tokens"] == whole[step]["tokens"] and line["learning_rate"] == whole[step]["learning_rate"]
            worst = max(worst, abs(line["loss"] / whole[step]["loss"] - 1))
        # fp32 in another order of summation; other noise or rows change the third digit.
        assert 0 < worst < 2e-5, f"{other}: relative difference {worst}"
        print(f"{other}: losses within {worst:.1e}")

    # Rows of half the length: the first one follows the last token that was read.
    plan("short", 8, 1, length=8)
    shutil.copytree(work / "begun", work / "shorter")
    lines, short = train("short", "shorter", CUT + 1)
    assert short["examples"] == CUT * 8 * 2 + 8 and short["length"] == 8, short
    assert short["tokens"] == CUT * 8 * 16 + 8 * 8 and lines[CUT + 1]["tokens"] == short["tokens"]
    print("short: continues at the same token")


if __name__ == "__main__":
    main()
