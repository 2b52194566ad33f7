"""The data that runs are trained and measured on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s2s_zoo.data.kinds import KINDS
from s2s_zoo.data.source import Source
from s2s_zoo.errors import UserError
from s2s_zoo.tasks.base import Task
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.run_directory import RunDirectory

AudioRoot = Sequence[str | Path]


def open_data(task: Task, data: str, audio_root: AudioRoot = ()) -> Source[Any]:
    """What a task reads from data.

    Args:
        task: decides what kind of examples there are and how they are read.
        data: corpus by name or path.
        audio_root: directory trees beside that of a manifest that its files may lie
            in.

    Raises:
        UserError: no such data, or the task reads no audio.
    """
    options = {"audio_root": tuple(map(Path, audio_root))} if audio_root else {}
    return KINDS.get(task.kind).for_task(task).with_options(options).open(data)


def open_data_of(
    run: RunDirectory, task: Task, data: str | None = None, audio_root: AudioRoot = ()
) -> Source[Any]:
    """As `open_data`, by default what a run was trained on, with its trees as well."""
    try:
        request = run.read_request()
    except UserError:
        if data is None:
            raise
        request = {}
    roots = (*audio_root, *request.get("audio_root", ()))
    return open_data(task, data or request["data"] or task.demo_corpus, roots)


def unseen_split(
    runs: Sequence[RunDirectory], task: Task, source: Source[Any], reporter: Reporter
) -> str:
    """The split to measure runs on: "test", unless one was trained on this lone file.

    Then, and where there is no test split, "validation", and a note says so.
    """
    for run in runs:
        if source.lone and source.lone == _trained_on(run, task):
            reporter.note(
                f"{run.path} was trained on {source.data}: measured on what was held "
                "out of it; --split test measures all of it"
            )
            return "validation"
    there = source.all_roles()
    if "test" in {*there, *source.splits} or "validation" not in there:
        return "test"
    reporter.note(f"{source.data} has no test split: measured on validation")
    return "validation"


def _trained_on(run: RunDirectory, task: Task) -> tuple[Path, ...]:
    """The lone file that a run was trained on; empty if there is none, or no more."""
    try:
        return open_data_of(run, task).lone
    except UserError:
        return ()
