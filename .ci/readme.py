"""Run every `$` command of a Markdown file's console blocks, in order.

Commands run in a copy of the checkout, so that what they write stays out of it; the
installed package is the checkout's own.
"""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
SKIPPED = shutil.ignore_patterns(
    ".git", "runs", "__pycache__", "*.egg-info", ".*_cache"
)

readme, work = Path(sys.argv[1]), Path(sys.argv[2])
checkout = work / "readme"
shutil.copytree(readme.parent.resolve(), checkout, ignore=SKIPPED)
blocks = BLOCK.findall(readme.read_text(encoding="utf-8"))
lines = [line for block in blocks for line in block.splitlines()]
commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
assert commands, f"no commands in {readme}"
for command in commands:
    print(f"== {command}", flush=True)
    started = time.monotonic()
    subprocess.run(command, shell=True, check=True, cwd=checkout)
    print(f"== took {time.monotonic() - started:.0f} s", flush=True)
