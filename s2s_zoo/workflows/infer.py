"""Run a trained model on raw inputs."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from s2s_zoo.errors import UserError, check_place, writing
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.tasks.base import Task, task_of
from s2s_zoo.tasks.runner import Progress, unheard
from s2s_zoo.workflows.run_directory import find_run

GRIFFIN_LIM = "griffin-lim"


def infer(
    *,
    run: str | Path | None = None,
    inputs: Sequence[str],
    output: str | Path | None = None,
    search: str = "",
    compiled: bool = False,
    plot: str | Path | None = None,
    score: bool = False,
    vocoder: str | Path = "",
    progress: Progress = unheard,
) -> list[dict[str, Any]]:
    """Outputs of raw inputs, in their order.

    Args:
        run: run directory; None is the newest under ./runs.
        inputs: files, or lines of text.
        output: file for one output a line.
        search: changes of the search, such as "beam=8,n_best=4".
        compiled: compile searches, `Seq2Seq.compile_search`.
        plot: PNG of what the model makes of the first input that can be read.
        score: tell how probable the inputs are, lines of text, instead of going on
            from them; see `s2s_zoo.tasks.LanguageModeling.score`.
        vocoder: what makes waveforms of frames: "griffin-lim", or a run or preset
            directory of a model that does; empty for what the task has.
        progress: hears how many inputs more are done.

    Returns:
        For each input its `input` and `output`, with what the task says besides, or
        the `error` that kept it from being read.

    Raises:
        UserError: no run, no input, a model that scores no texts, or a vocoder that
            does not read what it writes.
    """
    if not inputs:
        raise UserError("Nothing to do: name at least one input, or --input FILE")
    check_place(output, plot)
    model = Seq2Seq.from_preset(find_run(run).preset, load_weights=True)
    if compiled:
        model.compile_search()
    task = task_of(model)
    sound = _vocoder(task, vocoder, compiled) if vocoder else None
    halves = _halves(progress) if sound else progress
    infer_all = partial(task.infer, search=search, progress=halves)
    results = (task.score if score else infer_all)(model, inputs)
    if sound:
        for result in results:
            if "error" not in result:
                result["output"] = sound(result["output"])
            halves(1)
    read = [result["input"] for result in results if "error" not in result]
    if plot is not None and read:
        with writing(Path(plot)):
            example = task.as_example(read[0])
            task.picture(model, example, Path(plot), search)
    if output is not None:
        with writing(Path(output)):
            task.write(results, Path(output))
    return results


def _vocoder(task: Task, named: str | Path, compiled: bool) -> Callable[[Any], Any]:
    """What makes waveforms of the outputs of a task; an error says which it was."""
    if str(named) == GRIFFIN_LIM:
        return task.vocoded_by(None)
    model = Seq2Seq.from_preset(named, load_weights=True)
    if compiled:
        model.compile_search()
    try:
        return task.vocoded_by(model)
    except UserError as error:
        raise UserError(f"--vocoder {named}: {error}") from error


def _halves(progress: Progress) -> Progress:
    return lambda done: progress(done / 2)
