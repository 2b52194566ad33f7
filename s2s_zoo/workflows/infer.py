"""Run a trained model on raw inputs."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from s2s_zoo.errors import UserError, writing
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.tasks.base import task_of
from s2s_zoo.tasks.runner import Progress, unheard
from s2s_zoo.workflows.run_directory import find_run


def infer(
    *,
    run: str | Path | None = None,
    inputs: Sequence[str],
    output: str | Path | None = None,
    search: str = "",
    compiled: bool = False,
    plot: str | Path | None = None,
    score: bool = False,
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
        progress: hears how many inputs more are done.

    Returns:
        For each input its `input` and `output`, with what the task says besides, or
        the `error` that kept it from being read.

    Raises:
        UserError: no run, no input, or a model that scores no texts.
    """
    if not inputs:
        raise UserError("Nothing to do: name at least one input, or --input FILE")
    model = Seq2Seq.from_preset(find_run(run).preset, load_weights=True)
    if compiled:
        model.compile_search()
    task = task_of(model)
    infer_all = partial(task.infer, search=search, progress=progress)
    results = (task.score if score else infer_all)(model, inputs)
    read = [result["input"] for result in results if "error" not in result]
    if plot is not None and read:
        with writing(Path(plot)):
            example = task.as_example(read[0])
            task.picture(model, example, Path(plot), search)
    if output is not None:
        with writing(Path(output)):
            task.write(results, Path(output))
    return results
