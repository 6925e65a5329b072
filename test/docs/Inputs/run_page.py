"""Runs every ```sh block of a page of docs, in order, in one shell that stops at the first failure.

    run_page.py PAGE.md WORK_FOLDER TOOLS_FOLDER

The work folder sees the repository's `docs`, `models` and README.md, as its root does.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

page, work, tools = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
root = page.parent.parent
blocks = re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
assert blocks, f"{page}: expected blocks of sh"
shutil.rmtree(work, ignore_errors=True)
work.mkdir(parents=True)
for name in ("docs", "models", "README.md"):
    (work / name).symlink_to(root / name)
# Its python3 is the one that runs the tests, which has NumPy.
paths = os.pathsep.join([str(tools), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
environment = {**os.environ, "PATH": paths}
script = "set -euo pipefail\n" + "".join(blocks)
sys.exit(subprocess.run(["bash", "-c", script], cwd=work, env=environment).returncode)
