"""Damages and loads, case after case, in a process of its own.

    python -m tests.fuzzing.worker SANDBOX SLOW SEED FIRST STOP

It prints a JSON object a line: before a case its number, after it how it ended.
"""

import json
import logging
import os
import shutil
import sys
from pathlib import Path
from random import Random
from typing import IO, Any

from tests.fuzzing.mutations import OUTSIDE, mutate
from tests.fuzzing.subjects import Subject, schedule, subjects
from tests.fuzzing.watch import LOADED, Watch


def main(sandbox: Path, slow: int, seed: int, first: int, stop: int) -> None:
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    logging.disable()
    found = subjects(bool(slow))
    watch = Watch()
    for subject in found:
        _warm_up(subject, sandbox, watch)
    order = schedule(found)
    for number in range(first, stop):
        subject = order[number % len(order)]
        _tell(output, number=number, subject=subject.name)
        told = _run(subject, sandbox, number, seed, watch)
        _tell(output, number=number, subject=subject.name, **told)


def _warm_up(subject: Subject, sandbox: Path, watch: Watch) -> None:
    """Make an undamaged directory and load it, so that all that is imported is."""
    pristine = sandbox / "pristine" / subject.name
    if not pristine.exists():
        pristine.parent.mkdir(parents=True, exist_ok=True)
        os.chdir(pristine.parent)
        subject.make(pristine)
    place = Path(shutil.copytree(pristine, sandbox / "warm" / subject.name))
    watch.own = place, sandbox / "cache", sandbox / "tmp"
    os.chdir(place)
    subject.load(place)
    outcome = watch.judge(lambda: subject.load(place))
    shutil.rmtree(place)
    if outcome != LOADED:
        raise AssertionError(f"{subject.name}, undamaged: {outcome}")


def _run(
    subject: Subject, sandbox: Path, number: int, seed: int, watch: Watch
) -> dict[str, Any]:
    random = Random(f"{seed}/{number}")
    case, pristine = sandbox / f"{number}", sandbox / "pristine" / subject.name
    place = Path(shutil.copytree(pristine, case / "data"))
    shutil.copytree(pristine, case / OUTSIDE)
    damaged = _damage(place, random)
    if subject.seal and random.random() < 0.7:
        subject.seal(place)
    watch.own = place, sandbox / "cache", sandbox / "tmp"
    os.chdir(place)
    outcome = watch.judge(lambda: subject.load(place))
    shutil.rmtree(case)
    return {"file": damaged, "outcome": outcome}


def _damage(place: Path, random: Random) -> str:
    """Change one of the files; its name."""
    file = random.choice(sorted(p for p in place.rglob("*") if p.is_file()))
    content = file.read_bytes()
    if random.random() < 0.02:
        file.unlink()
        if random.random() < 0.5:
            file.mkdir()
    else:
        file.write_bytes(mutate(content, random))
    return file.relative_to(place).as_posix()


def _tell(output: IO[str], **told: Any) -> None:
    output.write(json.dumps(told) + "\n")
    output.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
