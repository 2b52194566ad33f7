"""Find the settings of a search that do best on held-out data, and keep them."""

from dataclasses import replace
from pathlib import Path

from s2s_zoo.errors import writing
from s2s_zoo.models.saving import read_task, write_task
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.tasks.base import task_of
from s2s_zoo.tasks.tuning import Tuning
from s2s_zoo.tasks.tuning import tune as tune_search
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.run_directory import find_run
from s2s_zoo.workflows.sources import AudioRoot, open_data_of


def tune(
    *,
    run: str | Path | None = None,
    data: str | None = None,
    split: str | None = None,
    search: str = "",
    budget: float | None = None,
    audio_root: AudioRoot = (),
    reporter: Reporter | None = None,
) -> Tuning:
    """Tune the search of a run's best model.

    Args:
        run: run directory; None is the newest under ./runs.
        data: corpus by name or path; None is what the run was trained on.
        split: of that corpus; None is "validation".
        search: changes of the search, such as "beam=64,lm=words.arpa".
        budget: of a batch, in the units of the task; None is the task's choice.
        audio_root: as of `evaluate`.
        reporter: hears what happens.

    Raises:
        UserError: no such run, corpus or split, or nothing to tune.
    """
    reporter = reporter or Reporter()
    found = find_run(run)
    model = Seq2Seq.from_preset(found.preset, load_weights=True)
    task = task_of(model)
    source = open_data_of(found, task, data, audio_root)
    split = split or "validation"
    examples = source.read_split(split)
    where = f"{source.data}, {split}"
    usable = task.select(model, examples, where, training=False).usable
    reporter.evaluating(len(usable))
    return tune_search(
        task,
        model,
        usable,
        task.evaluation_budget if budget is None else budget,
        reporter.evaluated,
        search,
    )


def keep_search(run: str | Path | None, search: str) -> None:
    """Let a run's best model search so from now on, with the files that takes.

    Args:
        run: run directory; None is the newest under ./runs.
        search: changes of the search, such as "beam=64,lm=words.arpa".

    Raises:
        UserError: no such run or search, or a file cannot be read.
    """
    directory = find_run(run).preset
    task = read_task(directory)
    with writing(directory):
        write_task(replace(task, search=task.search.parse(search)), directory)
