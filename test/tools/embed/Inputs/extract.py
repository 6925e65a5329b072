"""Writes the files that a page shows: extract.py PAGE FOLDER.

A fenced block after a line `<!-- file: NAME -->` is the file NAME.
"""
import pathlib
import re
import sys

page, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
blocks = re.findall(r"^<!-- file: ([\w.]+) -->\n```\w+\n(.*?)^```$", page.read_text(),
                    re.MULTILINE | re.DOTALL)
if not blocks:
    sys.exit(f"{page}: expected blocks after <!-- file: NAME -->, but got none")
folder.mkdir(parents=True, exist_ok=True)
for name, text in blocks:
    (folder / name).write_text(text)
