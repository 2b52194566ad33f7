"""Measure a trained model."""

import csv
from dataclasses import replace
from pathlib import Path

from s2s_zoo.errors import UserError, check_place, writing
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.tasks.base import task_of
from s2s_zoo.tasks.evaluation import Evaluation
from s2s_zoo.workflows.grouping import measure_groups, rows_by
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.run_directory import find_run
from s2s_zoo.workflows.sources import AudioRoot, open_data_of, unseen_split


def evaluate(
    *,
    run: str | Path | None = None,
    data: str | None = None,
    split: str | None = None,
    outputs: str | Path | None = None,
    plot: str | Path | None = None,
    by: str | None = None,
    search: str = "",
    compiled: bool = False,
    budget: float | None = None,
    audio_root: AudioRoot = (),
    reporter: Reporter | None = None,
) -> Evaluation:
    """Metrics of a run's best model on a split, free-running.

    Args:
        run: run directory; None is the newest under ./runs.
        data: corpus by name or path; None is what the run was trained on.
        split: of that corpus; None is "test", or where there is none, or only the lone
            file that the run was trained on, "validation".
        outputs: TSV file for name, reference and output of every example, and what
            the task counts of it.
        plot: PNG of what the evaluation shows, for tasks that draw it.
        by: column of the manifest whose values group the examples.
        search: changes of the search, such as "beam=8,length_penalty=1".
        compiled: compile searches, `Seq2Seq.compile_search`.
        budget: of a batch, in the units of the task; None is the task's choice.
        audio_root: directory trees beside that of a manifest that its files may lie
            in, and those that the run was trained with.
        reporter: hears what happens.

    Raises:
        UserError: no such run, corpus, split or column, or nothing to draw.
    """
    reporter = reporter or Reporter()
    check_place(outputs, plot)
    found = find_run(run)
    model = Seq2Seq.from_preset(found.preset, load_weights=True)
    if compiled:
        model.compile_search()
    task = task_of(model)
    if plot is not None and not task.draws_evaluations:
        raise UserError(f"--plot: {task.name} draws no evaluation")
    source = open_data_of(found, task, data, audio_root)
    split = split or unseen_split([found], task, source, reporter)
    where = f"{source.data}, {split}"
    examples = source.read_split(split)
    selection = task.select(model, examples, where, training=False)
    for reason, names in selection.dropped.items():
        reporter.note(f"{split}: {len(names)} examples {reason} left out")
    usable = selection.usable
    rows = {} if by is None else rows_by(task, usable, by, where)
    reporter.evaluating(len(usable))
    budget = task.evaluation_budget if budget is None else budget
    evaluation = task.evaluate(model, usable, budget, reporter.evaluated, search)
    for name, reason in evaluation.unreadable.items():
        reporter.note(f"{name} counts as empty: {reason}")
    evaluation = task.measured_further(evaluation)
    evaluation = replace(evaluation, breakdown=task.breakdown(evaluation.outputs))
    if rows:
        evaluation = replace(evaluation, groups=measure_groups(task, evaluation, rows))
    if outputs is not None:
        _write_outputs(Path(outputs), evaluation)
    if plot is not None:
        with writing(Path(plot)):
            task.draw_evaluation(evaluation, Path(plot))
    return evaluation


def _write_outputs(path: Path, evaluation: Evaluation) -> None:
    with writing(path), path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        counts = evaluation.breakdown.counts
        writer.writerow(["name", "reference", "output", *counts])
        for outcome, *counted in zip(evaluation.outputs, *counts.values(), strict=True):
            writer.writerow([*outcome, *counted])
