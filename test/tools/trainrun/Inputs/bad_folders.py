#!/usr/bin/env python3
"""Runs whose folder fails them: a full disk, files too large, no permission, removed while training.

    bad_folders.py --tools build/release/bin --work FOLDER CASE...

Each time: one line of error, exit status 3, every earlier checkpoint whole; and once the cause is gone, the
run goes on to the same bits as one that was left alone.
"""
import argparse
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from training import assert_same, checkpoints, compile_plan, contents, make_data, one_error

STEPS = 40


class Case:
    def __init__(self, tools, work):
        self.tools, self.work = tools, work

    def command(self, run, steps=STEPS, every=4):
        return [self.tools / "trainrun", "train", self.work / "plan", "--data", self.work / "train.safetensors",
                "--out", run, "--steps", str(steps), "--checkpoint-every", str(every), "--resume"]

    def finish(self, run, steps=STEPS):
        subprocess.run(self.command(run, steps), check=True, stdout=subprocess.DEVNULL)

    def fails(self, run, words, **options):
        one_error(subprocess.run(self.command(run), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                 **options), 3, *words)

    def ends_whole(self, run):
        """Repaired, the run ends as if nothing had been."""
        self.finish(run)
        whole = self.work / "whole"
        if not whole.exists():
            self.finish(whole)
        assert_same(run, contents(whole))

    def while_training(self, run, spoil, words, **options):
        """Trains without end, and lets `spoil` loose once there is a checkpoint."""
        process = subprocess.Popen(self.command(run, 10**9, 50), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   text=True, **options)
        while process.poll() is None and not list(run.glob("checkpoint-*")):
            time.sleep(0.001)
        spoil()
        one_error(process, 3, *words)


def file_size(case):
    """RLIMIT_FSIZE: the weights do not fit any more; EFBIG, no signal."""
    run = case.work / "file-size"
    case.finish(run, 8)
    limit = (run / "checkpoint-8/model.safetensors").stat().st_size - 1000
    case.fails(run, ["model.safetensors", "File too large", "saved up to step 8", "--resume"],
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert checkpoints(run) == [4, 8] and not list(run.glob(".tmp-*"))
    case.ends_whole(run)


def full_disk(case):
    """A file system of 2 MB; needs a mount namespace of one's own (see main)."""
    disk = case.work / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=True)
    run = disk / "run"
    case.fails(run, ["No space left on device", "saved up to step", "--resume"])
    steps = checkpoints(run)
    assert steps and steps[-1] < STEPS and not list(run.glob(".tmp-*")), steps
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    case.ends_whole(run)


def read_only(case):
    """The folder becomes read-only; as nobody, since root may write anyway."""
    # lit's own folder for temporary files is closed to others.
    open_to_all = "/tmp" if os.geteuid() == 0 else None
    folder = pathlib.Path(tempfile.mkdtemp(prefix="trainc-read-only-", dir=open_to_all))
    run = folder / "run"
    options = {}
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        options = {"user": 65534, "group": 65534, "extra_groups": []}
        for path in (case.work / "plan", case.work / "train.safetensors", case.tools / "trainrun"):
            shutil.copy(path, folder)
        os.chmod(folder / "plan", 0o644)
        case = Case(folder, folder)
    try:
        case.while_training(run, lambda: os.chmod(run, 0o555), ["Permission denied", "saved up to step"], **options)
        os.chmod(run, 0o755)
        steps = checkpoints(run)
        assert steps and not list(run.glob(".tmp-*")), steps
        subprocess.run(case.command(run, steps[-1] + 3), check=True, stdout=subprocess.DEVNULL, **options)
    finally:
        shutil.rmtree(folder)


def removed(case):
    run = case.work / "gone"

    def remove():
        # The run may just add something.
        while run.exists():
            shutil.rmtree(run, ignore_errors=True)

    case.while_training(run, remove, [str(run)])
    assert not run.exists(), "it came back"


CASES = {"file-size": file_size, "full-disk": full_disk, "read-only": read_only, "removed": removed}


def own_mounts(arguments):
    """Runs this script again where it may mount; None where that is not permitted."""
    prefix = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    probe = "mount -t tmpfs -o size=1m tmpfs /mnt"
    if subprocess.run([*prefix, "sh", "-c", probe], capture_output=True).returncode:
        return None
    return subprocess.run([*prefix, sys.executable, os.path.abspath(__file__), *arguments]).returncode


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--mounted", action="store_true")
    parser.add_argument("cases", nargs="+", choices=CASES)
    options = parser.parse_args()
    if "full-disk" in options.cases and not options.mounted:
        status = own_mounts([*sys.argv[1:], "--mounted"])
        if status is not None:
            sys.exit(status)
        # Where nothing can be mounted, TrainFaultTest fills the disk at every call.
        print("full-disk: not permitted here")
        options.cases.remove("full-disk")
    work = options.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    case = Case(options.tools.resolve(), work)
    compile_plan(case.tools, work / "plan", f"schedule.total_steps={STEPS}")
    make_data(case.tools, work)
    for name in options.cases:
        CASES[name](case)
        print(f"{name}: ok")


if __name__ == "__main__":
    main()
